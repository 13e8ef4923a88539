// What a rollback on Podman has of its own, and what never touches a bottle. Not here: what a rollback has on each
// engine (tests/docker/shared_rollback_test.cpp), refusals (refusal_test.cpp).
#include <gmock/gmock.h>

#include "tests/docker/rollback_case.hpp"
#include "tests/podman/podman_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

class PodmanRollback : public Rollback {};

TEST_F(PodmanRollback, AProgramThatIsNotThereIsNotTriedAgain) {
  start_agent();
  auto changed = driver({{"dockerfile", "FROM current\nENTRYPOINT [\"/no/such/program\"]\n"}});
  const auto failed = changed.run_all();
  EXPECT_EQ(changed.failed_at(), "start_new");
  EXPECT_EQ(failed.outcome, Outcome::permanent) << failed.message;
  EXPECT_EQ(failed.reason_code, "start_failed");
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

TEST_F(PodmanRollback, AnUnhealthyAgentIsFoundOutWithoutSystemd) {
  start_agent();
  auto changed = driver(
      {{"dockerfile", "FROM current\nHEALTHCHECK --interval=200ms --timeout=5s --retries=2 CMD echo ill && false\n"}});
  const auto failed = changed.run_all();
  EXPECT_EQ(failed.reason_code, "unhealthy") << failed.message;
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

TEST_F(PodmanRollback, AnUndoOfASuccessPutsTheOldOneBack) {
  config.keep_old_s = 3600;
  backend = another_backend();
  start_agent();
  auto changed = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(changed.run_all().outcome, Outcome::done) << changed.failed_at();
  auto context = job({{"dockerfile", good_dockerfile}});
  context.undoes = worker::Undone{changed.context().job_key, changed.context().facts};
  JobDriver undo(io, *backend, context);
  const auto done = undo.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << undo.failed_at() << ": " << done.message << done.detail;
  expect_as_it_was();
  EXPECT_TRUE(image(own_image("current")).is_null());
  expect_nothing_left(undo, State::succeeded);
}

class PodmanUntouched : public PodmanCase {
 protected:
  void SetUp() override {
    PodmanCase::SetUp();
    if (!IsSkipped()) start_container(bottle, agent_body());
  }
  Performed fails(json change) {
    const auto before = inspect(bottle);
    auto one = driver(std::move(change));
    auto done = one.run_all();
    remove_leftovers(one, State::failed);
    EXPECT_EQ(inspect(bottle), before);
    EXPECT_EQ(container_names(), std::vector<std::string>{bottle});
    EXPECT_EQ(own_tags(), std::vector<std::string>());
    return done;
  }
};

TEST_F(PodmanUntouched, ByABuildStepThatFails) {
  const auto done = fails({{"dockerfile", "FROM current\nRUN echo out of cheese; exit 42\n"}});
  EXPECT_EQ(done.outcome, Outcome::permanent);
  EXPECT_EQ(done.reason_code, "build_failed");
  EXPECT_EQ(at(done.detail, "exit_code"), 42);
  EXPECT_THAT(text(at(done.detail, "output")), ::testing::HasSubstr("out of cheese"));
}

TEST_F(PodmanUntouched, ByADockerfileThatDoesNotParse) {
  const auto done = fails({{"dockerfile", "FROM current\nENV LONELY\n"}});
  EXPECT_EQ(done.outcome, Outcome::permanent);
  EXPECT_THAT(done.message, ::testing::HasSubstr("ENV must have two arguments"));
}

TEST_F(PodmanUntouched, ByABuildThatTakesTooLong) {
  json limits = {{"build_timeout_s", 3}};
  auto one = driver({{"dockerfile", "FROM current\nRUN echo begun; sleep 6\n"}}, {{"limits", limits}});
  const auto before = inspect(bottle);
  EXPECT_EQ(one.run_all().reason_code, "build_timeout");
  EXPECT_EQ(inspect(bottle), before);
  EXPECT_EQ(one.observe("build_image").world, World::absent);
}

TEST_F(PodmanUntouched, ByANameThatSomeoneElseTook) {
  auto one = driver({{"dockerfile", good_dockerfile}});
  const auto name = bottle + ".new-" + one.context().job_key;
  const auto foreign = start_container(name, agent_body());
  const auto before = inspect(bottle);
  EXPECT_EQ(one.run_all().outcome, Outcome::stale);
  EXPECT_EQ(one.failed_at(), "create_new");
  EXPECT_EQ(inspect(bottle), before);
  for (const auto& leftover : backend->leftovers(one.context(), State::rejected_stale)) {
    const auto removed = wait(backend->remove(leftover));
    EXPECT_EQ(removed.outcome, Outcome::done) << leftover.kind << ": " << removed.message;
  }
  EXPECT_EQ(text(at(inspect(name), "Id")), foreign) << "a container that is not ours was removed";
}

TEST_F(PodmanUntouched, ByAContainerMadeAnewUnderTheSameName) {
  auto one = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  call("DELETE", "/containers/" + bottle + "?force=1");
  start_container(bottle, agent_body());
  const auto before = inspect(bottle);
  const auto done = one.run_step(State::snapshot);
  EXPECT_EQ(done.outcome, Outcome::stale);
  EXPECT_EQ(inspect(bottle), before);
}

}  // namespace
}  // namespace rebottle::tests
