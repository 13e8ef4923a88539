// A job's whole way through the service: success, limits, waiting, and how each class of failure ends in each step.
// Not here: crashes (crash_test.cpp), what people ask for (requests_test.cpp).
#include "tests/support/service_fixture.hpp"

#include <gmock/gmock.h>

#include <ostream>

namespace rebottle::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using worker::Direction;
using worker::json;

constexpr int always = 1'000'000;

class ServiceJob : public ServiceFixture {
 protected:
  std::vector<std::string> calls_with(const std::string& part) {
    std::vector<std::string> found;
    for (const auto& call : world_.calls)
      if (call.find(part) != std::string::npos) found.push_back(call);
    return found;
  }
};

TEST_F(ServiceJob, SucceedsInTheExactOrder) {
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_THAT(world_.calls, ElementsAre("dev-1 perform admit", "dev-1 perform build", "dev-1 perform create_new",
                                        "dev-1 perform tag_old", "dev-1 perform stop_old", "dev-1 perform park_old",
                                        "dev-1 perform place_new", "dev-1 perform start_new", "dev-1 perform healthy"));
  EXPECT_THAT(events(id), ElementsAre("claim:prepare", "step_done:snapshot", "step_done:stop", "step_done:apply",
                                      "step_done:restart", "step_done:verify", "step_done:succeeded"));
  EXPECT_EQ(world_.inconsistency("dev-1", State::succeeded), "");
  EXPECT_EQ(history_fault(id), "");
  EXPECT_EQ(job(id).reason_code, "");
}

TEST_F(ServiceJob, ObservesBeforeEveryEffect) {
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(world_.observations.size(), world_.calls.size());
}

TEST_F(ServiceJob, SuccessIsShownAsCurrentAndItsLeftoverIsRemoved) {
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));
  ASSERT_TRUE(run_until([&] { return operator_->leftovers(id).empty() && !world_.removed.empty(); }, "the sweep"));

  EXPECT_THAT(world_.removed, ElementsAre("old"));
  ASSERT_EQ(operator_->bottles().size(), 1U);
  EXPECT_EQ(json::parse(operator_->bottles()[0].current), json({{"container", "dev-1"}}));
}

TEST_F(ServiceJob, ToldWhatTheLastSuccessRecordedAsCurrent) {
  start();
  ASSERT_TRUE(run_to_end(approve("dev-1")));
  EXPECT_EQ(world_.currents["dev-1"], json::object());

  world_.done.clear();
  ASSERT_TRUE(run_to_end(approve("dev-1")));
  EXPECT_EQ(world_.currents["dev-1"], json({{"container", "dev-1"}}));
}

TEST_F(ServiceJob, DowntimeRunsFromTheStopToTheStart) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::transient, .times = 2}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to(id, State::apply));
  EXPECT_TRUE(job(id).down_since.has_value());
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_FALSE(job(id).down_since.has_value());
  EXPECT_GE(job(id).downtime_ms, config_.service.pause_first_ms);  // two pauses, each at least half of its value
}

TEST_F(ServiceJob, BottleThatHadStoppedByItselfIsAdopted) {
  world_.done["dev-1"].insert("stop_old");
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_THAT(calls_with("stop_old"), IsEmpty());
  EXPECT_EQ(world_.inconsistency("dev-1", State::succeeded), "");
}

TEST_F(ServiceJob, SecondJobOfABottleWaitsForTheFirst) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs}};
  start();
  const auto first = approve("dev-1");
  const auto second = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "the first build"));
  settle();
  EXPECT_EQ(job(second).state, State::queued);

  world_.release();
  ASSERT_TRUE(run_to_end(first));
  world_.done.clear();  // the second change starts from the bottle as it is then
  ASSERT_TRUE(run_to_end(second));
  EXPECT_EQ(job(first).state, State::succeeded);
  EXPECT_EQ(job(second).state, State::succeeded);
}

TEST_F(ServiceJob, ManyBottlesRunAtOnceUpToTheLimit) {
  world_.concurrency = 3;
  for (int i = 0; i < 3; ++i) world_.faults.push_back({.effect = "build", .trouble = Trouble::hangs, .nth = i + 1});
  start();
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(approve("dev-" + std::to_string(i)));
  ASSERT_TRUE(run_until([&] { return world_.running == 3; }, "three builds at once"));
  settle();
  EXPECT_EQ(world_.running_max, 3);

  world_.release();
  for (const auto id : ids) {
    ASSERT_TRUE(run_to_end(id));
    EXPECT_EQ(job(id).state, State::succeeded);
  }
  EXPECT_EQ(world_.running_max, 3);
}

TEST_F(ServiceJob, JobUnderAdmissionTakesOnePlace) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs, .times = always}};
  start();
  ASSERT_TRUE(run_until([&] { return service_->serving(); }, "ready"));
  clock_moves_ = false;
  world_.probe_hangs = true;
  clock_.advance(6'000);  // past what an answer is believed for
  for (int i = 0; i < world_.concurrency; ++i) {
    approve("dev-" + std::to_string(i));
    settle();
  }
  world_.probe_hangs = false;
  world_.released.notify();
  EXPECT_TRUE(run_until([&] { return world_.running == world_.concurrency; }, "as many builds as there are places"));
}

TEST_F(ServiceJob, HangingBuildDoesNotSlowOtherBottles) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs}};
  start();
  const auto slow = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "the build"));
  const auto quick = approve("dev-2");
  ASSERT_TRUE(run_to_end(quick));

  EXPECT_EQ(job(quick).state, State::succeeded);
  EXPECT_EQ(job(slow).state, State::prepare);
}

TEST_F(ServiceJob, WaitsUntilItIsScheduled) {
  start();
  const auto at = clock_.now() + 60'000;
  const auto id = approve("dev-1", [&](schema::Approval& approval) { approval.scheduled_at = at; });
  clock_moves_ = false;
  settle();
  EXPECT_EQ(job(id).state, State::queued);
  clock_moves_ = true;
  ASSERT_TRUE(run_to_end(id));

  EXPECT_GE(*job(id).claimed_at, at);
  EXPECT_LT(*job(id).claimed_at, at + 1'000);  // by its own timer, not by the slow look
}

TEST_F(ServiceJob, ExpiredBeforeItsTurnIsRejectedWithoutAClaim) {
  start();
  const auto id = approve("dev-1", [&](schema::Approval& approval) {
    approval.scheduled_at = clock_.now() + 1'000;
    approval.expires_at = clock_.now() + 2'000;
  });
  clock_.advance(3'000);
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rejected_stale);
  EXPECT_EQ(job(id).reason_code, "approval_expired");
  EXPECT_THAT(world_.calls, IsEmpty());
  EXPECT_EQ(job(id).fence, 0);
}

TEST_F(ServiceJob, ExpiryIsLookedAtLastBeforeTheStop) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1", [&](schema::Approval& approval) { approval.expires_at = clock_.now() + 3'600'000; });
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "the build"));
  clock_.advance(3'600'000);
  world_.release();
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rejected_stale);
  EXPECT_EQ(job(id).reason_code, "approval_expired");
  EXPECT_THAT(calls_with("stop_old"), IsEmpty());
  EXPECT_EQ(world_.inconsistency("dev-1", State::failed), "");
}

TEST_F(ServiceJob, ExpiryPastTheStopIsTooLate) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1", [&](schema::Approval& approval) { approval.expires_at = clock_.now() + 3'600'000; });
  ASSERT_TRUE(run_until([&] { return !calls_with("park_old").empty(); }, "apply"));
  clock_.advance(3'600'000);
  world_.release();
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(ServiceJob, UnknownAndUnservedBackendsAreRefusedUntouched) {
  start();
  const auto unknown = approve("dev-1", [](schema::Approval& approval) { approval.backend = "lxc"; });
  const auto absent = approve("dev-1", [](schema::Approval& approval) { approval.backend = "smolmachines"; });
  ASSERT_TRUE(run_to_end(unknown));
  ASSERT_TRUE(run_to_end(absent));

  EXPECT_EQ(job(unknown).state, State::rejected_unsupported);
  EXPECT_EQ(job(unknown).reason_code, "backend_unknown");
  EXPECT_EQ(json::parse(job(unknown).detail)["served"], json({"docker"}));
  EXPECT_EQ(job(absent).state, State::rejected_unsupported);
  EXPECT_EQ(job(absent).reason_code, "backend_absent");
  EXPECT_THAT(world_.calls, IsEmpty());
}

TEST_F(ServiceJob, UnknownKindIsRefused) {
  start();
  const auto id = approve("dev-1", [](schema::Approval& approval) { approval.kind = "coffee"; });
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rejected_unsupported);
  EXPECT_EQ(job(id).reason_code, "kind_unsupported");
}

TEST_F(ServiceJob, UnsupportedBackendIsRefusedByItsOwnReason) {
  world_.supported = false;
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rejected_unsupported);
  EXPECT_EQ(job(id).reason_code, "backend_too_old");
  EXPECT_EQ(job(id).message, "scripted: backend_too_old");
  EXPECT_EQ(json::parse(job(id).detail)["missing"], "everything");
  EXPECT_GE(world_.probes, 2);  // at start, and again because the answer was no
  EXPECT_FALSE(operator_->capabilities().at(0).supported);
}

TEST_F(ServiceJob, BackendThatCameUpSinceTheLastProbeIsUsed) {
  world_.supported = false;
  start();
  ASSERT_TRUE(run_until([&] { return service_->serving(); }, "ready"));
  world_.supported = true;
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(ServiceJob, ProbeThatThrowsIsANo) {
  world_.probe_throws = true;
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rejected_unsupported);
  EXPECT_EQ(job(id).reason_code, "backend_absent");
  EXPECT_THAT(job(id).message, HasSubstr("the probe throws"));
}

TEST_F(ServiceJob, ArgsThatOnlyTheStrictParserRefusesFailInPrepare) {
  start();
  const auto id = approve("dev-1", [](schema::Approval& approval) {
    approval.args = R"({"change":{"image":"a"},"change":{"image":"b"}})";
  });
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::failed);
  EXPECT_EQ(job(id).reason_code, "args_invalid");
  EXPECT_THAT(job(id).message, HasSubstr("change"));
  EXPECT_THAT(json::parse(job(id).detail)["field"], HasSubstr("change"));
  EXPECT_THAT(world_.calls, IsEmpty());
}

TEST_F(ServiceJob, RetryPausesGrowAndAreStored) {
  world_.faults = {{.effect = "tag_old", .trouble = Trouble::transient, .times = 3}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  std::vector<worker::Milliseconds> pauses;
  for (const auto& row : operator_->history(id, 0))
    if (row.event == "step_retry") pauses.push_back(json::parse(row.data)["pause_ms"].get<worker::Milliseconds>());
  ASSERT_EQ(pauses.size(), 3U);
  for (std::size_t i = 0; i < pauses.size(); ++i) {
    const auto whole = worker::Milliseconds{config_.service.pause_first_ms} << i;
    EXPECT_GE(pauses[i], whole / 2);
    EXPECT_LE(pauses[i], whole);
  }
  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(ServiceJob, CrashDuringAPauseNeitherShortensNorLosesIt) {
  config_.service.pause_first_ms = 600'000;
  config_.service.pause_max_ms = 600'000;
  world_.faults = {{.effect = "tag_old", .trouble = Trouble::transient}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return job(id).retry_at.has_value(); }, "the pause"));
  const auto until = *job(id).retry_at;
  crash();
  clock_moves_ = false;
  start();
  settle();
  EXPECT_EQ(job(id).state, State::snapshot);
  EXPECT_EQ(calls_with("tag_old").size(), 1U);
  clock_moves_ = true;
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_GE(clock_.now(), until);
  EXPECT_EQ(calls_with("tag_old").size(), 2U);
}

TEST_F(ServiceJob, LeftoverIsTriedUntilItIsGone) {
  world_.remove_failures = 3;
  start();
  const auto id = approve("dev-1");
  const auto begin = clock_.now();
  ASSERT_TRUE(run_to_end(id));
  ASSERT_TRUE(run_until([&] { return !world_.removed.empty(); }, "the removal"));
  settle();

  EXPECT_THAT(operator_->leftovers(id), IsEmpty());
  EXPECT_GE(clock_.now() - begin, (10 + 20 + 40) * 1'000);
  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(ServiceJob, SilentEngineHoldsUpNobodyElsesCleanUp) {
  others_["podman"].remove_hangs = true;
  start();
  const auto slow = approve("dev-1", [](schema::Approval& approval) { approval.backend = "podman"; });
  ASSERT_TRUE(run_to_end(slow));
  settle();
  const auto quick = approve("dev-2");
  ASSERT_TRUE(run_to_end(quick));
  ASSERT_TRUE(run_until([&] { return operator_->leftovers(quick).empty(); }, "the sweep"));
  EXPECT_THAT(operator_->leftovers(slow), Not(IsEmpty()));
}

TEST_F(ServiceJob, LeftoverThatIsNotOursStaysVisible) {
  world_.remove_permanent = true;
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));
  ASSERT_TRUE(run_until([&] { return !operator_->leftovers(id).empty() && operator_->leftovers(id)[0].tries > 0; },
                        "the first try"));

  EXPECT_THAT(operator_->leftovers(id)[0].last_error, HasSubstr("not_ours"));
  EXPECT_GE(operator_->leftovers(id)[0].not_before, clock_.now() + 23 * 3'600'000);
}

TEST_F(ServiceJob, DrainHaltsWhatIsBeforeStopAndFinishesWhatIsPastIt) {
  world_.faults = {{.effect = "create_new", .trouble = Trouble::hangs},
                   {.effect = "park_old", .trouble = Trouble::hangs, .nth = 1}};
  start();
  const auto early = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "dev-1 in prepare"));
  const auto late = approve("dev-2");
  ASSERT_TRUE(run_until([&] { return world_.running == 2; }, "dev-2 in apply"));
  service_->stop();
  const auto ignored = approve("dev-3");
  clock_moves_ = false;
  settle();
  world_.release();
  clock_moves_ = true;
  ASSERT_TRUE(run_until([&] { return exit_code_.has_value(); }, "the end"));

  EXPECT_EQ(*exit_code_, 0);
  EXPECT_EQ(job(early).state, State::snapshot);  // the call that was under way ended; nothing was begun after it
  EXPECT_THAT(calls_with("dev-1 perform tag_old"), IsEmpty());
  EXPECT_EQ(job(late).state, State::succeeded);
  EXPECT_EQ(job(ignored).state, State::queued);

  start();
  ASSERT_TRUE(run_to_end(early));
  ASSERT_TRUE(run_to_end(ignored));
  EXPECT_EQ(job(early).state, State::succeeded);
  EXPECT_EQ(job(early).crashes, 0);
  EXPECT_EQ(world_.inconsistency("dev-1", State::succeeded), "");
}

TEST_F(ServiceJob, DrainDuringTheLastEffectBeforeTheStopStopsNothing) {
  world_.faults = {{.effect = "tag_old", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "snapshot"));
  service_->stop();
  settle();
  world_.release();
  ASSERT_TRUE(run_until([&] { return exit_code_.has_value(); }, "the end"));
  EXPECT_EQ(job(id).state, State::snapshot);
  EXPECT_THAT(calls_with("dev-1 perform stop_old"), IsEmpty());

  start();
  ASSERT_TRUE(run_to_end(id));
  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(ServiceJob, WallClockThatIsSetBackMakesNoPauseLonger) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::transient}};
  start();
  const auto id = approve("dev-1");
  clock_moves_ = false;
  ASSERT_TRUE(run_until([&] { return job(id).retry_at.has_value(); }, "the pause of a bottle that is down"));
  clock_.set_wall(-3'600'000);
  const auto begin = clock_.steady();
  clock_moves_ = true;
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_LT(clock_.steady() - begin, 60'000);
}

TEST_F(ServiceJob, WallClockThatIsSetForwardIsNoDowntime) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::transient}};
  start();
  const auto id = approve("dev-1");
  clock_moves_ = false;
  ASSERT_TRUE(run_until([&] { return job(id).down_since.has_value(); }, "down"));
  clock_.set_wall(24 * 3'600'000);
  clock_moves_ = true;
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(ServiceJob, GracefulStopsCostNoAttempt) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs, .times = always}};
  start();
  const auto id = approve("dev-1");
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "the build"));
    EXPECT_EQ(stop(), 0);
    EXPECT_EQ(job(id).state, State::prepare);
    EXPECT_EQ(job(id).attempt, 1);
    start();
  }
  world_.release();
  ASSERT_TRUE(run_to_end(id));
  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(ServiceJob, DrainHasAnEndAndTheJobGoesOnAtTheNextStart) {
  world_.faults = {{.effect = "healthy", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "verify"));
  const auto begin = clock_.now();
  EXPECT_EQ(stop(), 0);
  EXPECT_GE(clock_.now() - begin, 30'000);
  EXPECT_LT(clock_.now() - begin, 40'000);
  EXPECT_EQ(job(id).state, State::verify);

  start();
  ASSERT_TRUE(run_to_end(id));
  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_THAT(events(id), Contains("resume:verify"));
}

TEST_F(ServiceJob, SecondStopHaltsAtOnce) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "apply"));
  const auto begin = clock_.now();
  service_->stop();
  settle();
  EXPECT_EQ(stop(), 0);
  EXPECT_LT(clock_.now() - begin, 10'000);
  EXPECT_EQ(job(id).state, State::apply);

  start();
  ASSERT_TRUE(run_to_end(id));
  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_EQ(world_.inconsistency("dev-1", State::succeeded), "");
}

TEST_F(ServiceJob, LosingTheJobToANewerEpochStopsTheRunnerAtOnce) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "the build"));
  auto thief = schema::JobStore::open(database_, {});
  schema::Epoch other;
  other.boot_id = "boot-1";
  other.process_start = other.nonce = other.host = other.version = "other";
  other.started_at = clock_.now();
  const auto epoch = thief->begin_epoch(other);
  ASSERT_TRUE(thief
                  ->take_over(id, epoch, statemachine::Event::resume, State::prepare, 1, clock_.now(),
                              "recovery:" + std::to_string(epoch), "{}")
                  .has_value());
  const auto calls = world_.calls.size();
  world_.release();
  settle();
  clock_.advance(60'000);
  settle();

  EXPECT_EQ(world_.calls.size(), calls);
  EXPECT_EQ(job(id).epoch_id, epoch);
  EXPECT_EQ(job(id).state, State::prepare);
}

struct Case {
  std::string effect;
  Trouble trouble;
  int times;
  State end;
  std::string reason_code;  // at the end
};

std::ostream& operator<<(std::ostream& out, const Case& one) {
  return out << one.effect << " trouble " << static_cast<int>(one.trouble) << " times " << one.times;
}

class ServiceFailure : public ServiceFixture, public ::testing::WithParamInterface<Case> {};

TEST_P(ServiceFailure, EndsAsTheDesignSays) {
  const auto& one = GetParam();
  world_.faults = {{.effect = one.effect, .trouble = one.trouble, .times = one.times}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(to_string(job(id).state), to_string(one.end));
  EXPECT_EQ(job(id).reason_code, one.reason_code);
  EXPECT_EQ(job(id).message.empty(), one.reason_code.empty());
  EXPECT_EQ(world_.inconsistency("dev-1", one.end), "");
  EXPECT_EQ(history_fault(id), "");
  EXPECT_FALSE(job(id).down_since.has_value());
}

std::vector<Case> failure_cases() {
  std::vector<Case> cases;
  for (const auto* effect : {"admit", "build", "tag_old", "stop_old", "park_old", "start_new", "healthy"}) {
    const std::string name = effect;
    const bool touched = name != "admit" && name != "build" && name != "tag_old";
    const auto bad = [&](State untouched) { return touched ? State::rolled_back : untouched; };
    // Whatever may pass, passes.
    for (const auto trouble : {Trouble::transient, Trouble::unreachable, Trouble::unknown, Trouble::throws,
                               Trouble::see_unknown, Trouble::see_throws})
      cases.push_back({name, trouble, 2, State::succeeded, ""});
    if (name != "admit" && name != "healthy") cases.push_back({name, Trouble::lost, 1, State::succeeded, ""});
    cases.push_back({name, Trouble::permanent, 1, bad(State::failed), "scripted_permanent"});
    cases.push_back({name, Trouble::unsupported, 1, bad(State::rejected_unsupported), "scripted_unsupported"});
    cases.push_back({name, Trouble::stale, 1, bad(State::rejected_stale), "scripted_stale"});
    cases.push_back({name, Trouble::see_foreign, 1, bad(State::rejected_stale), "bottle_drifted"});
    // What never passes ends within the attempts, or past stop within the downtime budget.
    cases.push_back({name, Trouble::transient, always, bad(State::failed), "scripted_transient"});
    cases.push_back({name, Trouble::unreachable, always, bad(State::failed), "scripted_unreachable"});
    cases.push_back({name, Trouble::see_unknown, always, bad(State::failed), "backend_unreachable"});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(EveryStep, ServiceFailure, ::testing::ValuesIn(failure_cases()));

class ServiceRollback : public ServiceJob {
 protected:
  // A change that does not start, and one more fault on the way back.
  std::int64_t fail_and(const std::vector<Fault>& faults) {
    world_.faults = faults;
    world_.faults.push_back({.effect = "healthy", .trouble = Trouble::permanent, .times = always});
    start();
    return approve("dev-1");
  }
};

TEST_F(ServiceRollback, UndoesInReverseWhatWasDone) {
  const auto id = fail_and({});
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rolled_back);
  const std::vector<std::string> way_back(world_.calls.end() - 5, world_.calls.end());
  EXPECT_THAT(way_back, ElementsAre("dev-1 undo start_new", "dev-1 undo place_new", "dev-1 undo park_old",
                                    "dev-1 undo stop_old", "dev-1 perform old_runs"));
  EXPECT_EQ(job(id).reason_code, "scripted_permanent");
  EXPECT_EQ(json::parse(job(id).detail)["step"], "verify");
  EXPECT_EQ(world_.inconsistency("dev-1", State::rolled_back), "");
}

// An engine that ends takes its bottles down by itself, before any effect was tried.
TEST_F(ServiceRollback, BringsUpWhatWasDownBeforeTheStopWasTried) {
  world_.done["dev-1"].insert("stop_old");
  world_.faults = {{.effect = "stop_old", .trouble = Trouble::see_foreign}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rolled_back);
  EXPECT_THAT(calls_with("stop_old"), ElementsAre("dev-1 undo stop_old"));
  EXPECT_EQ(world_.inconsistency("dev-1", State::rolled_back), "");
}

class ServiceRollbackTrouble : public ServiceRollback, public ::testing::WithParamInterface<Trouble> {};

TEST_P(ServiceRollbackTrouble, IsSurvivedIfItPasses) {
  const auto id = fail_and({{.effect = "park_old", .trouble = GetParam(), .direction = Direction::undo, .times = 2}});
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rolled_back);
  EXPECT_EQ(world_.inconsistency("dev-1", State::rolled_back), "");
}

INSTANTIATE_TEST_SUITE_P(EveryKind, ServiceRollbackTrouble,
                         ::testing::Values(Trouble::transient, Trouble::unreachable, Trouble::unknown, Trouble::throws,
                                           Trouble::lost, Trouble::see_unknown, Trouble::see_throws));

TEST_F(ServiceRollback, SilentEngineIsTriedUntilItWorksWithAnAlert) {
  config_.service.max_downtime_s = 60;
  const auto id =
      fail_and({{.effect = "stop_old", .trouble = Trouble::see_unknown, .direction = Direction::undo, .times = 100}});
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(run_to_end(id));
  const auto log = ::testing::internal::GetCapturedStderr();

  EXPECT_EQ(job(id).state, State::rolled_back);
  EXPECT_EQ(job(id).reason_code, "scripted_permanent");
  EXPECT_THAT(log, HasSubstr("alert=1 job=1"));
  // A silent engine does not fill the history.
  EXPECT_LT(operator_->history(id, 0).size(), 60U);
}

TEST_F(ServiceRollback, DriftOnTheWayBackNeedsAttentionWithTheEvidence) {
  const auto id = fail_and({{.effect = "park_old", .trouble = Trouble::see_foreign, .direction = Direction::undo}});
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::needs_attention);
  EXPECT_EQ(job(id).interrupted, State::rollback);
  EXPECT_EQ(job(id).reason_code, "bottle_drifted");
  const auto detail = json::parse(job(id).detail);
  EXPECT_EQ(detail["cause"]["reason_code"], "scripted_permanent");
  EXPECT_EQ(detail["effect"], "park_old");
  EXPECT_TRUE(operator_->leftovers(id).empty());
}

TEST_F(ServiceRollback, AnswerThatSaysNeverNeedsAttention) {
  ::testing::internal::CaptureStderr();
  const auto id = fail_and({{.effect = "old_runs", .trouble = Trouble::permanent}});
  const bool ended = run_to_end(id);
  const auto log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(ended);

  EXPECT_EQ(job(id).state, State::needs_attention);
  EXPECT_EQ(job(id).reason_code, "scripted_permanent");
  EXPECT_THAT(log, HasSubstr("alert=1 job=1"));
}

TEST_F(ServiceRollback, BottleBehindAttentionIsKeptFromOtherJobs) {
  const auto id = fail_and({{.effect = "old_runs", .trouble = Trouble::permanent}});
  const auto next = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));
  settle();

  EXPECT_EQ(job(id).state, State::needs_attention);
  EXPECT_EQ(job(next).state, State::queued);
}

}  // namespace
}  // namespace rebottle::test
