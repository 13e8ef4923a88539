// What a rollback on Docker has of its own. Not here: what it has on each engine (shared_rollback_test.cpp).
#include <gmock/gmock.h>

#include <set>

#include "tests/docker/docker_case.hpp"
#include "tests/docker/rollback_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

class DockerRollback : public Rollback {};

TEST_F(DockerRollback, TheReasonOfAnAgentThatEndedHoldsItsLastWords) {
  start_container(bottle, {{"Image", test_image}, {"Cmd", {"sleep", "1000"}}});
  before = inspect(bottle);
  const auto* const dies = "FROM current\nENTRYPOINT [\"sh\", \"-c\", \"echo last words >&2; exit 7\"]\n";
  auto changed = driver({{"dockerfile", dies}});
  const auto failed = changed.run_all();
  EXPECT_EQ(failed.reason_code, "exited");
  EXPECT_EQ(at(failed.detail, "exit_code"), 7) << failed.detail;
  EXPECT_EQ(text(at(failed.detail, "log")), "last words\n");
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

TEST_F(DockerRollback, TheVolumesThatTheChangedImageAskedForGoWithIt) {
  auto body = agent_body();
  body["Volumes"]["/scratch"] = json::object();
  start_container(bottle, std::move(body));
  run_inside(bottle, {"sh", "-c", "echo kept > /scratch/file"});
  const auto volumes = [this] {
    std::set<std::string> out;
    const auto listed = call("GET", "/volumes");
    for (const auto& volume : at(listed, "Volumes")) out.insert(text(at(volume, "Name")));
    return out;
  };
  const auto volumes_before = volumes();
  auto changed = driver({{"dockerfile", std::string(dying_dockerfile) + "VOLUME /data\n"}});
  EXPECT_EQ(changed.run_all().reason_code, "exited");
  EXPECT_EQ(volumes().size(), volumes_before.size() + 1);
  ASSERT_EQ(changed.roll_back().outcome, Outcome::done);
  remove_leftovers(changed, State::rolled_back);
  EXPECT_EQ(volumes(), volumes_before);
  EXPECT_EQ(run_inside(bottle, {"cat", "/scratch/file"}), "kept\n");
}

TEST_F(DockerRollback, TheReasonOfAnUnhealthyAgentNamesItsProbe) {
  start_agent();
  auto changed = driver(
      {{"dockerfile", "FROM current\nHEALTHCHECK --interval=100ms --timeout=1s --retries=2 CMD echo ill && false\n"}});
  const auto failed = changed.run_all();
  EXPECT_EQ(failed.reason_code, "unhealthy") << failed.message;
  EXPECT_EQ(text(at(at(failed.detail, "health_probe"), "output")), "ill\n");
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

}  // namespace
}  // namespace rebottle::tests
