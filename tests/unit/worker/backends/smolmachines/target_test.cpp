// Which machine is the bottle: record, labels and configured name must agree.
// Not here: machines of an engine.
#include "worker/backends/smolmachines/target.hpp"

#include <gtest/gtest.h>

namespace rebottle::worker::smolmachines {
namespace {

json machine(const std::string& name, const std::string& state, const json& labels = json::object()) {
  return {{"name", name},
          {"state", state},
          {"labels", labels},
          {"restart_policy", "never"},
          {"parent_machine", nullptr},
          {"health_cmd", nullptr},
          {"image", "local:abc"}};
}
json ours(int rev, const std::string& job) {
  return {{label::managed_by, label::us},
          {label::bottle, "dev"},
          {label::rev, std::to_string(rev)},
          {label::job, job},
          {label::spec, "abc"}};
}

class Choice : public ::testing::Test {
 protected:
  TargetFound choose(const json& rows) {
    context_.bottle = "dev";
    context_.job_key = "x-9";
    context_.args.change = schema::Args::Commands{{"true"}};
    return choose_target(JobView(config_, context_), rows);
  }
  std::string reason(const json& rows) { return choose(rows).refusal.reason_code; }
  SmolmachinesConfig config_;
  JobContext context_;
};

TEST_F(Choice, TheConfiguredNameBeforeTheFirstChange) {
  const auto found = choose({machine("other", "running"), machine("dev", "running")});
  EXPECT_EQ(found.refusal.outcome, Outcome::done);
  EXPECT_EQ(found.target.machine["name"], "dev");
  EXPECT_EQ(found.target.rev, 0);
  EXPECT_EQ(found.target.next_rev, 1);
}

TEST_F(Choice, TheRecordedOneAfterIt) {
  context_.current = {{"machine", "dev-r2"}, {"made", true}, {"job", "x-5"}, {"spec_sha256", "abcdef"}};
  const auto found = choose({machine("dev", "stopped"), machine("dev-r2", "running", ours(2, "x-5"))});
  EXPECT_EQ(found.refusal.outcome, Outcome::done) << found.refusal.message;
  EXPECT_EQ(found.target.machine["name"], "dev-r2");
  EXPECT_EQ(found.target.next_rev, 3);
}

TEST_F(Choice, ANumberThatNoMachineHas) {
  const auto found = choose({machine("dev", "running"), machine("dev-r1", "running"),
                             machine("elsewhere", "stopped", ours(4, "x-3")), machine("dev-r5", "created")});
  EXPECT_EQ(found.target.next_rev, 6) << found.refusal.message;
}

TEST_F(Choice, WhatThisJobMadeIsNoCandidate) {
  const auto found = choose({machine("dev", "stopped"), machine("dev-r1", "created", ours(1, "x-9"))});
  EXPECT_EQ(found.refusal.outcome, Outcome::done) << found.refusal.message;
  EXPECT_EQ(found.target.machine["name"], "dev");
}

TEST_F(Choice, RefusesTwoThatRun) {
  EXPECT_EQ(reason({machine("dev", "running"), machine("dev-r1", "running", ours(1, "x-3"))}), "bottle_ambiguous");
  EXPECT_EQ(reason({machine("dev", "running"), machine("dev-r1", "paused", ours(1, "x-3"))}), "bottle_ambiguous");
  EXPECT_EQ(reason({machine("dev", "running"), machine("dev-r1", "stopped", ours(1, "x-3"))}), "");
}

TEST_F(Choice, RefusesTwoStoppedOnesOfWhichNothingIsRecorded) {
  const json rows = {machine("dev", "stopped"), machine("dev-r1", "stopped", ours(1, "x-3"))};
  EXPECT_EQ(reason(rows), "bottle_ambiguous");
  context_.current = {{"machine", "dev"}};
  EXPECT_EQ(reason(rows), "");
}

TEST_F(Choice, RefusesLabelsThatAreNotThoseOfTheRecord) {
  context_.current = {{"machine", "dev-r1"}, {"made", true}, {"job", "x-3"}, {"spec_sha256", "abcdef"}};
  EXPECT_EQ(reason(json::array({machine("dev-r1", "running", ours(1, "x-3"))})), "");
  EXPECT_EQ(reason(json::array({machine("dev-r1", "running", ours(1, "x-4"))})), "bottle_ambiguous");
  EXPECT_EQ(reason(json::array({machine("dev-r1", "running")})), "bottle_ambiguous");
  context_.current["spec_sha256"] = "def";
  EXPECT_EQ(reason(json::array({machine("dev-r1", "running", ours(1, "x-3"))})), "bottle_ambiguous");
}

TEST_F(Choice, RefusesWhatIsNotThere) {
  EXPECT_EQ(reason(json::array()), "bottle_not_found");
  context_.current = {{"machine", "dev-r1"}};
  EXPECT_EQ(reason({machine("dev", "running")}), "bottle_not_found");
  context_.current = json::object();
  config_.machine = "no dots.{bottle}";
  EXPECT_EQ(reason({machine("dev", "running")}), "bottle_not_found");
}

TEST_F(Choice, RefusesAMachineWithBranches) {
  auto branch = machine("branch", "stopped");
  branch["parent_machine"] = "dev";
  EXPECT_EQ(reason({machine("dev", "running"), branch}), "target_make_unsupported");
}

}  // namespace
}  // namespace rebottle::worker::smolmachines
