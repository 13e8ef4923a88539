// The service's lock: an open-file-description lock, which no other close() in the process can drop.
// Not here: what a second service does about it.
#include "schema/service_lock.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace rebottle::schema {
namespace {

[[noreturn]] void cannot(const std::string& what, const std::filesystem::path& path) {
  throw StoreError("cannot " + what + " " + path.string() + ": " + std::strerror(errno), SQLITE_CANTOPEN, false);
}

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

std::int64_t pid_of(const std::string& line) {
  std::int64_t pid = 0;
  if (const auto at = line.find("pid="); at != std::string::npos)
    std::from_chars(line.data() + at + 4, line.data() + line.size(), pid);
  return pid;
}

ServiceHolder holder_of(int file) {
  std::array<char, 512> buffer{};
  const auto size = ::pread(file, buffer.data(), buffer.size(), 0);
  std::string line(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  line = line.substr(0, line.find('\n'));
  return {pid_of(line), line};
}

class File {
 public:
  explicit File(int file) : file_(file) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (file_ >= 0) ::close(file_);
  }
  [[nodiscard]] int get() const { return file_; }
  [[nodiscard]] int release() { return std::exchange(file_, -1); }

 private:
  int file_;
};

}  // namespace

std::filesystem::path service_lock_path(const std::filesystem::path& database) {
  std::error_code error;
  auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(database), error);
  if (error) path = std::filesystem::absolute(database);
  return path.string() + ".lock";
}

std::variant<ServiceLock, ServiceHolder> ServiceLock::acquire(const std::filesystem::path& database) {
  const auto path = service_lock_path(database);
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660));
  if (file.get() < 0) cannot("open", path);
  auto lock = whole_file();
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return holder_of(file.get());
    cannot("lock", path);
  }
  // The group must be able to look who holds it; fails harmlessly where the file is someone else's.
  if (::fchmod(file.get(), 0660) != 0 && errno != EPERM) cannot("set the mode of", path);
  ServiceLock taken(file.release());
  if (::ftruncate(taken.file_, 0) != 0) cannot("write", path);
  return taken;
}

ServiceLock::ServiceLock(ServiceLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

ServiceLock& ServiceLock::operator=(ServiceLock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

ServiceLock::~ServiceLock() {
  if (file_ >= 0) ::close(file_);
}

void ServiceLock::describe(const std::string& version, const std::string& since, std::int64_t epoch) {
  const auto line = "pid=" + std::to_string(::getpid()) + " version=" + version + " since=" + since +
                    " epoch=" + std::to_string(epoch) + "\n";
  // Longer lines overwrite shorter ones in one go; readers stop at the line's end.
  if (::pwrite(file_, line.data(), line.size(), 0) != static_cast<ssize_t>(line.size()) ||
      ::ftruncate(file_, static_cast<off_t>(line.size())) != 0)
    cannot("write", "the lock file");
}

std::optional<ServiceHolder> running_service(const std::filesystem::path& database) {
  const auto path = service_lock_path(database);
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::nullopt;
    cannot("look at", path);
  }
  auto lock = whole_file();
  if (::fcntl(file.get(), F_OFD_GETLK, &lock) != 0) cannot("look at", path);
  if (lock.l_type == F_UNLCK) return std::nullopt;
  return holder_of(file.get());
}

}  // namespace rebottle::schema
