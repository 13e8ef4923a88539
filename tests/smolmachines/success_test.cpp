// Changes that work, from the admission to the end, and what is left of them.
// Not here: faults (fault_test.cpp).
#include <algorithm>

#include "tests/smolmachines/smolmachines_case.hpp"
#include "tests/support/run.hpp"
#include "worker/backends/json_access.hpp"

namespace rebottle::tests {
namespace {

using worker::at;
using worker::text;

using Success = SmolmachinesCase;

TEST_F(Success, CommandsRunOnceInTheSameMachine) {
  make_bottle();
  const auto before = machine("dev-1");
  JobDriver driver(io_, *backend_,
                   context({{"change", {{"commands", {"echo one >> /root/done", "echo two >> /root/done"}}}}}));
  const auto ended = driver.run_all();
  ASSERT_EQ(ended.outcome, Outcome::done) << driver.failed_at() << ": " << ended.message;

  EXPECT_EQ(in_machine("dev-1", "cat /root/done /home/agent/notes; echo $WHO"), "one\ntwo\nkeep\nagent\n");
  EXPECT_EQ(machines(), std::vector<std::string>{"dev-1"});
  EXPECT_EQ(at(machine("dev-1"), "created_at"), at(before, "created_at"));
  const auto current = backend_->current(driver.context());
  EXPECT_EQ(text(at(current, "machine")), "dev-1");
  remove_leftovers(driver, State::succeeded);
  EXPECT_EQ(files_left(), std::vector<std::string>{});
  EXPECT_EQ(state("dev-1"), "running");
}

TEST_F(Success, AnImageMakesAMachineBesideTheOldOne) {
  make_bottle();
  auto change = image_change("echo new >> /root/new; while :; do sleep 1; done");
  change["snapshot"] = {{"paths", {"/home/agent", "/root/nowhere"}}};
  change["verify"] = {{"exec", {"/bin/sh", "-c", "test -f /home/agent/notes"}}};
  JobDriver driver(io_, *backend_, context(change));
  const auto ended = driver.run_all();
  ASSERT_EQ(ended.outcome, Outcome::done) << driver.failed_at() << ": " << ended.message;

  EXPECT_EQ(state("dev-1"), "stopped");
  EXPECT_EQ(state("dev-1-r1"), "running");
  EXPECT_EQ(in_machine("dev-1-r1", "cat /home/agent/notes; echo $WHO"), "keep\nagent\n");
  const auto labels = at(machine("dev-1-r1"), "labels");
  EXPECT_EQ(text(at(labels, "io.rebottle.managed-by")), "rebottle");
  EXPECT_EQ(text(at(labels, "io.rebottle.bottle")), "dev-1");
  EXPECT_EQ(text(at(labels, "owner")), "somebody");
  EXPECT_EQ(at(machine("dev-1-r1"), "memory_mib"), 256);
  EXPECT_EQ(driver.context().facts["save_paths"]["missing"], json({"/root/nowhere"}));

  remove_leftovers(driver, State::succeeded);
  // The machine that the provisioner made is not ours to remove.
  EXPECT_EQ(state("dev-1"), "stopped");
  EXPECT_EQ(files_left(), std::vector<std::string>{"specs/test-7.json"});
}

TEST_F(Success, TheNextChangeBeginsAtTheNewMachineAndRemovesIt) {
  make_bottle();
  JobDriver first(io_, *backend_, context(image_change()));
  ASSERT_EQ(first.run_all().outcome, Outcome::done) << first.failed_at();
  remove_leftovers(first, State::succeeded);
  current_ = backend_->current(first.context());
  // From now on the settings are known by our own record.
  std::filesystem::remove(config_.spec_dir / "dev-1.json");
  ASSERT_EQ(in_machine("dev-1-r1", "echo again > /home/agent/more; sync"), "");

  auto change = image_change("while :; do sleep 2; done");
  change["snapshot"] = {{"paths", {"/home/agent/more"}}};
  JobDriver second(io_, *backend_, context(change, 8));
  const auto ended = second.run_all();
  ASSERT_EQ(ended.outcome, Outcome::done) << second.failed_at() << ": " << ended.message;
  EXPECT_EQ(in_machine("dev-1-r2", "cat /home/agent/more; echo $WHO"), "again\nagent\n");
  remove_leftovers(second, State::succeeded);
  EXPECT_EQ(machines(), (std::vector<std::string>{"dev-1", "dev-1-r2"}));
  EXPECT_TRUE(std::filesystem::exists(config_.work_dir / "calls/dev-1-r2.json"));
  EXPECT_FALSE(std::filesystem::exists(config_.work_dir / "calls/dev-1-r1.json"));
  EXPECT_EQ(files_left(), std::vector<std::string>{"specs/test-8.json"});
}

TEST_F(Success, AStoppedBottleIsChangedAndStaysUp) {
  make_bottle();
  ASSERT_TRUE(smolvm({"machine", "stop", "--name", "dev-1"}).succeeded());
  JobDriver driver(io_, *backend_, context({{"change", {{"commands", {"touch /root/done"}}}}}));
  const auto ended = driver.run_all();
  ASSERT_EQ(ended.outcome, Outcome::done) << driver.failed_at() << ": " << ended.message;
  EXPECT_EQ(state("dev-1"), "running");
}

TEST_F(Success, ThePlanNamesWhatTheHistoryShows) {
  make_bottle();
  auto change = image_change();
  change["snapshot"] = {{"paths", {"/home/agent"}}};
  forget_calls();
  const auto plan = run(io_, backend_->plan(context(change)));
  ASSERT_TRUE(plan.possible) << plan.message;
  EXPECT_EQ(calls(true), std::vector<std::string>{});
  EXPECT_EQ(files_left(), std::vector<std::string>{});

  JobDriver driver(io_, *backend_, context(change));
  ASSERT_EQ(driver.run_all().outcome, Outcome::done) << driver.failed_at();
  std::string history;
  for (const auto& effect : driver.effects()) history += effect.summary + "\n";
  std::string planned;
  for (const auto& line : plan.makes) planned += line + "\n";
  for (const auto& line : plan.changes) planned += line + "\n";
  std::vector<std::string> told = plan.makes;
  told.insert(told.end(), plan.changes.begin(), plan.changes.end());
  for (const auto& effect : driver.effects()) {
    if (!effect.mutates) continue;
    EXPECT_EQ(std::ranges::count(told, effect.summary), 1) << effect.summary;
  }
  const auto work = config_.work_dir.string();
  for (const auto& name : {std::string("dev-1-r1"), work + "/images/test-7/image.tar", work + "/specs/test-7.json",
                           work + "/paths/test-7"}) {
    EXPECT_NE(planned.find(name), std::string::npos) << name << " is not in the plan:\n" << planned;
    EXPECT_NE(history.find(name), std::string::npos) << name << " is not in the history:\n" << history;
  }
}

}  // namespace
}  // namespace rebottle::tests
