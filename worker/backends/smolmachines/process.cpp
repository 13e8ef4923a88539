// fork, a gate, exec; the end by pidfd. Not here: which programs.
#include "worker/backends/smolmachines/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

extern "C" {  // glibc 2.36 forgets to say so
#include <sys/pidfd.h>
}

#include "worker/backends/files.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using Clock = std::chrono::steady_clock;

constexpr milliseconds look_again{200};  // at how much the child has written
constexpr int exec_failed = 126;

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));  // NOLINT: execve's signature
  out.push_back(nullptr);
  return out;
}

int open_input(const Program& program) {
  return ::open(program.input.empty() ? "/dev/null" : program.input.c_str(), O_RDONLY | O_CLOEXEC);
}

// Between fork and exec, in a process that had threads: only calls that are safe in a signal handler.
[[noreturn]] void run_child(int gate, std::array<int, 3> streams, std::uint64_t file_max, char* const* argv,
                            char* const* environment) {
  ::setsid();
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  char go = 0;
  if (::read(gate, &go, 1) != 1) ::_exit(exec_failed);
  for (int to = 0; to < 3; ++to)
    if (::dup2(streams[static_cast<std::size_t>(to)], to) < 0) ::_exit(exec_failed);
  ::close_range(3, ~0U, 0);
  // What the engine makes is read by machines that run as users of their own; our umask is not meant for it.
  ::umask(0022);
  const rlimit limit{file_max, file_max};
  if (file_max != 0 && ::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(exec_failed);
  ::execve(argv[0], argv, environment);
  ::_exit(exec_failed);
}

std::string read_all(int descriptor, std::size_t bytes_max) {
  std::string out;
  std::array<char, 65536> piece{};
  while (out.size() < bytes_max) {
    const auto wanted = std::min(piece.size(), bytes_max - out.size());
    const auto got = ::pread(descriptor, piece.data(), wanted, static_cast<off_t>(out.size()));
    if (got <= 0) break;
    out.append(piece.data(), static_cast<std::size_t>(got));
  }
  return out;
}

std::size_t size_of(int descriptor) {
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
}

// Children whose ChildProcess is gone, and whose end nobody else will ask for.
std::vector<pid_t>& left_behind() {
  static std::vector<pid_t> pids;
  return pids;
}

void reap_left_behind() {
  std::erase_if(left_behind(), [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

// Until the descriptor of a process says that it ended, or the pause is over.
awaitable<void> wait_a_while(boost::asio::posix::stream_descriptor& process, milliseconds pause) {
  using namespace boost::asio::experimental::awaitable_operators;
  constexpr auto as_values = boost::asio::as_tuple(boost::asio::use_awaitable);
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, pause);
  auto ended = process.async_wait(boost::asio::posix::stream_descriptor::wait_read, as_values);
  auto over = timer.async_wait(as_values);
  co_await (std::move(ended) || std::move(over));
}

// Empty: there is none, or it is hidden.
std::string stat_line(pid_t pid) { return read_file("/proc/" + std::to_string(pid) + "/stat"); }

std::optional<ProcessId> parse(pid_t pid, const std::string& line) {
  // "<pid> (<name>) <state> …": the name may hold anything, so the fields are counted from its last parenthesis.
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  constexpr int start_field = 20;  // of those behind the name
  std::size_t at = name_end + 1;
  for (int field = 1; field <= start_field; ++field) {
    at = line.find_first_not_of(' ', at);
    if (at == std::string::npos) return std::nullopt;
    if (field == 1 && (line[at] == 'Z' || line[at] == 'X')) return std::nullopt;
    if (field == start_field) break;
    at = line.find(' ', at);
    if (at == std::string::npos) return std::nullopt;
  }
  ProcessId out{pid, 0};
  const auto parsed = std::from_chars(line.data() + at, line.data() + line.size(), out.start);
  if (parsed.ec != std::errc()) return std::nullopt;
  return out;
}

}  // namespace

std::optional<ProcessId> process_of(pid_t pid) { return parse(pid, stat_line(pid)); }

bool is_alive(const ProcessId& process) {
  if (process.pid <= 0) return false;
  const auto line = stat_line(process.pid);
  if (line.empty()) return ::kill(process.pid, 0) == 0 || errno == EPERM;
  const auto now = parse(process.pid, line);
  return now && now->start == process.start;
}

// Init is everybody's to see, unless something hides it.
bool processes_are_hidden() { return stat_line(1).empty(); }

ChildProcess::ChildProcess(const Program& program, const std::function<bool(const ProcessId&)>& record)
    : output_max_(program.output_max), stop_at_output_max_(program.stop_at_output_max) {
  reap_left_behind();
  const auto argv = pointers(program.argv);
  const auto environment = pointers(program.environment);
  output_ = ::memfd_create("stdout", MFD_CLOEXEC);
  errors_ = ::memfd_create("stderr", MFD_CLOEXEC);
  const int input = open_input(program);
  std::array<int, 2> gate{-1, -1};
  if (output_ < 0 || errors_ < 0 || input < 0 || ::pipe2(gate.data(), O_CLOEXEC) != 0) {
    error_ = std::string("cannot prepare a call: ") + std::strerror(errno);
    if (input >= 0) ::close(input);
    return;
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(gate[1]);
    run_child(gate[0], {input, output_, errors_}, program.file_max, argv.data(), environment.data());
  }
  if (pid < 0) error_ = std::string("cannot fork: ") + std::strerror(errno);
  ::close(input);
  ::close(gate[0]);
  if (pid > 0) {
    id_ = process_of(pid).value_or(ProcessId{pid, 0});
    pidfd_ = ::pidfd_open(pid, 0);
    const bool recorded = pidfd_ >= 0 && record(id_);
    const char go = 1;
    if (!recorded || ::write(gate[1], &go, 1) != 1) error_ = "cannot record the call";
  }
  ::close(gate[1]);
  started_ = error_.empty();
  if (!started_ && pid > 0) ::waitpid(pid, nullptr, 0);  // without the gate's word it ends at once
}

ChildProcess::~ChildProcess() {
  if (started_ && !reap()) left_behind().push_back(id_.pid);
  for (const int descriptor : {pidfd_, output_, errors_})
    if (descriptor >= 0) ::close(descriptor);
}

void ChildProcess::end_now() {
  if (started_ && !ended_) ::pidfd_send_signal(pidfd_, SIGKILL, nullptr, 0);
}

bool ChildProcess::reap() {
  int status = 0;
  const auto found = ended_ ? 0 : ::waitpid(id_.pid, &status, WNOHANG);
  if (found == id_.pid) {
    ended_ = true;
    signalled_ = WIFSIGNALED(status);
    exit_code_ = signalled_ ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return ended_;
}

awaitable<ChildProcess::Wait> ChildProcess::wait(milliseconds deadline) {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::posix::stream_descriptor process(executor, ::fcntl(pidfd_, F_DUPFD_CLOEXEC, 0));
  const auto end = Clock::now() + deadline;
  while (true) {
    if (reap()) co_return Wait::ended;
    const bool too_much = size_of(output_) > output_max_ || size_of(errors_) > output_max_;
    if (stop_at_output_max_ && too_much) co_return Wait::too_much_output;
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    if (left <= milliseconds{0}) co_return Wait::timeout;
    co_await wait_a_while(process, std::min(left, look_again));
  }
}

std::string ChildProcess::output() const { return read_all(output_, output_max_); }
std::string ChildProcess::errors() const { return read_all(errors_, output_max_); }

awaitable<bool> wait_for_end(ProcessId id, milliseconds deadline) {
  const auto end = Clock::now() + deadline;
  const auto executor = co_await boost::asio::this_coro::executor;
  const int pidfd = ::pidfd_open(id.pid, 0);
  if (pidfd < 0) co_return !is_alive(id);
  boost::asio::posix::stream_descriptor process(executor, pidfd);
  while (true) {
    // Never this very process: if it is our child, whoever holds it is to learn how it ended.
    reap_left_behind();
    if (!is_alive(id)) co_return true;
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    if (left <= milliseconds{0}) co_return false;
    co_await wait_a_while(process, std::min(left, look_again));
  }
}

}  // namespace rebottle::worker::smolmachines
