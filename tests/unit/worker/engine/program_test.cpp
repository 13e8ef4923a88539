// The real rebottled as a process: usage, configuration, lock, systemd's socket, signals, idle cost.
// Not here: jobs on a real engine (tests/docker, tests/functional).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>

#include "schema/operator_store.hpp"
#include "tests/unit/schema/fixtures.hpp"

namespace rebottle::test {
namespace {

using schema::testing::approval_of;
using schema::testing::Foreign;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr milliseconds patience{20'000};

// A child that is killed, and waited for, with its owner.
class Child {
 public:
  Child(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
        const std::filesystem::path& output) {
    std::vector<char*> argv;
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (const auto& variable : environment) envp.push_back(const_cast<char*>(variable.c_str()));
    envp.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO})
      posix_spawn_file_actions_addopen(&actions, stream, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int failed = ::posix_spawn(&pid_, REBOTTLED, &actions, nullptr, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw std::runtime_error("cannot start " REBOTTLED);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (status_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  void signal(int number) const { ::kill(pid_, number); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool alive() {
    int status = 0;
    if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return !status_;
  }
  // The exit code; -1 if it did not end in time, or by a signal.
  int wait() {
    const auto deadline = steady_clock::now() + patience;
    while (alive() && steady_clock::now() < deadline) ::poll(nullptr, 0, 5);
    return status_ && WIFEXITED(*status_) ? WEXITSTATUS(*status_) : -1;
  }

 private:
  pid_t pid_ = 0;
  std::optional<int> status_;
};

class Rebottled : public ::testing::Test {
 protected:
  Rebottled() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rebottle-program-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    directory_ = pattern;
    database_ = directory_ / "rebottle.db";
    output_ = directory_ / "output";
    write_config("[backends.docker]\nsocket = \"" + (directory_ / "absent.sock").string() + "\"\n");
    environment_ = {"HOME=" + directory_.string(), "PATH=/usr/bin:/bin"};
  }
  ~Rebottled() override {
    std::error_code ignored;
    if (!HasFailure()) std::filesystem::remove_all(directory_, ignored);
  }

  void write_config(const std::string& text) { std::ofstream(directory_ / "rebottle.toml") << text; }
  [[nodiscard]] std::unique_ptr<Child> start(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"rebottled", "--config", (directory_ / "rebottle.toml").string(), "--db",
                                       database_.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<Child>(arguments, environment_, output_);
  }
  [[nodiscard]] std::string output() const {
    std::ifstream file(output_);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  bool wait_for_output(Child& child, const std::string& part) const {
    const auto deadline = steady_clock::now() + patience;
    while (steady_clock::now() < deadline) {
      if (output().find(part) != std::string::npos) return true;
      if (!child.alive()) break;
      ::poll(nullptr, 0, 5);
    }
    ADD_FAILURE() << "no \"" << part << "\" in: " << output();
    return false;
  }

  std::filesystem::path directory_;
  std::filesystem::path database_;
  std::filesystem::path output_;
  std::vector<std::string> environment_;
};

// systemd's side of sd_notify.
class NotifySocket {
 public:
  explicit NotifySocket(const std::filesystem::path& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      throw std::runtime_error("cannot bind the notify socket");
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;
  ~NotifySocket() { ::close(socket_); }

  // The next message that holds `part`; empty if none comes in time. What comes before it is kept in `all`.
  std::string next_with(const std::string& part) {
    const auto deadline = steady_clock::now() + patience;
    while (steady_clock::now() < deadline) {
      pollfd wanted{socket_, POLLIN, 0};
      if (::poll(&wanted, 1, 100) <= 0) continue;
      std::array<char, 4096> buffer{};
      const auto size = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (size <= 0) continue;
      all.emplace_back(buffer.data(), static_cast<std::size_t>(size));
      if (all.back().find(part) != std::string::npos) return all.back();
    }
    return "";
  }

  std::vector<std::string> all;

 private:
  int socket_;
};

double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream rest(line.substr(line.rfind(')') + 2));
  std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
  return static_cast<double>(std::stol(fields.at(11)) + std::stol(fields.at(12))) /
         static_cast<double>(::sysconf(_SC_CLK_TCK));
}

TEST_F(Rebottled, TellsSystemdThatItIsReadyAliveAndStopping) {
  NotifySocket systemd(directory_ / "notify");
  environment_.push_back("NOTIFY_SOCKET=" + (directory_ / "notify").string());
  environment_.emplace_back("WATCHDOG_USEC=200000");
  const auto child = start();

  EXPECT_THAT(systemd.next_with("READY=1"), HasSubstr("STATUS="));
  EXPECT_EQ(systemd.next_with("WATCHDOG=1"), "WATCHDOG=1");
  EXPECT_EQ(systemd.next_with("WATCHDOG=1"), "WATCHDOG=1");
  child->signal(SIGTERM);
  EXPECT_THAT(systemd.next_with("STOPPING=1"), HasSubstr("STOPPING=1"));
  EXPECT_EQ(child->wait(), 0);
}

TEST_F(Rebottled, SecondServiceOnTheDatabaseExits5AndNamesTheHolder) {
  const auto first = start();
  ASSERT_TRUE(wait_for_output(*first, "service is ready"));
  const auto second = start();

  EXPECT_EQ(second->wait(), 5);
  EXPECT_THAT(output(), HasSubstr("holder_pid=" + std::to_string(first->pid())));
  EXPECT_TRUE(first->alive());
  first->signal(SIGINT);
  EXPECT_EQ(first->wait(), 0);
}

TEST_F(Rebottled, SecondServiceNamesTheFirstThatStillWaitsForTheDatabase) {
  (void)schema::JobStore::open(database_, {});
  Foreign foreign(database_);
  foreign.run("BEGIN IMMEDIATE");
  const auto first = start();
  const auto holder = [&] { return schema::running_service(database_).value_or(schema::ServiceHolder{}).pid; };
  const auto deadline = steady_clock::now() + patience;
  while (holder() != first->pid() && steady_clock::now() < deadline) ::poll(nullptr, 0, 5);
  const auto second = start();

  EXPECT_EQ(second->wait(), 5);
  EXPECT_THAT(output(), HasSubstr("holder_pid=" + std::to_string(first->pid())));
  foreign.run("ROLLBACK");
  EXPECT_TRUE(wait_for_output(*first, "service is ready"));
}

// The unit gives drain_s and 15 seconds.
TEST_F(Rebottled, StopsInTimeWhileAnotherProgramHoldsTheWriteLock) {
  write_config("[service]\ndrain_s = 1\n");
  const auto child = start();
  ASSERT_TRUE(wait_for_output(*child, "service is ready"));
  Foreign foreign(database_);
  foreign.run("BEGIN IMMEDIATE");
  const auto begin = steady_clock::now();
  child->signal(SIGTERM);

  EXPECT_EQ(child->wait(), 0);
  EXPECT_LT(steady_clock::now() - begin, milliseconds(16'000));
}

TEST_F(Rebottled, StopsInTimeWithAJobThatCannotBeWrittenDownAndFinishesItLater) {
  write_config("[service]\ndrain_s = 2\n[backends.null]\nenabled = true\ndelay_ms = 500\nstate_file = \"" +
               (directory_ / "null.state").string() + "\"\n");
  auto child = start();
  ASSERT_TRUE(wait_for_output(*child, "service is ready"));
  auto store = schema::OperatorStore::open(database_);
  const auto id = store->enqueue(approval_of("a-1", "null-1", "null"))->job_id;
  const auto reaches = [&](statemachine::State state) {
    const auto deadline = steady_clock::now() + patience;
    while (store->job(id)->state != state && steady_clock::now() < deadline) ::poll(nullptr, 0, 5);
    return store->job(id)->state == state;
  };
  ASSERT_TRUE(reaches(statemachine::State::apply)) << output();
  Foreign foreign(database_);
  foreign.run("BEGIN IMMEDIATE");
  const auto begin = steady_clock::now();
  child->signal(SIGTERM);
  EXPECT_EQ(child->wait(), 0);
  EXPECT_LT(steady_clock::now() - begin, milliseconds(17'000));
  foreign.run("ROLLBACK");

  child = start();
  EXPECT_TRUE(reaches(statemachine::State::succeeded)) << output();
}

TEST_F(Rebottled, KilledServiceLeavesNoLockBehind) {
  const auto first = start();
  ASSERT_TRUE(wait_for_output(*first, "service is ready"));
  first->signal(SIGKILL);
  EXPECT_EQ(first->wait(), -1);
  std::filesystem::remove(output_);
  const auto second = start();

  EXPECT_TRUE(wait_for_output(*second, "service is ready"));
}

TEST_F(Rebottled, WrongUsageAndWrongConfigurationExit2) {
  EXPECT_EQ(start({"--colour"})->wait(), 2);
  EXPECT_EQ(start({"--log-level", "loud"})->wait(), 2);
  EXPECT_THAT(output(), HasSubstr("must be one of debug, info, warning, error"));
  write_config("[service]\ndrain = 3\n");
  EXPECT_EQ(start()->wait(), 2);
  EXPECT_THAT(output(), HasSubstr("rebottle.toml:2: service.drain: unknown; did you mean service.drain_s?"));
  EXPECT_EQ(start({"--check-config"})->wait(), 2);
  EXPECT_EQ(start({"--config", (directory_ / "nothing.toml").string()})->wait(), 2);
}

TEST_F(Rebottled, ChecksAConfigurationAndSaysItsVersion) {
  EXPECT_EQ(start({"--check-config"})->wait(), 0);
  EXPECT_THAT(output(), HasSubstr((directory_ / "rebottle.toml").string() + ": sound"));
  EXPECT_FALSE(std::filesystem::exists(database_));
  EXPECT_EQ(start({"--version"})->wait(), 0);
  EXPECT_THAT(output(), HasSubstr("rebottled 0."));
}

TEST_F(Rebottled, EnvironmentNamesFilesAndFlagsWin) {
  const auto other = directory_ / "other.db";
  environment_.push_back("REBOTTLE_DB=" + other.string());
  environment_.push_back("REBOTTLE_CONFIG=" + (directory_ / "rebottle.toml").string());
  environment_.emplace_back("REBOTTLE_LOG_LEVEL=debug");
  const Child by_environment({"rebottled"}, environment_, output_);
  const auto deadline = steady_clock::now() + patience;
  while (!std::filesystem::exists(other) && steady_clock::now() < deadline) ::poll(nullptr, 0, 5);
  EXPECT_TRUE(std::filesystem::exists(other));
  const auto by_flag = start();

  EXPECT_TRUE(wait_for_output(*by_flag, "service is ready"));
  EXPECT_TRUE(std::filesystem::exists(database_));
}

TEST_F(Rebottled, NotADatabaseOfOursExits1WithTheReason) {
  std::ofstream(database_) << "this is no database, it is a text that somebody put in its place; it is long enough";
  EXPECT_EQ(start()->wait(), 1);
  EXPECT_THAT(output(), HasSubstr("the service cannot run"));
}

TEST_F(Rebottled, JournalGetsPriorities) {
  std::ofstream(output_).close();
  struct stat status {};
  ASSERT_EQ(::stat(output_.c_str(), &status), 0);
  environment_.push_back("JOURNAL_STREAM=" + std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino));
  const auto child = start();
  ASSERT_TRUE(wait_for_output(*child, "service is ready"));

  EXPECT_THAT(output(), StartsWith("<6>level=info msg=\"service starts\""));
}

TEST_F(Rebottled, AbsentEngineRejectsWithItsReasonAtOnce) {
  const auto child = start();
  ASSERT_TRUE(wait_for_output(*child, "service is ready"));
  auto store = schema::OperatorStore::open(database_);
  schema::Approval approval;
  approval.approval_id = "a-1";
  approval.kind = "capability_block";
  approval.backend = "docker";
  approval.bottle = "dev-1";
  approval.args = R"({"change":{"image":"busybox"}})";
  approval.approved_by = "alice";
  const auto id = store->enqueue(approval)->job_id;
  const auto deadline = steady_clock::now() + patience;
  while (!statemachine::is_final(store->job(id)->state) && steady_clock::now() < deadline) ::poll(nullptr, 0, 1);

  EXPECT_EQ(store->job(id)->state, statemachine::State::rejected_unsupported);
  EXPECT_EQ(store->job(id)->reason_code, "backend_absent");
}

TEST_F(Rebottled, IdlesUnderOnePercentOfACore) {
  const auto child = start();
  ASSERT_TRUE(wait_for_output(*child, "service is ready"));
  const auto begin = cpu_seconds(child->pid());
  const auto from = steady_clock::now();
  ::poll(nullptr, 0, 4'000);  // what is measured is the time that passes
  const auto used = cpu_seconds(child->pid()) - begin;
  const auto passed = std::chrono::duration<double>(steady_clock::now() - from).count();
  RecordProperty("idle_cpu_percent_x100", static_cast<int>(used / passed * 10'000));

  EXPECT_LT(used / passed, 0.01 * REBOTTLE_SLOWNESS);
}

}  // namespace
}  // namespace rebottle::test
