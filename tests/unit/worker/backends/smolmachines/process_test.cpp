// Children: who learns of their end, and what they leave behind.
// Not here: the engine's calls (tests/smolmachines).
#include "worker/backends/smolmachines/process.hpp"

#include <cerrno>
#include <csignal>
#include <exception>
#include <filesystem>

#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/support/run.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using std::chrono::seconds;
using tests::run;

Program shell(const std::string& script) {
  Program out;
  out.argv = {"/bin/sh", "-c", script};
  out.environment = {"PATH=/usr/bin:/bin"};
  return out;
}
bool always(const ProcessId& /*id*/) { return true; }

awaitable<void> note_end(ProcessId id, bool& ended) {
  const auto out = co_await wait_for_end(id, seconds(30));
  ended = out;
}

TEST(Process, TwoWhoWaitForItBothLearnOfItsEnd) {
  boost::asio::io_context io;
  ChildProcess child(shell("sleep 0.3; exit 7"), always);
  ASSERT_EQ(child.error(), "");
  bool ended = false;
  auto other = note_end(child.id(), ended);
  boost::asio::co_spawn(io, std::move(other), [](const std::exception_ptr& thrown) { EXPECT_FALSE(thrown); });
  EXPECT_EQ(run(io, child.wait(seconds(30))), ChildProcess::Wait::ended);
  EXPECT_EQ(child.exit_code(), 7);
  io.restart();
  io.run();
  EXPECT_TRUE(ended);
}

TEST(Process, OneThatWasAbandonedLeavesNothing) {
  boost::asio::io_context io;
  pid_t abandoned = 0;
  {
    ChildProcess child(shell("sleep 100"), always);
    abandoned = child.id().pid;
    child.end_now();
  }
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(abandoned), &info, WEXITED | WNOWAIT), 0);
  ChildProcess next(shell("true"), always);
  EXPECT_EQ(run(io, next.wait(seconds(30))), ChildProcess::Wait::ended);
  EXPECT_EQ(::kill(abandoned, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

// In a child whose /proc hides what is not its own, as somebody else.
int seen_where_processes_are_hidden(const ProcessId& living, const ProcessId& ended) {
  const auto looker = ::fork();
  if (looker == 0) {
    constexpr uid_t nobody = 65534;
    const bool hidden = ::unshare(CLONE_NEWNS) == 0 &&
                        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                        ::mount("proc", "/proc", "proc", 0, "hidepid=2") == 0 && ::setgroups(0, nullptr) == 0 &&
                        ::setgid(nobody) == 0 && ::setuid(nobody) == 0;  // root's group sees all
    if (!hidden) ::_exit(99);
    ::_exit((processes_are_hidden() ? 1 : 0) + (is_alive(living) ? 2 : 0) + (is_alive(ended) ? 4 : 0));
  }
  int status = -1;
  EXPECT_EQ(::waitpid(looker, &status, 0), looker);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Process, OneThatProcHidesIsNotTakenForDead) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can mount a /proc that hides processes";
  boost::asio::io_context io;
  ChildProcess ended(shell("true"), always);
  EXPECT_EQ(run(io, ended.wait(seconds(30))), ChildProcess::Wait::ended);
  ChildProcess living(shell("sleep 100"), always);
  EXPECT_EQ(seen_where_processes_are_hidden(living.id(), ended.id()), 1 + 2);
  EXPECT_FALSE(processes_are_hidden());
  EXPECT_FALSE(is_alive({living.id().pid, living.id().start + 1}));
  EXPECT_FALSE(is_alive({0, 0}));
  living.end_now();
  EXPECT_EQ(run(io, living.wait(seconds(30))), ChildProcess::Wait::ended);
  EXPECT_FALSE(is_alive(living.id()));
}

TEST(Process, NoFileGrowsBeyondItsBound) {
  boost::asio::io_context io;
  const auto file = std::filesystem::temp_directory_path() / ("rebottle-bound-" + std::to_string(::getpid()));
  auto program = shell("head -c 3000000 /dev/zero > " + file.string());
  program.file_max = 1000000;
  ChildProcess child(program, always);
  EXPECT_EQ(run(io, child.wait(seconds(30))), ChildProcess::Wait::ended);
  EXPECT_NE(child.exit_code(), 0);
  EXPECT_EQ(std::filesystem::file_size(file), 1000000U);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace rebottle::worker::smolmachines
