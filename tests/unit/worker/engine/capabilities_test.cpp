// What is recorded of the backends' capabilities, and when. Not here: reading it (tests/unit/tools), probes themselves.
#include <algorithm>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/service_fixture.hpp"

namespace rebottle::test {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CapabilityRow : public ServiceFixture {
 protected:
  void start_and_wait() {
    start();
    run_until([this] { return service_->serving(); }, "ready");
  }
  std::optional<schema::Capability> row(const std::string& backend) {
    for (auto& row : operator_->capabilities())
      if (row.backend == backend) return row;
    return std::nullopt;
  }
  std::vector<std::string> recorded() {
    std::vector<std::string> names;
    for (const auto& row : operator_->capabilities()) names.push_back(row.backend);
    return names;
  }
  bool run_until_supported(const std::string& backend, bool supported) {
    return run_until([&] { return row(backend)->supported == supported; }, "the probe's answer");
  }
};

TEST_F(CapabilityRow, IsThereWhenTheServiceIsReady) {
  others_["smolmachines"].supported = false;
  start_and_wait();

  EXPECT_TRUE(row("docker")->supported);
  EXPECT_EQ(row("docker")->checked_at, clock_.now());
  EXPECT_EQ(row("smolmachines")->reason_code, "backend_too_old");
}

TEST_F(CapabilityRow, SaysHowLongItMayBeBelieved) {
  config_.service.probe_interval_s = 20;
  world_.supported = false;
  start_and_wait();

  const auto detail = json::parse(row("docker")->detail);
  EXPECT_EQ(detail["good_for_s"], 3 * 20 + 15);
  EXPECT_EQ(detail["missing"], "everything");
}

TEST_F(CapabilityRow, FollowsTheBackendOnATimer) {
  start_and_wait();
  const auto begin = clock_.now();
  world_.supported = false;
  ASSERT_TRUE(run_until_supported("docker", false));
  EXPECT_EQ(clock_.now() - begin, 60'000);
  world_.supported = true;
  ASSERT_TRUE(run_until_supported("docker", true));
  EXPECT_EQ(clock_.now() - begin, 120'000);
}

TEST_F(CapabilityRow, FollowsTheBackendWhenTheWallClockIsSetBack) {
  start_and_wait();
  const auto begin = clock_.steady();
  clock_.set_wall(-3'600'000);
  world_.supported = false;
  ASSERT_TRUE(run_until_supported("docker", false));

  EXPECT_EQ(clock_.steady() - begin, 60'000);
}

TEST_F(CapabilityRow, FollowsAtOnceWhenAJobFindsTheEngineSilent) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::unreachable, .times = 3}};
  start_and_wait();
  const auto begin = clock_.now();
  approve("dev-1");
  ASSERT_TRUE(run_until([&] { return !world_.calls.empty(); }, "the job"));
  world_.supported = false;
  ASSERT_TRUE(run_until_supported("docker", false));

  EXPECT_LT(clock_.now() - begin, 60'000);
}

TEST_F(CapabilityRow, FollowsAtOnceWhenAJobIsRefusedOrTakenAgain) {
  start_and_wait();
  clock_.advance(6'000);  // the answer of the start is too old to take a job by
  world_.supported = false;
  ASSERT_TRUE(run_to_end(approve("dev-1")));
  EXPECT_FALSE(row("docker")->supported);
  world_.supported = true;
  ASSERT_TRUE(run_to_end(approve("dev-2")));
  EXPECT_TRUE(row("docker")->supported);
}

TEST_F(CapabilityRow, OfABackendThatHangsIsANoAndHoldsNobodyUp) {
  world_.probe_hangs = true;
  others_["smolmachines"];
  start_and_wait();

  EXPECT_EQ(row("docker")->reason_code, "backend_timeout");
  EXPECT_THAT(row("docker")->message, HasSubstr("no answer"));
  EXPECT_TRUE(row("smolmachines")->supported);
}

TEST_F(CapabilityRow, OfABackendThatHangsKeepsItsJobsWaiting) {
  world_.probe_hangs = true;
  start_and_wait();
  const auto id = approve("dev-1");
  const auto begin = clock_.now();
  ASSERT_TRUE(run_until([&] { return clock_.now() - begin > 60'000; }, "a minute"));
  EXPECT_EQ(job(id).state, State::queued);
  world_.probe_hangs = false;
  ASSERT_TRUE(run_to_end(id));
  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(CapabilityRow, IsWaitedForAsLongAsTheBackendSays) {
  world_.probe_hangs = true;
  world_.patience = std::chrono::seconds(75);
  const auto begin = clock_.now();
  start_and_wait();

  EXPECT_EQ(clock_.now() - begin, 75'000);
}

// Else the row of a backend that was configured once would go on answering.
TEST_F(CapabilityRow, OfSeveralBackendsThatHangTakesNoLongerThanOfOne) {
  world_.probe_hangs = others_["podman"].probe_hangs = others_["smolmachines"].probe_hangs = true;
  const auto begin = clock_.now();
  start_and_wait();

  EXPECT_EQ(clock_.now() - begin, 15'000);
  EXPECT_THAT(recorded(), ElementsAre("docker", "podman", "smolmachines"));
}

TEST_F(CapabilityRow, OfABackendThatIsNotServedIsRemovedAtTheStart) {
  others_["smolmachines"];
  start_and_wait();
  EXPECT_THAT(recorded(), ElementsAre("docker", "smolmachines"));
  crash();
  others_.clear();
  start_and_wait();

  EXPECT_THAT(recorded(), ElementsAre("docker"));
}

TEST_F(CapabilityRow, OfANameFromAnotherVersionKeepsNoJobWaiting) {
  schema::JobStore::open(database_, {})
      ->record_capabilities("lxc", {{.backend = "lxc",
                                     .kind = "capability_block",
                                     .supported = true,
                                     .version = "1",
                                     .reason_code = "",
                                     .message = "",
                                     .detail = "{}",
                                     .checked_at = clock_.now()}});
  start_and_wait();
  const auto id = approve("dev-1", [](schema::Approval& approval) { approval.backend = "lxc"; });
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).reason_code, "backend_unknown");
}

TEST_F(CapabilityRow, SaysNoOnceTheServiceWasStopped) {
  others_["smolmachines"].supported = false;
  start_and_wait();
  EXPECT_EQ(stop(), 0);

  EXPECT_FALSE(row("docker")->supported);
  EXPECT_EQ(row("docker")->reason_code, "service_not_running");
  EXPECT_EQ(row("smolmachines")->reason_code, "service_not_running");
}

}  // namespace
}  // namespace rebottle::test
