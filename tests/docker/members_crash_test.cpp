// A bottle of four, and a worker that dies around each effect: everything follows from facts and the world.
// Not here: real deaths of the service (tests/functional/members_test.py).
#include <gmock/gmock.h>

#include "tests/docker/members_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

// These leave nothing outside by which they could be found again; they are repeated.
bool repeatable(const std::string& effect) {
  return effect == "admit" || effect == "record" || effect == "verify_new" || effect == "restore_paths";
}

class DockerMembersCrash : public MembersCase {};

TEST_F(DockerMembersCrash, ALostResultIsFoundInTheWorldAndEachEffectMayBeDoneTwice) {
  start_bottle();
  auto job = whole_job();
  run_until(job, "admit");
  for (const auto& effect : effect_names(job)) {
    run_until(job, effect);
    const auto fact = at(job.context().facts, effect);
    auto next_backend = another_backend();
    JobDriver next = job;
    next.use(*next_backend);
    if (effect != "admit") {  // the list follows from it
      next.forget(effect);
      const auto seen = next.observe(effect);
      EXPECT_EQ(seen.world, repeatable(effect) ? World::absent : World::present) << effect << seen.detail;
      for (const auto* const key : {"container_id", "image_id"})
        if (fact.contains(key) && seen.world == World::present) {
          EXPECT_EQ(at(seen.result, key), fact[key]) << effect;
        }
    }
    const auto names = container_names();
    (void)job.perform(effect);
    // A look is never taken for one of now.
    EXPECT_EQ(job.observe(effect).world, effect == "record" ? World::absent : World::present) << effect;
    EXPECT_EQ(container_names(), names) << effect;
  }
  expect_changed();
}

TEST_F(DockerMembersCrash, ATakeoverAtEachEffectOnAMemberEndsWithAllOfThemOnce) {
  start_bottle();
  for (const std::string& effect :
       {"pin_image:" + tap, "create_new:" + proxy, "connect_networks:" + tap, "disarm:" + proxy, "stop_old:" + tap,
        "park_old:" + proxy, "take_name:" + tap, "start_new:" + proxy, std::string("verify_new")}) {
    auto job = whole_job();
    run_until(job, effect);
    auto next_backend = another_backend();
    job.use(*next_backend);
    job.forget(effect);
    job.context().fence += 1;
    const auto done = job.run_all();
    ASSERT_EQ(done.outcome, Outcome::done) << effect << ": " << job.failed_at() << " " << done.message;
    expect_nothing_left(job, State::succeeded);
    expect_changed();
    for (const auto& name : {bottle, proxy, tap, side}) before[name] = inspect(name);
  }
}

TEST_F(DockerMembersCrash, AWorkerThatWasOvertakenTouchesNoMember) {
  start_bottle();
  auto job = whole_job();
  ASSERT_EQ(job.run_step(State::prepare).outcome, Outcome::done);
  job.context().fence -= 1;  // the containers carry a higher one now
  EXPECT_EQ(job.observe("create_new:" + proxy).world, World::unknown);
  EXPECT_EQ(job.perform("start_new:" + proxy).reason_code, "fence_lost");
  EXPECT_EQ(job.perform("connect_networks:" + tap).outcome, Outcome::unknown);
}

}  // namespace
}  // namespace rebottle::tests
