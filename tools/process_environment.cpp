// The real process: streams, terminal, user, clocks and Ctrl-C.
// Not here: any decision that depends on them.
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <iostream>

#include "tools/clock.hpp"
#include "tools/environment.hpp"

namespace rebottle::tools {
namespace {

volatile sig_atomic_t interrupted = 0;

extern "C" void note_interrupt(int /*signal*/) { interrupted = 1; }

void catch_interrupt() {
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  // SA_RESETHAND: a second Ctrl-C ends the process even where nobody looks at the flag.
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
}

int terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

// The person, not the role: under sudo the one who called it.
std::string user_name() {
  if (getuid() == 0)
    if (auto caller = variable("SUDO_USER"); caller && !caller->empty()) return *caller;
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    return found->pw_name;
  return "uid " + std::to_string(getuid());
}

// A signal ends the poll early, and so does the end of whoever reads our output: we end then as a write to it would
// have ended us, not only when there is something to write.
bool pause_process(std::chrono::milliseconds time) {
  pollfd out{STDOUT_FILENO, 0, 0};
  const bool news = poll(&out, 1, static_cast<int>(time.count())) > 0;
  if (news && (out.revents & (POLLERR | POLLHUP)) != 0) {
    raise(SIGPIPE);
    return false;  // where SIGPIPE is ignored
  }
  if (news) poll(nullptr, 0, static_cast<int>(time.count()));  // stdout was never open
  return interrupted == 0;
}

}  // namespace

Environment process_environment() {
  catch_interrupt();
  return {.out = std::cout,
          .err = std::cerr,
          .in = std::cin,
          .out_is_tty = isatty(STDOUT_FILENO) == 1,
          .width = terminal_width(),
          .user = user_name(),
          .variable = variable,
          .now = wall_clock,
          .monotonic = monotonic_clock,
          .pause = pause_process};
}

}  // namespace rebottle::tools
