// What another process finds when the worker died around an effect: everything follows from facts and the world.
// Not here: real deaths of the service (tests/functional).
#include "tests/docker/docker_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

class DockerCrash : public DockerCase {
 protected:
  JobDriver whole_job() {
    json snapshot = {{"paths", {"/home/agent"}}};
    return driver({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}, {"verify", {{"stable_s", 0}}}});
  }
  void start_agent() {
    create_network(bottle + "-one");
    create_network(bottle + "-two");
    auto body = agent_body();
    body["HostConfig"]["NetworkMode"] = bottle + "-one";
    body["HostConfig"]["RestartPolicy"] = {{"Name", "always"}};
    const auto id = start_container(bottle, std::move(body));
    json connect = {{"Container", id}};
    call("POST", "/networks/" + bottle + "-two/connect", connect);
  }
};

// These leave nothing outside by which they could be found again; they are repeated.
bool repeatable(const std::string& effect) {
  return effect == "admit" || effect == "record" || effect == "verify_new" || effect == "restore_paths";
}

// A look is never taken for one of now.
World after(const std::string& effect) { return effect == "record" ? World::absent : World::present; }

TEST_F(DockerCrash, ALostResultIsFoundInTheWorldAfterEachEffect) {
  start_agent();
  auto job = whole_job();
  for (const auto& effect : job.effects()) {
    const auto stopped = job.run_until(effect.name);
    ASSERT_EQ(stopped.reason_code, "stopped_by_test") << effect.name << ": " << job.failed_at() << stopped.message;
    const auto fact = at(job.context().facts, effect.name);
    EXPECT_EQ(job.observe(effect.name).world, after(effect.name)) << effect.name;

    auto next_backend = another_backend();
    JobDriver next = job;
    next.use(*next_backend);
    next.forget(effect.name);
    const auto seen = next.observe(effect.name);
    EXPECT_EQ(seen.world, repeatable(effect.name) ? World::absent : World::present) << effect.name << seen.detail;
    // What others depend on is found again.
    for (const auto* const key : {"container_id", "image_id"})
      if (fact.contains(key) && seen.world == World::present) {
        EXPECT_EQ(at(seen.result, key), fact[key]) << effect.name;
      }
    if (repeatable(effect.name)) {
      const auto again = next.perform(effect.name);
      EXPECT_EQ(again.outcome, Outcome::done) << effect.name << ": " << again.message;
    }
  }
  EXPECT_EQ(run_inside(bottle, {"hello"}), "hello\n");
}

TEST_F(DockerCrash, EachEffectMayBeDoneTwice) {
  start_agent();
  auto job = whole_job();
  for (const auto& effect : job.effects()) {
    ASSERT_EQ(job.run_until(effect.name).reason_code, "stopped_by_test") << effect.name << ": " << job.failed_at();
    // Renaming to the name that it has, and creating what is there, are refused by the engine; what counts is that
    // nothing changes and that the world still says "present".
    const auto names = container_names();
    (void)job.perform(effect.name);
    EXPECT_EQ(job.observe(effect.name).world, after(effect.name)) << effect.name;
    EXPECT_EQ(container_names(), names) << effect.name;
  }
}

TEST_F(DockerCrash, ATakeoverAtEachEffectEndsWithOneAgent) {
  start_agent();
  const auto names = whole_job().effects();
  for (const auto& effect : names) {
    auto job = whole_job();
    ASSERT_EQ(job.run_until(effect.name).reason_code, "stopped_by_test") << effect.name << ": " << job.failed_at();
    auto next_backend = another_backend();
    job.use(*next_backend);
    job.forget(effect.name);
    job.context().fence += 1;
    const auto done = job.run_all();
    ASSERT_EQ(done.outcome, Outcome::done) << effect.name << ": " << job.failed_at() << " " << done.message;
    remove_leftovers(job, State::succeeded);
    EXPECT_EQ(container_names(), std::vector<std::string>{bottle}) << effect.name;
    EXPECT_EQ(own_tags().size(), 2U) << effect.name;
    EXPECT_EQ(run_inside(bottle, {"hello"}), "hello\n");
  }
}

TEST_F(DockerCrash, AWorkerThatWasOvertakenTouchesNothing) {
  start_agent();
  auto job = whole_job();
  ASSERT_EQ(job.run_step(State::prepare).outcome, Outcome::done);
  job.context().fence -= 1;  // the container carries a higher one now
  EXPECT_EQ(job.observe("create_new").world, World::unknown);
  EXPECT_EQ(job.perform("start_new").reason_code, "fence_lost");
  EXPECT_EQ(job.perform("connect_networks").outcome, Outcome::unknown);
}

TEST_F(DockerCrash, AnUnansweredBuildLeavesNothingAndIsDoneAgain) {
  start_agent();
  auto job = whole_job();
  ASSERT_EQ(job.run_until("pin_image").reason_code, "stopped_by_test");
  EXPECT_EQ(job.observe("build_image").world, World::absent);
  EXPECT_EQ(job.perform("build_image").outcome, Outcome::done);
  EXPECT_EQ(job.observe("build_image").world, World::present);
}

}  // namespace
}  // namespace rebottle::tests
