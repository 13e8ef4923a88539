// inotify on the database's directory, and an eventfd, in one poll. Not here: what to do about a write.
#include "worker/engine/write_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>

namespace rebottle::worker {

WriteWatch::WriteWatch(const std::filesystem::path& database) {
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  std::error_code unresolved;
  const auto file = std::filesystem::canonical(database, unresolved);  // SQLite puts the WAL beside a link's target
  if (unresolved) return;
  wal_name_ = file.filename().string() + "-wal";
  watch_ = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (watch_ < 0 || ::inotify_add_watch(watch_, file.parent_path().c_str(), IN_MODIFY) >= 0) return;
  ::close(watch_);
  watch_ = -1;
}

WriteWatch::~WriteWatch() {
  ::close(wake_);
  if (watch_ >= 0) ::close(watch_);
}

void WriteWatch::wait(std::chrono::milliseconds time) { wait_on(watch_, time); }

void WriteWatch::rest(std::chrono::milliseconds time) { wait_on(-1, time); }

void WriteWatch::wait_on(int watch, std::chrono::milliseconds time) {
  std::array<pollfd, 2> sources{{{.fd = wake_, .events = POLLIN, .revents = 0},
                                 {.fd = watch, .events = POLLIN, .revents = 0}}};  // a negative one is left out
  if (::poll(sources.data(), sources.size(), static_cast<int>(time.count())) <= 0 || sources[0].revents == 0) return;
  std::uint64_t count = 0;
  // Nothing to read means that it was read already.
  [[maybe_unused]] const auto drained = ::read(wake_, &count, sizeof count);
}

bool WriteWatch::written() {
  bool wal = false;
  alignas(inotify_event) std::array<char, 4096> events{};
  for (;;) {
    const auto size = watch_ < 0 ? -1 : ::read(watch_, events.data(), events.size());
    if (size <= 0) return wal;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, events.data() + at, sizeof event);
      const char* name = events.data() + at + sizeof event;
      // A queue that overflowed has lost names.
      wal = wal || (event.mask & IN_Q_OVERFLOW) != 0 || (event.len > 0 && wal_name_ == name);
      at += sizeof event + event.len;
    }
  }
}

void WriteWatch::wake() {
  const std::uint64_t one = 1;
  // It fails only when 2^64 - 1 calls wait to be seen.
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

}  // namespace rebottle::worker
