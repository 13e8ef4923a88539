// What cannot be done is refused by name, and nothing that changes anything has been called.
// Not here: refusals that are pure (tests/unit/worker/backends/smolmachines).
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/smolmachines/smolmachines_case.hpp"
#include "tests/support/run.hpp"
#include "worker/backends/json_access.hpp"

namespace rebottle::tests {
namespace {

using worker::at;
using worker::text;

const json commands = {{"change", {{"commands", {"true"}}}}};

class Refusal : public SmolmachinesCase {
 protected:
  // Edits a machine's row behind the engine's back, as another program could have left it.
  void rewrite(const std::string& name, const json& fields) {
    const auto file = folder_ / "state/.local/share/smolvm/server/machines.json";
    std::ifstream in(file);
    auto rows = json::parse(in);
    rows[name].update(fields);
    std::ofstream(file) << rows.dump();
  }
  void expect_refused(const json& args, Outcome outcome, const std::string& reason, const std::string& in_message) {
    backend_ = backend();
    forget_calls();
    JobDriver driver(io_, *backend_, context(args));
    const auto ended = driver.run_all();
    EXPECT_EQ(ended.outcome, outcome) << ended.message;
    EXPECT_EQ(ended.reason_code, reason) << ended.message;
    EXPECT_NE(ended.message.find(in_message), std::string::npos) << ended.message;
    EXPECT_EQ(calls(true), std::vector<std::string>{});
    const auto plan = run(io_, backend_->plan(context(args)));
    EXPECT_FALSE(plan.possible);
    EXPECT_EQ(plan.reason_code, reason);
    EXPECT_EQ(calls(true), std::vector<std::string>{});
  }
  schema::Capability capability() {
    backend_ = backend();
    const auto rows = run(io_, backend_->probe());
    return rows.at(0);
  }
  void expect_unable(const std::string& reason, const std::string& in_message) {
    const auto row = capability();
    EXPECT_FALSE(row.supported);
    EXPECT_EQ(row.reason_code, reason);
    EXPECT_NE(row.message.find(in_message), std::string::npos) << row.message;
  }
};

TEST_F(Refusal, ProbeSaysWhatItFound) {
  const auto row = capability();
  EXPECT_TRUE(row.supported) << row.message;
  EXPECT_EQ(row.version, "1.32.2");
}

TEST_F(Refusal, EngineIsAbsent) {
  config_.engine = folder_ / "nowhere";
  expect_unable("backend_absent", "nowhere");
  expect_refused(commands, Outcome::unsupported, "backend_absent", "nowhere");
}

TEST_F(Refusal, EngineIsTooOld) {
  config_.min_version = "2.0";
  expect_unable("backend_too_old", "1.32.2");
}

TEST_F(Refusal, EngineTalksNonsense) {
  spoil({{{"verb", "ls"}, {"do", "garbage"}}});
  expect_unable("backend_absent", "list");
}

TEST_F(Refusal, SilenceOfTheEngineIsToldApartFromANo) {
  make_bottle();
  config_.call_timeout_s = 3;
  spoil({{{"verb", "ls"}, {"do", "hang_before"}, {"times", 2}}});
  expect_unable("backend_timeout", "list");
  JobDriver driver(io_, *backend_, context(commands));
  const auto late = driver.run_all();
  EXPECT_EQ(late.outcome, Outcome::unreachable) << late.message;
  EXPECT_EQ(late.reason_code, "backend_timeout");
}

TEST_F(Refusal, AMachineWithoutAShell) {
  make_bottle();
  const auto change = image_change();
  ASSERT_TRUE(smolvm({"machine", "exec", "--name", "dev-1", "--", "/bin/busybox", "rm", "/bin/sh"}).succeeded());
  expect_refused(commands, Outcome::unsupported, "shell_missing", "/bin/sh");
  expect_refused(change, Outcome::unsupported, "shell_missing", "/bin/sh");
}

TEST_F(Refusal, NoKvm) {
  ::chmod((folder_ / "kvm").c_str(), 0600);
  expect_unable("kvm_unavailable", "kvm");
  expect_refused(commands, Outcome::unsupported, "kvm_unavailable", "kvm");
  std::filesystem::remove(folder_ / "kvm");
  expect_unable("kvm_unavailable", "No such file");
}

TEST_F(Refusal, StateDirectoryOfAnotherUser) {
  // Root gives it away; anybody else looks at one of root's.
  const auto own = config_.engine_state_dir;
  const bool root = ::geteuid() == 0;
  if (!root) config_.engine_state_dir = "/etc";
  ASSERT_TRUE(!root || ::chown(own.c_str(), 12345, 12345) == 0);
  const std::string owner = root ? "belongs to user 12345" : "belongs to user 0";
  expect_unable("state_dir_foreign", owner);
  expect_refused(commands, Outcome::unsupported, "state_dir_foreign", owner);
  config_.engine_state_dir = own;
  ASSERT_TRUE(!root || ::chown(own.c_str(), 0, 0) == 0);
}

TEST_F(Refusal, WorkDirectoryWhereTheEngineSweeps) {
  config_.work_dir = config_.engine_state_dir / "ours";
  expect_unable("work_dir_unsafe", "elsewhere");
}

TEST_F(Refusal, NoSuchMachine) { expect_refused(commands, Outcome::stale, "bottle_not_found", "dev-1"); }

TEST_F(Refusal, ServerRunsOnTheStateDirectory) {
  make_bottle();
  worker::smolmachines::Program program;
  // What it does does not matter here: it is told apart by its command line.
  program.argv = {"/bin/sh", "-c",    "read never",  "smolvm",
                  "serve",   "start", "--state-dir", config_.engine_state_dir.string()};
  const auto pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int held = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC);
  program.input = pipe;
  worker::smolmachines::ChildProcess server(program, [](const auto&) { return true; });
  expect_refused(commands, Outcome::unsupported, "serve_running", std::to_string(server.id().pid));
  server.end_now();
  run(io_, server.wait(std::chrono::seconds(10)));
  // Without the option it serves its HOME.
  program.argv.resize(program.argv.size() - 2);
  program.environment = {"PATH=/usr/bin:/bin", "HOME=" + config_.engine_state_dir.string()};
  worker::smolmachines::ChildProcess other(program, [](const auto&) { return true; });
  expect_refused(commands, Outcome::unsupported, "serve_running", std::to_string(other.id().pid));
  other.end_now();
  run(io_, other.wait(std::chrono::seconds(10)));
  ::close(held);
}

TEST_F(Refusal, StatesThatLeadToNoWayBack) {
  make_bottle();
  for (const std::string word : {"paused", "pausing", "unreachable", "frozen", "failed"}) {
    rewrite("dev-1", {{"state", word}});
    // One late answer is all that it takes to be unreachable, so that is looked at again.
    const auto outcome = word == "unreachable" ? Outcome::transient : Outcome::unsupported;
    expect_refused(commands, outcome, "target_state_unsupported", word);
  }
  rewrite("dev-1", {{"state", "running"}});
}

TEST_F(Refusal, MakesThatLeadToNoWayBack) {
  make_bottle();
  const auto original = machine("dev-1");
  const std::vector<std::pair<std::string, json>> makes = {{"restart_policy", "always"}, {"ephemeral", true},
                                                           {"branchable", true},         {"branchpoint_held", true},
                                                           {"parent_machine", "other"},  {"health_cmd", "true"}};
  for (const auto& [field, value] : makes) {
    rewrite("dev-1", {{field, value}});
    expect_refused(commands, Outcome::unsupported, "target_make_unsupported", "dev-1");
    rewrite("dev-1", {{field, at(original, field)}});
  }
}

TEST_F(Refusal, TwoMachinesThatCouldBeIt) {
  make_bottle();
  const std::vector<std::string> create = {"machine", "create",
                                           "--name",  "dev-1-r1",
                                           "--image", folder_ / "images/old.tar",
                                           "--label", "io.rebottle.managed-by=rebottle",
                                           "--label", "io.rebottle.bottle=dev-1"};
  ASSERT_TRUE(smolvm(create).succeeded());
  ASSERT_TRUE(smolvm({"machine", "start", "--name", "dev-1-r1"}).succeeded());
  expect_refused(commands, Outcome::stale, "bottle_ambiguous", "dev-1-r1");
  ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1-r1"}).succeeded());
  ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1"}).succeeded());
  expect_refused(commands, Outcome::stale, "bottle_ambiguous", "nothing is recorded");
}

TEST_F(Refusal, AMachineMadeAnewByOthers) {
  make_bottle();
  current_ = {{"machine", "dev-1"}, {"made", true}, {"job", "test-3"}, {"spec_sha256", "abc"}};
  expect_refused(commands, Outcome::stale, "bottle_ambiguous", "labels");
}

TEST_F(Refusal, SettingsThatNobodyKnows) {
  make_bottle();
  const auto change = image_change();
  std::filesystem::remove(config_.spec_dir / "dev-1.json");
  expect_refused(change, Outcome::unsupported, "spec_unknown", "dev-1.json");
  config_.spec_dir.clear();
  expect_refused(change, Outcome::unsupported, "spec_unknown", "spec_dir");
}

TEST_F(Refusal, SettingsThatAreNotTheMachines) {
  make_bottle();
  const auto change = image_change();
  write_spec("dev-1", {{"cpus", 2}, {"mem", 256}, {"port", {"18080:80", "1:1"}}});
  expect_refused(change, Outcome::unsupported, "spec_mismatch", "cpus, port");
  write_spec("dev-1", {{"cpus", 1}, {"mem", 256}, {"port", {"18080:80"}}, {"smolfile", "x"}});
  expect_refused(change, Outcome::unsupported, "spec_invalid", "smolfile");
  write_spec("dev-1", {{"cpus", 1}, {"mem", 256}, {"port", {"18080:80"}}});
  ::chmod((config_.spec_dir / "dev-1.json").c_str(), 0666);
  expect_refused(change, Outcome::unsupported, "spec_invalid", "everyone");
  ::chmod((config_.spec_dir / "dev-1.json").c_str(), 0660);
  expect_refused(change, Outcome::unsupported, "spec_invalid", "its group");
}

TEST_F(Refusal, ChangesThatNeedABuilder) {
  make_bottle();
  expect_refused({{"change", {{"dockerfile", "FROM current\nRUN true\n"}}}}, Outcome::unsupported, "change_unsupported",
                 "builds images");
  expect_refused({{"change", {{"image", "busybox:1"}}}}, Outcome::unsupported, "change_unsupported", "builds images");
}

TEST_F(Refusal, ImageFilesThatAreNotThere) {
  make_bottle();
  const json absent = {{"change", {{"image", {{"file", "none.tar"}, {"sha256", std::string(64, 'a')}}}}}};
  expect_refused(absent, Outcome::permanent, "image_absent", "none.tar");
  config_.import_dirs.clear();
  expect_refused(absent, Outcome::unsupported, "change_unsupported", "import_dirs");
}

TEST_F(Refusal, AnImageFileOfOtherContent) {
  make_bottle();
  auto change = image_change();
  change["change"]["image"]["sha256"] = std::string(64, 'a');
  JobDriver driver(io_, *backend_, context(change));
  const auto ended = driver.run_all();
  EXPECT_EQ(ended.outcome, Outcome::stale);
  EXPECT_EQ(ended.reason_code, "drift");
  EXPECT_EQ(calls(true), std::vector<std::string>{});
}

TEST_F(Refusal, PathsInMemory) {
  make_bottle();
  auto change = image_change();
  change["snapshot"] = {{"paths", {"/tmp/work"}}};
  expect_refused(change, Outcome::unsupported, "snapshot_path_unsupported", "/tmp");
}

TEST_F(Refusal, WhatWasExpectedIsNotWhatIsThere) {
  make_bottle();
  json args = commands;
  args["expect"] = {{"target_id", "dev-2"}};
  expect_refused(args, Outcome::stale, "drift", "approved");
  args["expect"] = {{"image_digest", "sha256:" + std::string(64, 'a')}};
  expect_refused(args, Outcome::stale, "drift", "approved");
}

TEST_F(Refusal, DriftBetweenAdmissionAndStop) {
  make_bottle();
  JobDriver driver(io_, *backend_, context(commands));
  ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done);
  rewrite("dev-1", {{"memory_mib", 512}});
  forget_calls();
  const auto ended = driver.run_step(State::snapshot);
  EXPECT_EQ(ended.outcome, Outcome::stale);
  EXPECT_EQ(ended.reason_code, "drift");
  EXPECT_EQ(calls(true), std::vector<std::string>{});
}

}  // namespace
}  // namespace rebottle::tests
