// One child process: argv without a shell, its output in memory, an end that is waited for with a deadline.
// Not here: what it is asked, and whether it may be ended (calls.hpp). Logic thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>
#include <boost/asio/awaitable.hpp>

namespace rebottle::worker::smolmachines {

template <class T>
using awaitable = boost::asio::awaitable<T>;
using std::chrono::milliseconds;

// A process as /proc knows it: a pid that was given out again has another start.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start = 0;  // clock ticks since boot
};
// Empty when there is none, or only its remains.
[[nodiscard]] std::optional<ProcessId> process_of(pid_t pid);
// Also true of one that /proc does not show (hidepid, another user namespace) while its number is given out.
[[nodiscard]] bool is_alive(const ProcessId& process);
// Whether /proc shows only some of the processes: what else is at work cannot be seen then.
[[nodiscard]] bool processes_are_hidden();

struct Program {
  std::vector<std::string> argv;                  // the first one is the path that is executed
  std::vector<std::string> environment;           // KEY=VALUE; all that the child gets
  std::filesystem::path input;                    // stdin; empty: /dev/null
  std::size_t output_max = std::size_t{4} << 20;  // what is read of it, and where wait() stops
  bool stop_at_output_max = true;
  std::uint64_t file_max = 0;  // no file may become larger by it; 0: as ours
};

// A child in a session of its own, so that no signal for us reaches it. The destructor closes what we hold of it and
// does not end it: the child never writes to us, so it can outlive us unharmed. Its remains are taken away by the next
// call.
class ChildProcess {
 public:
  // Forks, lets `record` write down who the child is, and only then lets it run; if `record` returns false, or this
  // process dies before, the program is never executed.
  ChildProcess(const Program& program, const std::function<bool(const ProcessId&)>& record);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  [[nodiscard]] const std::string& error() const { return error_; }  // not empty: it was not started
  [[nodiscard]] const ProcessId& id() const { return id_; }
  void end_now();  // SIGKILL

  enum class Wait : std::uint8_t { ended, timeout, too_much_output };
  [[nodiscard]] awaitable<Wait> wait(milliseconds deadline);
  // After it has ended: 0 … 255, or 128 + the signal; `signalled()` tells the two apart.
  [[nodiscard]] int exit_code() const { return exit_code_; }
  [[nodiscard]] bool signalled() const { return signalled_; }
  // What it wrote so far, up to the program's output_max.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::string errors() const;

 private:
  bool reap();

  ProcessId id_;
  int pidfd_ = -1;
  int output_ = -1;
  int errors_ = -1;
  std::size_t output_max_;
  bool stop_at_output_max_;
  std::string error_;
  bool started_ = false;
  bool ended_ = false;
  bool signalled_ = false;
  int exit_code_ = 0;
};

// Waits for a process that need not be our child; false after the deadline.
[[nodiscard]] awaitable<bool> wait_for_end(ProcessId process, milliseconds deadline);

}  // namespace rebottle::worker::smolmachines
