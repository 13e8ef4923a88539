// Calls that fail, hang or die, around every effect: the bottle ends as changed or as it was, never in between, and the
// commands never run twice. And what the engine's own oddities do to it (docs/smolmachines.md).
// Not here: the death of the whole service (tests/functional/smolmachines_test.py).
#include <csignal>
#include <fstream>

#include <sys/mount.h>

#include "tests/smolmachines/smolmachines_case.hpp"
#include "tests/support/run.hpp"
#include "worker/backends/json_access.hpp"

namespace rebottle::tests {
namespace {

using worker::at;
using worker::text;

const json count_once = {{"change", {{"commands", {"echo ran >> /root/ran"}}}}};

class Fault : public SmolmachinesCase {
 protected:
  void SetUp() override { make_bottle(); }

  void expect_as_it_was() {
    EXPECT_EQ(state("dev-1"), "running");
    EXPECT_EQ(in_machine("dev-1", "cat /home/agent/notes; test ! -e /root/ran; echo $?"), "keep\n0\n");
    for (const auto& name : machines()) EXPECT_EQ(state(name) == "running", name == "dev-1") << name;
  }
  void roll_back(JobDriver& driver) {
    Performed back;
    for (int i = 0; i < 4; ++i) {
      back = driver.roll_back();
      if (back.outcome == Outcome::done) break;
    }
    ASSERT_EQ(back.outcome, Outcome::done) << driver.failed_at() << ": " << back.message;
    expect_as_it_was();
  }
};

// ---- every call of a change, spoiled once in every way ----

struct Spoiled {
  const char* name;
  bool image;  // the change: an image with paths, or commands
  json fault;
  bool may_fail = false;  // an end other than success is right, if the bottle is as it was
};

void PrintTo(const Spoiled& spoiled, std::ostream* out) { *out << spoiled.name; }

class EveryCall : public Fault, public ::testing::WithParamInterface<Spoiled> {};

TEST_P(EveryCall, EndsChangedOrAsItWas) {
  const auto& spoiled = GetParam();
  auto args = count_once;
  if (spoiled.image) {
    args = image_change();
    args["snapshot"] = {{"paths", {"/home/agent"}}};
  }
  spoil({spoiled.fault});
  JobDriver driver(io_, *backend_, context(args));
  const auto ended = carry_out(driver);
  if (ended.outcome != Outcome::done) {
    EXPECT_TRUE(spoiled.may_fail) << driver.failed_at() << ": " << ended.message;
    roll_back(driver);
    return;
  }
  const std::string name = spoiled.image ? "dev-1-r1" : "dev-1";
  EXPECT_EQ(state(name), "running");
  EXPECT_EQ(in_machine(name, "cat /home/agent/notes"), "keep\n");
  if (spoiled.image) {
    EXPECT_EQ(state("dev-1"), "stopped");
  } else {
    EXPECT_EQ(in_machine(name, "cat /root/ran"), "ran\n");
  }
}

// The n-th call of a verb, or the n-th one whose arguments hold a text.
json fault(const char* verb, const char* word, int nth = 1) { return {{"verb", verb}, {"do", word}, {"nth", nth}}; }
json fault_in(const char* text, const char* word) { return {{"verb", "exec"}, {"do", word}, {"with", text}}; }
json busy(const char* verb) {
  return {{"verb", verb}, {"do", "fail"}, {"code", "SMOLVM_ERROR"}, {"message", "database is locked"}};
}

constexpr auto read_paths = "rebottle-missing";
constexpr auto write_paths = "tar -C / -xpf";
constexpr auto probe = "rebottle-probe";
constexpr auto run_lines = "for line in";

INSTANTIATE_TEST_SUITE_P(All, EveryCall,
                         ::testing::Values(Spoiled{"CreateFails", true, busy("create")},
                                           Spoiled{"CreateDiesBefore", true, fault("create", "die_before")},
                                           Spoiled{"CreateDiesAfter", true, fault("create", "die_after")},
                                           Spoiled{"ListIsGarbageInCreate", true, fault("ls", "garbage", 3), true},
                                           Spoiled{"LookInsideFails", true, busy("exec")},
                                           Spoiled{"ReadDiesBefore", true, fault_in(read_paths, "die_before")},
                                           Spoiled{"ReadDiesAfter", true, fault_in(read_paths, "die_after")},
                                           Spoiled{"FetchDiesBefore", true, fault("cp", "die_before")},
                                           Spoiled{"StopFails", true, busy("stop")},
                                           Spoiled{"StopDiesBefore", true, fault("stop", "die_before")},
                                           Spoiled{"StopDiesAfter", true, fault("stop", "die_after")},
                                           Spoiled{"SecondStopDiesAfter", true, fault("stop", "die_after", 2)},
                                           Spoiled{"StartFails", true, busy("start")},
                                           Spoiled{"StartDiesBefore", true, fault("start", "die_before")},
                                           Spoiled{"StartDiesBooting", true, fault("start", "die_booting"), true},
                                           Spoiled{"StartDiesAfter", true, fault("start", "die_after")},
                                           Spoiled{"WriteFails", true, fault_in(write_paths, "fail")},
                                           Spoiled{"WriteDiesAfter", true, fault_in(write_paths, "die_after")},
                                           Spoiled{"SecondStartDiesAfter", true, fault("start", "die_after", 2)},
                                           Spoiled{"ProbeFails", true, fault_in(probe, "fail")},
                                           Spoiled{"DataDirDies", false, fault("data-dir", "die_before", 2)},
                                           Spoiled{"CommandsStopDies", false, fault("stop", "die_after")},
                                           Spoiled{"CommandsStartDies", false, fault("start", "die_after")},
                                           Spoiled{"MarksUnread", false, fault_in("echo begun", "die_before")},
                                           Spoiled{"CommandsDieBefore", false, fault_in(run_lines, "die_before")},
                                           Spoiled{"CommandsDieAfter", false, fault_in(run_lines, "die_after")}),
                         [](const auto& each) { return std::string(each.param.name); });

// ---- roll-backs ----

TEST_F(Fault, ACommandThatFailsIsUndoneWithItsDisks) {
  const json args = {
      {"change",
       {{"commands", {"echo ran >> /root/ran; rm /home/agent/notes", "exit 97", "echo never >> /root/ran"}}}}};
  JobDriver driver(io_, *backend_, context(args));
  const auto ended = carry_out(driver);
  EXPECT_EQ(ended.outcome, Outcome::permanent);
  EXPECT_EQ(ended.reason_code, "commands_failed");
  EXPECT_EQ(at(ended.detail, "exit_code"), "97");
  roll_back(driver);
}

TEST_F(Fault, AWorkerThatDiedAroundTheCommandsNeverRunsThemAgain) {
  // The call is killed in the middle: the begin mark is there, the end mark is not.
  const json args = {{"change", {{"commands", {"echo ran >> /root/ran; sync; kill -9 $PPID"}}}}};
  JobDriver driver(io_, *backend_, context(args));
  const auto ended = carry_out(driver);
  EXPECT_EQ(ended.outcome, Outcome::permanent);
  EXPECT_EQ(ended.reason_code, "commands_unknown");
  EXPECT_EQ(in_machine("dev-1", "cat /root/ran"), "ran\n");
  roll_back(driver);
}

TEST_F(Fault, AnImageWhoseProofFailsGivesTheOldMachineBack) {
  auto args = image_change();
  args["verify"] = {{"exec", {"/bin/sh", "-c", "exit 3"}}};
  JobDriver driver(io_, *backend_, context(args));
  const auto ended = carry_out(driver);
  EXPECT_EQ(ended.reason_code, "exec_failed");
  roll_back(driver);
  for (const auto& leftover : backend_->leftovers(driver.context(), State::rolled_back)) {
    const auto removed = run(io_, backend_->remove(leftover));
    EXPECT_EQ(removed.outcome, Outcome::done) << removed.message;
  }
  EXPECT_EQ(machines(), std::vector<std::string>{"dev-1"});
}

TEST_F(Fault, AStoppedBottleIsGivenBackStopped) {
  ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1"}).succeeded());
  JobDriver driver(io_, *backend_, context({{"change", {{"commands", {"exit 1"}}}}}));
  EXPECT_EQ(carry_out(driver).reason_code, "commands_failed");
  const auto back = driver.roll_back();
  ASSERT_EQ(back.outcome, Outcome::done) << back.message;
  EXPECT_EQ(state("dev-1"), "stopped");
}

TEST_F(Fault, ACrashAtEveryEffectOfARollBackEndsAsItWas) {
  for (const std::string effect : {"start_again", "copy_disks", "stop_old"}) {
    JobDriver driver(io_, *backend_, context({{"change", {{"commands", {"echo ran >> /root/ran", "exit 1"}}}}}));
    EXPECT_EQ(carry_out(driver).reason_code, "commands_failed");
    spoil({{{"verb", effect == "stop_old" ? "start" : "stop"},
            {"do", "die_after"},
            {"nth", effect == "copy_disks" ? 3 : 1}}});
    roll_back(driver);
    std::filesystem::remove_all(config_.work_dir / "disks");
  }
}

// ---- what the engine's table does not say ----

TEST_F(Fault, AMachineThatTheTableDoesNotKnowOfIsStoppedBeforeItsDisksAreCopied) {
  ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1"}).succeeded());
  spoil({fault("start", "die_booting")});
  smolvm({"machine", "start", "--name", "dev-1"});
  ASSERT_EQ(state("dev-1"), "stopped");
  ASSERT_NE(vmm("dev-1"), 0);
  forget_calls();
  JobDriver driver(io_, *backend_, context(count_once));
  EXPECT_EQ(carry_out(driver, 4, "copy_disks").reason_code, "stopped_by_test") << driver.failed_at();
  EXPECT_EQ(vmm("dev-1"), 0);
}

TEST_F(Fault, AStartThatHangsIsWaitedForAndNeverKilled) {
  config_.start_timeout_s = 10;
  backend_ = backend();
  spoil({fault("start", "hang_before")});
  JobDriver driver(io_, *backend_, context(image_change()));
  const auto ended = driver.run_all();
  EXPECT_EQ(ended.outcome, Outcome::unreachable);
  EXPECT_EQ(driver.failed_at(), "start_new");
  // Another process of the service finds the call by its record.
  const auto other = backend();
  driver.use(*other);
  const auto seen = driver.observe("start_new");
  EXPECT_EQ(seen.world, World::unknown);
  EXPECT_NE(seen.detail.find("start (pid "), std::string::npos) << seen.detail;
  forget_calls();
  EXPECT_EQ(driver.roll_back().outcome, Outcome::unreachable);
  EXPECT_EQ(calls(true), std::vector<std::string>{});
  release();
  while (state("dev-1-r1") != "running") {
  }
  const auto went_on = carry_out(driver);
  EXPECT_EQ(went_on.outcome, Outcome::done) << driver.failed_at() << ": " << went_on.message;
  EXPECT_EQ(state("dev-1-r1"), "running");
}

TEST_F(Fault, AHardKilledMachineBootsReadOnlyAndIsNotTakenForWell) {
  JobDriver driver(io_, *backend_, context(image_change()));
  ASSERT_EQ(driver.run_until("start_new").reason_code, "stopped_by_test");
  ::kill(vmm("dev-1-r1"), SIGKILL);
  while (vmm("dev-1-r1") != 0) {
  }
  const auto ended = carry_out(driver);
  EXPECT_EQ(ended.reason_code, "read_only") << driver.failed_at() << ": " << ended.message;
  roll_back(driver);
}

TEST_F(Fault, AMachineThatEndsDuringTheProofIsRolledBack) {
  config_.stable_s = 5;
  backend_ = backend();
  JobDriver driver(io_, *backend_, context(image_change()));
  ASSERT_EQ(driver.run_until("start_new").reason_code, "stopped_by_test");
  worker::smolmachines::Program killer;
  killer.argv = {"/bin/sh", "-c", "sleep 1; kill -9 " + std::to_string(vmm("dev-1-r1"))};
  killer.environment = {"PATH=/usr/bin:/bin"};
  worker::smolmachines::ChildProcess child(killer, [](const auto&) { return true; });
  const auto ended = carry_out(driver, 1);
  EXPECT_EQ(ended.reason_code, "exited") << ended.message;
  run(io_, child.wait(std::chrono::seconds(10)));
  config_.stable_s = 0;
  backend_ = backend();
  driver.use(*backend_);
  roll_back(driver);
}

TEST_F(Fault, ADiskThatGrowsOnAnothersIsNotCopied) {
  ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1"}).succeeded());
  const auto place = smolvm({"machine", "data-dir", "--name", "dev-1"}).output;
  const auto disk = std::filesystem::path(place.substr(0, place.find('\n'))) / "storage.qcow2";
  {
    std::fstream file(disk, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(512);
    file << "/x/smolvm/vms/abcdef/overlay-template.ext4";
    file.seekp(16);
    file.write("\0\0\0\x2a", 4);
  }
  forget_calls();
  JobDriver driver(io_, *backend_, context(count_once));
  const auto ended = driver.run_all();
  EXPECT_EQ(ended.reason_code, "disks_unsupported") << ended.message;
  EXPECT_EQ(calls(true), std::vector<std::string>{});
}

// ---- what is slow, silent, full ----

TEST_F(Fault, AMachineThatAnswersLateIsAskedAgain) {
  const json late = {{"verb", "exec"},
                     {"do", "exit"},
                     {"exit", 124},
                     {"message", "command timed out after 5000ms"},
                     {"with", "count=0"}};
  spoil({late});
  JobDriver driver(io_, *backend_, context(count_once));
  EXPECT_EQ(driver.run_step(State::prepare).outcome, Outcome::transient);
  ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done);
  spoil({late});
  const auto again = driver.run_step(State::snapshot);
  EXPECT_EQ(again.outcome, Outcome::transient);
  EXPECT_EQ(again.reason_code, "exec_timeout") << again.message;
  const auto ended = carry_out(driver);
  EXPECT_EQ(ended.outcome, Outcome::done) << driver.failed_at() << ": " << ended.message;
}

TEST_F(Fault, AShellThatIsGoneLaterFailsTheJobAndIsNoRefusal) {
  JobDriver driver(io_, *backend_, context(count_once));
  ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done);
  ASSERT_TRUE(smolvm({"machine", "exec", "--name", "dev-1", "--", "/bin/busybox", "rm", "/bin/sh"}).succeeded());
  const auto ended = driver.run_step(State::snapshot);
  EXPECT_EQ(ended.outcome, Outcome::permanent);
  EXPECT_EQ(ended.reason_code, "shell_missing") << ended.message;
}

TEST_F(Fault, OneLateAnswerOfTheMachineDecidesNothing) {
  const json silent = {{"verb", "ls"}, {"do", "unreachable"}};
  JobDriver driver(io_, *backend_, context(image_change()));
  ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done);
  spoil({silent});
  const auto looked = driver.run_step(State::snapshot);
  EXPECT_EQ(looked.outcome, Outcome::transient) << looked.message;
  ASSERT_EQ(driver.run_step(State::snapshot).outcome, Outcome::done);
  for (const auto step : {State::stop, State::apply, State::restart, State::verify}) {
    spoil({silent});
    const auto ended = driver.run_step(step);
    ASSERT_EQ(ended.outcome, Outcome::done) << driver.failed_at() << ": " << ended.message;
  }
}

TEST_F(Fault, AMachineThatStaysSilentIsNotTakenForWell) {
  config_.call_timeout_s = 4;
  backend_ = backend();
  JobDriver driver(io_, *backend_, context(image_change()));
  ASSERT_EQ(driver.run_until("start_new").reason_code, "stopped_by_test");
  spoil({{{"verb", "ls"}, {"do", "unreachable"}, {"times", 100}}});
  const auto ended = driver.run_step(State::verify);
  EXPECT_EQ(ended.outcome, Outcome::permanent);
  EXPECT_EQ(ended.reason_code, "exited") << ended.message;
}

// As after a power cut, when another process has the number of the machine's.
TEST_F(Fault, AStopThatIsRefusedForEverHoldsNothingUpWhereTheDisksAreIdle) {
  const json refusal = {{"verb", "stop"},
                        {"do", "fail"},
                        {"code", "SMOLVM_ERROR"},
                        {"times", 1000},
                        {"message", "agent operation failed: refusing to stop unverified process 1"}};
  for (const auto& args : {count_once, image_change()}) {
    JobDriver driver(io_, *backend_, context(args));
    ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done);
    ASSERT_EQ(driver.run_step(State::snapshot).outcome, Outcome::done);
    ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1"}).succeeded());
    spoil({refusal});
    const auto stopped = driver.perform("stop_old");
    EXPECT_EQ(stopped.outcome, Outcome::done) << stopped.message;
    const auto ended = driver.run_all();
    ASSERT_EQ(ended.outcome, Outcome::done) << driver.failed_at() << ": " << ended.message;
    spoil({});
  }
  // A machine that does run is another matter.
  spoil({refusal});
  JobDriver driver(io_, *backend_, context(count_once, 8));
  driver.context().facts["admit"] = {{"machine", "dev-1-r1"}, {"running", true}};
  const auto refused = driver.perform("stop_old");
  EXPECT_EQ(refused.outcome, Outcome::transient);
  EXPECT_NE(refused.message.find("unverified"), std::string::npos) << refused.message;
}

TEST_F(Fault, TheWayBackNeedsNoRoomInTheWorkDirectory) {
  std::filesystem::create_directory(config_.work_dir);
  if (::mount("none", config_.work_dir.c_str(), "tmpfs", 0, "size=80m,mode=0700") != 0)
    GTEST_SKIP() << "no file system can be mounted here";
  struct Mounted {
    explicit Mounted(std::filesystem::path place_) : place(std::move(place_)) {}
    Mounted(const Mounted&) = delete;
    Mounted& operator=(const Mounted&) = delete;
    ~Mounted() { EXPECT_EQ(::umount2(place.c_str(), MNT_DETACH), 0); }
    std::filesystem::path place;
  };
  const Mounted mounted(config_.work_dir);
  JobDriver driver(io_, *backend_, context({{"change", {{"commands", {"echo ran >> /root/ran", "exit 1"}}}}}));
  ASSERT_EQ(driver.run_until("copy_disks").reason_code, "stopped_by_test") << driver.failed_at();
  {
    std::ofstream filler(config_.work_dir / "filler", std::ios::binary);
    const std::string piece(1 << 20, 'x');
    while (filler << piece << std::flush) {
    }
    filler.clear();
    while (filler << 'x' << std::flush) {
    }
  }
  EXPECT_EQ(carry_out(driver).reason_code, "commands_failed");
  roll_back(driver);
}

TEST_F(Fault, PathsThatAreTooLargeEndTheJobAndLetTheAgentGoOn) {
  ASSERT_EQ(in_machine("dev-1", "yes | head -c 3000000 > /home/agent/big"), "");
  auto args = image_change();
  args["snapshot"] = {{"paths", {"/home/agent"}}, {"max_bytes", 1000000}};
  JobDriver driver(io_, *backend_, context(args));
  const auto ended = driver.run_all();
  EXPECT_EQ(ended.reason_code, "snapshot_too_large") << ended.message;
  EXPECT_EQ(in_machine("dev-1", "grep -l '^State:.*stopped' /proc/[0-9]*/status"), " (code 1)");
  expect_as_it_was();
}

TEST_F(Fault, AWayBackThatWasCutOffIsTakenUpWhereItWas) {
  JobDriver driver(io_, *backend_, context({{"change", {{"commands", {"echo ran >> /root/ran", "exit 1"}}}}}));
  EXPECT_EQ(carry_out(driver).reason_code, "commands_failed");
  ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1"}).succeeded());
  // One of the two disks is back already, and no copy of it is left.
  const auto place = smolvm({"machine", "data-dir", "--name", "dev-1"}).output;
  const auto copies = config_.work_dir / "disks/test-7";
  std::filesystem::rename(copies / "copied.json", copies / "restoring.json");
  std::filesystem::rename(copies / "overlay.qcow2",
                          std::filesystem::path(place.substr(0, place.find('\n'))) / "overlay.qcow2");
  roll_back(driver);
  EXPECT_TRUE(std::filesystem::exists(copies / "restored.json"));
}

TEST_F(Fault, CopiesThatAreGoneAreNotTakenForPutBack) {
  JobDriver driver(io_, *backend_, context({{"change", {{"commands", {"echo ran >> /root/ran", "exit 1"}}}}}));
  EXPECT_EQ(carry_out(driver).reason_code, "commands_failed");
  std::filesystem::remove(config_.work_dir / "disks/test-7/overlay.qcow2");
  EXPECT_EQ(driver.roll_back().reason_code, "copies_gone");
}

// ---- what others prepared ----

TEST_F(Fault, ALateLeftoverLeavesTheMachineOfAnotherJobAlone) {
  JobDriver first(io_, *backend_, context(image_change()));
  ASSERT_EQ(first.run_until("create_new").reason_code, "stopped_by_test");
  const auto late = backend_->leftovers(first.context(), State::failed);
  // Its machine goes, and the next job is given the name.
  ASSERT_TRUE(smolvm({"machine", "delete", "--force", "--name", "dev-1-r1"}).succeeded());
  JobDriver second(io_, *backend_, context(image_change(), 8));
  const auto ended = carry_out(second);
  ASSERT_EQ(ended.outcome, Outcome::done) << second.failed_at() << ": " << ended.message;
  // As after a reboot of the host.
  ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1-r1"}).succeeded());
  for (const auto& leftover : late) EXPECT_EQ(run(io_, backend_->remove(leftover)).outcome, Outcome::done);
  EXPECT_EQ(state("dev-1-r1"), "stopped");
  EXPECT_FALSE(std::filesystem::exists(config_.work_dir / "specs/test-7.json"));
  EXPECT_TRUE(std::filesystem::exists(config_.work_dir / "specs/test-8.json"));
}

TEST_F(Fault, AnImageThatLiesThereIsNotTakenForTheApprovedOne) {
  const auto args = image_change();
  std::filesystem::create_directories(config_.work_dir / "images/test-7");
  for (const auto* name : {"images/test-7/image.tar", "images/dev-1-r1.tar"})
    std::filesystem::copy_file(folder_ / "images/old.tar", config_.work_dir / name);
  std::filesystem::permissions(config_.work_dir, std::filesystem::perms::owner_all);
  JobDriver driver(io_, *backend_, context(args));
  const auto ended = carry_out(driver);
  ASSERT_EQ(ended.outcome, Outcome::done) << driver.failed_at() << ": " << ended.message;
  EXPECT_EQ(text(at(machine("dev-1-r1"), "image")), "local:" + text(at(at(at(args, "change"), "image"), "sha256")));
}

TEST_F(Fault, AnImageThatIsChangedAfterItsImportIsNotUsed) {
  JobDriver driver(io_, *backend_, context(image_change()));
  ASSERT_EQ(driver.run_until("import_image").reason_code, "stopped_by_test");
  std::fstream(config_.work_dir / "images/test-7/image.tar", std::ios::in | std::ios::out | std::ios::binary) << "x";
  forget_calls();
  const auto ended = driver.run_all();
  EXPECT_EQ(ended.outcome, Outcome::permanent);
  EXPECT_EQ(ended.reason_code, "image_changed") << ended.message;
  EXPECT_EQ(calls(true), std::vector<std::string>{});
  // The copy goes, however the job ends.
  const auto left = backend_->leftovers(driver.context(), State::resolved);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_NE(left.front().reference.find("images/test-7"), std::string::npos) << left.front().reference;
}

TEST_F(Fault, MarksThatSomebodyPreparedAreNotTakenForOurs) {
  ASSERT_EQ(in_machine("dev-1",
                       "for n in 7 8; do mkdir -p /var/lib/rebottle/test-$n && echo 0 > "
                       "/var/lib/rebottle/test-$n/end; done; sync"),
            "");
  JobDriver driver(io_, *backend_, context(count_once));
  const auto ended = carry_out(driver);
  ASSERT_EQ(ended.outcome, Outcome::done) << driver.failed_at() << ": " << ended.message;
  EXPECT_EQ(in_machine("dev-1", "cat /root/ran"), "ran\n");
}

TEST_F(Fault, AnArchiveThatReachesOutOfThePathsIsNotUnpacked) {
  auto args = image_change();
  args["snapshot"] = {{"paths", {"/home/agent"}}};
  JobDriver driver(io_, *backend_, context(args));
  ASSERT_EQ(driver.run_until("stop_old").reason_code, "stopped_by_test");
  const auto archive = config_.work_dir / "paths/test-7/paths.tar";
  const auto size = std::filesystem::file_size(archive);
  worker::smolmachines::Program tar;
  tar.argv = {"/bin/sh", "-c", "mkdir -p etc && echo x > etc/evil && tar -b1 -cf \"$1\" ./etc/evil", "sh", archive};
  tar.argv[2] = "cd " + folder_.string() + " && " + tar.argv[2];
  tar.environment = {"PATH=/usr/bin:/bin"};
  worker::smolmachines::ChildProcess child(tar, [](const auto&) { return true; });
  run(io_, child.wait(std::chrono::seconds(60)));
  std::filesystem::resize_file(archive, size);
  const auto ended = carry_out(driver);
  EXPECT_EQ(ended.reason_code, "snapshot_invalid") << driver.failed_at() << ": " << ended.message;
  EXPECT_NE(ended.message.find("./etc/evil"), std::string::npos) << ended.message;
  roll_back(driver);
}

// ---- what is too old ----

TEST_F(Fault, PathsKeptBeforeAFreezeAreKeptAgainAfterIt) {
  auto args = image_change();
  args["snapshot"] = {{"paths", {"/home/agent"}}};
  JobDriver driver(io_, *backend_, context(args));
  ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done);
  ASSERT_EQ(driver.run_step(State::snapshot).outcome, Outcome::done);
  // The engine comes back to the step when the freeze is over.
  ASSERT_EQ(in_machine("dev-1", "echo later > /home/agent/notes; sync"), "");
  ASSERT_EQ(driver.run_step(State::snapshot).outcome, Outcome::done);
  const auto ended = driver.run_all();
  ASSERT_EQ(ended.outcome, Outcome::done) << driver.failed_at() << ": " << ended.message;
  EXPECT_EQ(in_machine("dev-1-r1", "cat /home/agent/notes"), "later\n");
}

TEST_F(Fault, DriftDuringAFreezeIsSeenAfterIt) {
  JobDriver driver(io_, *backend_, context(image_change()));
  ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done);
  ASSERT_EQ(driver.run_step(State::snapshot).outcome, Outcome::done);
  ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1"}).succeeded());
  EXPECT_EQ(driver.run_step(State::snapshot).reason_code, "drift");
}

TEST_F(Fault, OnlyWhatCarriesOurLabelsIsEverDeleted) {
  schema::Leftover leftover;
  leftover.kind = "machine";
  leftover.reference = json{{"name", "dev-1"}, {"bottle", "dev-1"}, {"job", "test-7"}, {"files", json::array()}}.dump();
  forget_calls();
  const auto removed = run(io_, backend_->remove(leftover));
  EXPECT_EQ(removed.outcome, Outcome::permanent);
  EXPECT_EQ(removed.reason_code, "not_ours");
  leftover.kind = "kept_files";
  leftover.reference = json{{"path", (folder_ / "images").string()}}.dump();
  EXPECT_NE(run(io_, backend_->remove(leftover)).outcome, Outcome::done);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "images/old.tar"));
  EXPECT_EQ(calls(true), std::vector<std::string>{});
}

}  // namespace
}  // namespace rebottle::tests
