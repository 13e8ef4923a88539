// Children: who learns of their end, and what they leave behind.
// Not here: the engine's calls (tests/smolmachines).
#include "worker/backends/smolmachines/process.hpp"

#include <cerrno>
#include <csignal>
#include <exception>
#include <filesystem>

#include <gtest/gtest.h>
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
