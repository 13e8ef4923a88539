// The worker dies once at every boundary between a commit and an effect, and goes on in a new epoch: the job ends as
// it would have, and no effect happens twice. Not here: real processes (program_test.cpp, tests/functional).
#include "tests/support/service_fixture.hpp"

#include <gmock/gmock.h>

namespace rebottle::test {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using worker::Direction;
using worker::json;

constexpr int always = 1'000'000;

struct Way {
  std::string name;
  std::vector<Fault> faults;
  State end;
};

class Crash : public ServiceFixture, public ::testing::WithParamInterface<int> {
 protected:
  static std::vector<Way> ways() {
    return {
        {"success", {}, State::succeeded},
        {"rollback", {{.effect = "healthy", .trouble = Trouble::permanent, .times = always}}, State::rolled_back},
        {"failed_start", {{.effect = "start_new", .trouble = Trouble::permanent, .times = always}}, State::rolled_back},
        {"refused_build", {{.effect = "build", .trouble = Trouble::permanent, .times = always}}, State::failed},
    };
  }

  // Runs one job to its end, with a death at the n-th place; returns how many places there are.
  std::size_t run_with_death_at(const Way& way, std::size_t nth) {
    world_.calls.clear();
    world_.faults = way.faults;
    reached_.clear();
    crash_at_ = nth;
    start();
    const auto bottle = "dev-" + std::to_string(nth);
    const auto id = approve(bottle);
    const bool ended = run_to_end(id);
    if (!ended && crashed_) {
      const auto place = reached_.back();
      crash();
      crash_at_ = 0;
      start();
      EXPECT_TRUE(run_to_end(id)) << "after a death at " << place;
    }
    const auto where = way.name + ", death at " + std::to_string(nth);
    EXPECT_EQ(to_string(job(id).state), to_string(way.end)) << where;
    EXPECT_EQ(world_.inconsistency(bottle, way.end), "") << where;
    EXPECT_EQ(history_fault(id), "") << where;
    EXPECT_LE(job(id).crashes, 1) << where;
    EXPECT_FALSE(job(id).down_since.has_value()) << where;
    EXPECT_TRUE(run_until([&] { return operator_->leftovers(id).empty(); }, "the sweep after " + where));
    return reached_.size();
  }
};

TEST_P(Crash, AtEveryBoundaryEndsAsIfNothingHadHappened) {
  const auto way = ways().at(static_cast<std::size_t>(GetParam()));
  const auto places = run_with_death_at(way, 0);
  ASSERT_GT(places, 4U);
  const std::set<std::string> names(reached_.begin(), reached_.end());
  EXPECT_THAT(names, Contains("intent:build"));
  EXPECT_THAT(names, Contains("effect:build"));
  EXPECT_THAT(names, Contains("state:prepare"));
  for (std::size_t nth = 1; nth <= places && !HasFailure(); ++nth) run_with_death_at(way, nth);
}

INSTANTIATE_TEST_SUITE_P(EveryWay, Crash, ::testing::Range(0, 4));

class CrashedService : public ServiceFixture {
 protected:
  // Dies at `place` each time it is reached, n times, then starts once more.
  void die_at(const std::string& place, int times) {
    for (int i = 0; i < times; ++i) {
      run_until([&] { return !reached_.empty() && reached_.back() == place; }, place);
      reached_.clear();
      crash();
      start();
    }
  }
};

// The n-th death in one step makes the job poison; before it, the job is resumed.
struct Poison {
  std::string effect;
  State step;
  State end;
};

class PoisonedStep : public CrashedService, public ::testing::WithParamInterface<Poison> {};

TEST_P(PoisonedStep, EndsAfterTheLimitOfDeaths) {
  const auto& one = GetParam();
  world_.faults = {{.effect = one.effect, .trouble = Trouble::hangs, .times = 3}};
  if (one.step == State::rollback)
    world_.faults.push_back({.effect = "healthy", .trouble = Trouble::permanent, .times = always});
  start();
  const auto id = approve("dev-1");
  ::testing::internal::CaptureStderr();
  die_at("intent:" + one.effect, 3);
  const bool ended = run_to_end(id);
  const auto log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(ended);

  EXPECT_EQ(to_string(job(id).state), to_string(one.end));
  EXPECT_EQ(job(id).reason_code, "worker_crashed");
  EXPECT_EQ(history_fault(id), "");
  std::vector<std::string> resumes;
  for (const auto& event : events(id))
    if (event == "resume:" + std::string(to_string(one.step))) resumes.push_back(event);
  EXPECT_THAT(resumes, SizeIs(2));
  EXPECT_EQ(log.find("alert=1 job=1") != std::string::npos, one.end == State::needs_attention);
  if (one.end == State::needs_attention) {
    EXPECT_EQ(json::parse(job(id).detail)["cause"]["reason_code"], "scripted_permanent");
  } else {
    EXPECT_EQ(world_.inconsistency("dev-1", one.end), "");
    EXPECT_TRUE(run_until([&] { return world_.removed.size() == 1; }, "what a poisoned job left behind"));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryStep, PoisonedStep,
                         ::testing::Values(Poison{"build", State::prepare, State::failed},
                                           Poison{"tag_old", State::snapshot, State::failed},
                                           Poison{"stop_old", State::stop, State::rolled_back},
                                           Poison{"park_old", State::apply, State::rolled_back},
                                           Poison{"start_new", State::restart, State::rolled_back},
                                           Poison{"healthy", State::verify, State::rolled_back},
                                           Poison{"old_runs", State::rollback, State::needs_attention}));

TEST_F(CrashedService, RebootsAreNoCrashes) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs, .times = 5}};
  start();
  const auto id = approve("dev-1");
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(run_until([&] { return !reached_.empty() && reached_.back() == "intent:build"; }, "the build"));
    reached_.clear();
    crash();
    reboot();
    start();
  }
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(CrashedService, EveryInFlightJobIsTakenOverBeforeReady) {
  world_.concurrency = 10;
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs, .times = always}};
  start();
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(approve("dev-" + std::to_string(i)));
  ASSERT_TRUE(run_until([&] { return world_.running == 10; }, "ten builds"));
  crash();
  start();
  ASSERT_TRUE(run_until([&] { return service_->serving(); }, "ready"));
  for (const auto id : ids) EXPECT_EQ(job(id).epoch_id, service_->epoch_id());

  world_.release();
  for (const auto id : ids) {
    ASSERT_TRUE(run_to_end(id));
    EXPECT_EQ(job(id).state, State::succeeded);
  }
}

TEST_F(CrashedService, QueuedJobsAreNotLost) {
  start();
  crash();
  const auto id = approve("dev-1");
  start();
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(CrashedService, BackendThatIsGoneNeedsAttentionPastTheStop) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "apply"));
  crash();
  backend_name_ = "null";
  start();
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::needs_attention);
  EXPECT_EQ(job(id).reason_code, "backend_absent");
}

TEST_F(CrashedService, BackendThatIsGoneRejectsBeforeTheStop) {
  world_.faults = {{.effect = "tag_old", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "snapshot"));
  crash();
  backend_name_ = "null";
  start();
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rejected_unsupported);
}

}  // namespace
}  // namespace rebottle::test
