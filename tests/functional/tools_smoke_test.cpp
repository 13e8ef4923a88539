// Tests of the executable `rebottle` as a process of its own: streams, exit codes, Ctrl-C, a closed pipe, a terminal.
// Not here: what verbs do.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include <gmock/gmock.h>

#include "tests/unit/tools/cli_fixture.hpp"

namespace rebottle::tools {
namespace {

using std::chrono::steady_clock;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds patience{20};

// A running process; killed and reaped if the test forgets it.
class Process {
 public:
  // `out` and `err` become the child's stdout and stderr.
  Process(const std::vector<std::string>& arguments, int out, int err) {
    std::vector<std::string> words{REBOTTLE_BINARY};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    const int failed = posix_spawn(&pid_, REBOTTLE_BINARY, &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    EXPECT_EQ(failed, 0);
  }
  ~Process() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const { kill(pid_, number); }
  // The exit code; 1000 + the signal's number if it was killed by one.
  int wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

struct Pipe {
  Pipe() { EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_reader() { close(std::exchange(ends[0], -1)); }
  void close_writer() { close(std::exchange(ends[1], -1)); }
  std::array<int, 2> ends{-1, -1};
};

// Reads until `wanted` has come, or everything if it is empty.
std::string read_from(int file, const std::string& wanted = {}) {
  std::string text;
  std::array<char, 4096> buffer{};
  const auto deadline = steady_clock::now() + patience;
  while (steady_clock::now() < deadline) {
    pollfd ready{file, POLLIN, 0};
    if (poll(&ready, 1, 100) <= 0) continue;
    const auto count = read(file, buffer.data(), buffer.size());
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (!wanted.empty() && text.find(wanted) != std::string::npos) return text;
  }
  ADD_FAILURE() << "nothing more came within the deadline after: " << text;
  return text;
}

class Smoke : public CliTest {
 protected:
  Ran spawn(const std::vector<std::string>& arguments) {
    Pipe out;
    Pipe err;
    Process process(arguments, out.ends[1], err.ends[1]);
    out.close_writer();
    err.close_writer();
    Ran ran;
    ran.out = read_from(out.ends[0]);
    ran.err = read_from(err.ends[0]);
    ran.exit = process.wait();
    return ran;
  }
};

TEST_F(Smoke, AWholeDayOfAnOperator) {
  const std::string db = database().string();
  EXPECT_EQ(spawn({"--db", db, "migrate"}).exit, 0);
  const auto enqueued = spawn({"--db", db, "enqueue", "docker", "dev-1", "--image", "debian:12"});
  EXPECT_EQ(enqueued.exit, 0);
  EXPECT_EQ(enqueued.out, "1\n");
  EXPECT_THAT(enqueued.err, HasSubstr("is recorded"));
  EXPECT_THAT(spawn({"--db", db, "list"}).out, HasSubstr("queued"));
  EXPECT_EQ(spawn({"--db", db, "show", "2"}).exit, 3);
  EXPECT_EQ(spawn({"--db", db, "cancel", "1"}).exit, 8);
  EXPECT_EQ(spawn({"--db", db, "wait", "1", "--timeout", "50ms"}).exit, 124);
  EXPECT_EQ(spawn({"frob"}).exit, 2);
}

TEST_F(Smoke, CtrlCEndsAWaitWith130) {
  const auto job = std::to_string(insert({.approval_id = "prop-1"}));
  Pipe out;
  Pipe err;
  Process process({"--db", database().string(), "watch", job}, out.ends[1], err.ends[1]);
  out.close_writer();
  err.close_writer();
  EXPECT_THAT(read_from(out.ends[0], "enqueued"), HasSubstr("queued"));
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(), 130);
  EXPECT_THAT(read_from(err.ends[0]), HasSubstr("interrupted"));
}

TEST_F(Smoke, AFollowerEndsWhenNobodyReadsItAnyMore) {
  const auto job = std::to_string(insert({.approval_id = "prop-1"}));
  Pipe out;
  Pipe err;
  Process process({"--db", database().string(), "watch", job, "-o", "jsonl", "--timeout", "60s"}, out.ends[1],
                  err.ends[1]);
  out.close_writer();
  err.close_writer();
  read_from(out.ends[0], "enqueued");
  out.close_reader();
  EXPECT_EQ(process.wait(), 1000 + SIGPIPE);
}

TEST_F(Smoke, ACommitOfAnotherProcessIsSeenAtOnce) {
  // A busy machine may delay one of them; all of them are late only if the commit goes unnoticed until the slow tick.
  auto fastest = steady_clock::duration::max();
  for (int i = 0; i < 10 && fastest > std::chrono::milliseconds(200); ++i) {
    const auto job = insert({.approval_id = "prop-" + std::to_string(i), .bottle = "dev-" + std::to_string(i)});
    Pipe out;
    Pipe err;
    Process process({"--db", database().string(), "watch", std::to_string(job), "-o", "jsonl"}, out.ends[1],
                    err.ends[1]);
    out.close_writer();
    err.close_writer();
    read_from(out.ends[0], "enqueued");
    const auto before = steady_clock::now();
    ASSERT_TRUE(store().end_queued(job, statemachine::Event::cancel, ++now_, "worker:1", "cancelled", "", "{}"));
    EXPECT_THAT(read_from(out.ends[0], R"("to_state":"cancelled")"), HasSubstr(R"("to_state":"cancelled")"));
    fastest = std::min(fastest, steady_clock::now() - before);
    EXPECT_EQ(process.wait(), 0);
  }
  EXPECT_LE(fastest, std::chrono::milliseconds(200));
}

TEST_F(Smoke, AFullDiskUnderTheOutputIsAFailure) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  Pipe err;
  Process process({"states"}, full, err.ends[1]);
  close(full);
  err.close_writer();
  EXPECT_THAT(read_from(err.ends[0]), HasSubstr("the output could not be written"));
  EXPECT_EQ(process.wait(), 1);
}

TEST_F(Smoke, ATerminalGetsColourAndAPipeDoesNot) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  fcntl(master, F_SETFD, FD_CLOEXEC);
  unsetenv("NO_COLOR");
  setenv("TERM", "xterm", 1);
  Process process({"states"}, slave, slave);
  EXPECT_THAT(read_from(master, "resolved"), HasSubstr("\x1b["));
  EXPECT_EQ(process.wait(), 0);
  close(slave);
  close(master);
  EXPECT_THAT(spawn({"states"}).out, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace rebottle::tools
