// What people ask for: each request is answered once, and what it promises happens.
// Not here: the guards on the rows (schema).
#include "tests/support/service_fixture.hpp"

#include <gmock/gmock.h>

#include "tests/unit/schema/fixtures.hpp"

namespace rebottle::test {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using worker::Direction;
using worker::json;

constexpr int always = 1'000'000;

class RequestAnswer : public ServiceFixture {
 protected:
  // A job that is stuck in needs_attention because its rollback could not be proved.
  std::int64_t stuck(const std::string& bottle = "dev-1") {
    world_.faults = {{.effect = "healthy", .trouble = Trouble::permanent, .times = always},
                     {.effect = "old_runs", .trouble = Trouble::permanent}};
    start();
    const auto id = approve(bottle);
    EXPECT_TRUE(run_to(id, State::needs_attention));
    return id;
  }
};

struct CancelCase {
  std::string effect;  // hangs while the cancel comes
  Direction direction;
  State end;
  std::string outcome;
};

class RequestCancel : public RequestAnswer, public ::testing::WithParamInterface<CancelCase> {};

TEST_P(RequestCancel, EndsTheJobAtItsNextSafePoint) {
  const auto& one = GetParam();
  world_.faults = {{.effect = one.effect, .trouble = Trouble::hangs, .direction = one.direction}};
  if (one.direction == Direction::undo || one.effect == "old_runs")
    world_.faults.push_back({.effect = "healthy", .trouble = Trouble::permanent});
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, one.effect));
  const auto answer = answered(request("cancel", id));
  settle();  // the answer is in the database a moment before the job hears of it
  world_.release();
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(answer.outcome, one.outcome) << answer.message;
  EXPECT_EQ(to_string(job(id).state), to_string(one.end));
  if (one.outcome == "done") {
    EXPECT_EQ(job(id).reason_code, "cancelled");
    EXPECT_THAT(job(id).message, HasSubstr("bob"));
  }
  EXPECT_EQ(world_.inconsistency("dev-1", one.end), "");
  EXPECT_EQ(history_fault(id), "");
}

INSTANTIATE_TEST_SUITE_P(EveryStep, RequestCancel,
                         ::testing::Values(CancelCase{"admit", Direction::forward, State::cancelled, "done"},
                                           CancelCase{"build", Direction::forward, State::cancelled, "done"},
                                           CancelCase{"create_new", Direction::forward, State::cancelled, "done"},
                                           CancelCase{"tag_old", Direction::forward, State::cancelled, "done"},
                                           CancelCase{"stop_old", Direction::forward, State::rolled_back, "done"},
                                           CancelCase{"park_old", Direction::forward, State::rolled_back, "done"},
                                           CancelCase{"place_new", Direction::forward, State::rolled_back, "done"},
                                           CancelCase{"start_new", Direction::forward, State::rolled_back, "done"},
                                           CancelCase{"healthy", Direction::forward, State::rolled_back, "done"},
                                           CancelCase{"park_old", Direction::undo, State::rolled_back, "refused"},
                                           CancelCase{"old_runs", Direction::forward, State::rolled_back, "refused"}));

TEST_F(RequestAnswer, CancelAbandonsAnInterruptibleEffectAtOnce) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs, .times = always}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "the build"));
  request("cancel", id);
  ASSERT_TRUE(run_to_end(id));  // nobody releases the build

  EXPECT_EQ(job(id).state, State::cancelled);
  EXPECT_EQ(world_.running, 0);
}

TEST_F(RequestAnswer, CancelEndsARetryPause) {
  config_.service.pause_first_ms = 3'600'000;
  config_.service.pause_max_ms = 3'600'000;
  world_.faults = {{.effect = "tag_old", .trouble = Trouble::transient, .times = always}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return job(id).retry_at.has_value(); }, "the pause"));
  clock_moves_ = false;
  request("cancel", id);
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::cancelled);
}

TEST_F(RequestAnswer, CancelOfAQueuedJobEndsItUnclaimed) {
  start();
  const auto id =
      approve("dev-1", [&](schema::Approval& approval) { approval.scheduled_at = clock_.now() + 3'600'000; });
  clock_moves_ = false;
  const auto answer = answered(request("cancel", id));

  EXPECT_EQ(answer.outcome, "done");
  EXPECT_EQ(job(id).state, State::cancelled);
  EXPECT_EQ(job(id).fence, 0);
}

TEST_F(RequestAnswer, CancelOfAFinalJobIsTooLateAndRecorded) {
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));
  const auto rows = operator_->history(id, 0).size();
  const auto answer = answered(request("cancel", id));

  EXPECT_EQ(answer.outcome, "refused");
  EXPECT_THAT(answer.message, HasSubstr("too late"));
  EXPECT_EQ(operator_->history(id, 0).size(), rows + 1);
  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(RequestAnswer, CancelOfAJobThatNeedsAttentionNamesTheWayOut) {
  const auto id = stuck();
  const auto answer = answered(request("cancel", id));

  EXPECT_EQ(answer.outcome, "refused");
  EXPECT_THAT(answer.message, HasSubstr("retry, rollback or resolve"));
}

TEST_F(RequestAnswer, CancelSurvivesACrash) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "apply"));
  EXPECT_EQ(answered(request("cancel", id)).outcome, "done");
  crash();
  start();
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::rolled_back);
  EXPECT_EQ(job(id).reason_code, "cancelled");
}

TEST_F(RequestAnswer, RetryGoesOnWithTheInterruptedStepAndKeepsTheCause) {
  const auto id = stuck();
  const auto answer = answered(request("retry", id));
  ASSERT_TRUE(run_to(id, State::rolled_back));

  EXPECT_EQ(answer.outcome, "done");
  EXPECT_EQ(job(id).reason_code, "scripted_permanent");
  EXPECT_EQ(json::parse(job(id).detail)["step"], "verify");
  EXPECT_EQ(world_.inconsistency("dev-1", State::rolled_back), "");
  EXPECT_TRUE(run_until([&] { return !world_.removed.empty(); }, "the sweep"));
}

TEST_F(RequestAnswer, RollbackOfAJobThatNeedsAttention) {
  const auto id = stuck();
  const auto answer = answered(request("rollback", id));
  ASSERT_TRUE(run_to(id, State::rolled_back));

  EXPECT_EQ(answer.outcome, "done");
}

TEST_F(RequestAnswer, RetryOfAFinalJobIsANewJob) {
  world_.faults = {{.effect = "build", .trouble = Trouble::permanent}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));
  EXPECT_EQ(job(id).state, State::failed);
  const auto answer = answered(request("retry", id));
  ASSERT_EQ(answer.outcome, "done");
  const auto next = json::parse(answer.answer)["job_id"].get<std::int64_t>();
  ASSERT_TRUE(run_to_end(next));

  EXPECT_EQ(job(next).run, 2);
  EXPECT_EQ(job(next).state, State::succeeded);
}

TEST_F(RequestAnswer, RetryOfASucceededJobCarriesTheApprovalOutAgain) {
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));
  EXPECT_EQ(job(id).state, State::succeeded);
  const auto answer = answered(request("retry", id));
  ASSERT_EQ(answer.outcome, "done");

  EXPECT_EQ(job(json::parse(answer.answer)["job_id"].get<std::int64_t>()).run, 2);
}

TEST_F(RequestAnswer, RetryOfAResolvedJobIsANewJob) {
  const auto id = stuck();
  EXPECT_EQ(answered(request("resolve", id, R"({"outcome":"restored","reason":"looked at it"})")).outcome, "done");
  const auto answer = answered(request("retry", id));
  ASSERT_EQ(answer.outcome, "done");

  EXPECT_EQ(job(json::parse(answer.answer)["job_id"].get<std::int64_t>()).run, 2);
}

TEST_F(RequestAnswer, RetryOfAnExpiredApprovalIsRefused) {
  world_.faults = {{.effect = "build", .trouble = Trouble::permanent}};
  start();
  const auto id = approve("dev-1", [&](schema::Approval& approval) { approval.expires_at = clock_.now() + 3'600'000; });
  ASSERT_TRUE(run_to_end(id));
  clock_.advance(3'600'000);
  const auto answer = answered(request("retry", id));

  EXPECT_EQ(answer.outcome, "refused");
  EXPECT_THAT(answer.message, HasSubstr("expired"));
}

TEST_F(RequestAnswer, RetryAndRollbackOfARunningJobAreRefusedWithTheWayOut) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "the build"));

  EXPECT_EQ(answered(request("retry", id)).outcome, "refused");
  const auto answer = answered(request("rollback", id));
  EXPECT_EQ(answer.outcome, "refused");
  EXPECT_THAT(answer.message, HasSubstr("cancel"));
}

TEST_F(RequestAnswer, ResolveRecordsTheObservation) {
  const auto id = stuck();
  const auto answer = answered(request("resolve", id, R"({"outcome":"restored","reason":"looked at it"})"));

  EXPECT_EQ(answer.outcome, "done");
  EXPECT_EQ(job(id).state, State::resolved);
  EXPECT_EQ(json::parse(answer.answer)["observed"]["stop_old"]["world"], "absent");
  const auto row = operator_->history(id, 0).back();
  EXPECT_EQ(row.event, "resolve");
  EXPECT_EQ(row.actor, "bob");
  EXPECT_EQ(json::parse(row.data)["reason"], "looked at it");
  EXPECT_THAT(operator_->leftovers(id), Not(IsEmpty()));
}

TEST_F(RequestAnswer, ResolveIsRefusedWhileTwoAgentsRun) {
  const auto id = stuck();
  world_.done["dev-1"].insert("start_new");  // somebody started the new one by hand, beside the old one
  const auto answer = answered(request("resolve", id, R"({"outcome":"changed","reason":"fine"})"));

  EXPECT_EQ(answer.outcome, "refused");
  EXPECT_THAT(answer.message, HasSubstr("Two agents"));
  EXPECT_EQ(job(id).state, State::needs_attention);
}

TEST_F(RequestAnswer, ResolveOfAHealthyJobIsRefused) {
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(answered(request("resolve", id, R"({"outcome":"changed","reason":"fine"})")).outcome, "refused");
}

TEST_F(RequestAnswer, FreezeKeepsQueuedJobsUntilItIsLifted) {
  start();
  EXPECT_EQ(answered(request_on("freeze", "docker", "dev-1", R"({"reason":"audit"})")).outcome, "done");
  const auto held = approve("dev-1");
  const auto free = approve("dev-2");
  ASSERT_TRUE(run_to_end(free));
  settle();
  EXPECT_EQ(job(held).state, State::queued);

  EXPECT_EQ(answered(request_on("unfreeze", "docker", "dev-1", "{}")).outcome, "done");
  ASSERT_TRUE(run_to_end(held));
  EXPECT_EQ(job(held).state, State::succeeded);
}

TEST_F(RequestAnswer, FreezeHoldsAJobBeforeTheStopAndLooksAgainAfterwards) {
  world_.faults = {{.effect = "tag_old", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "snapshot"));
  EXPECT_EQ(answered(request_on("freeze", "", "", R"({"reason":"audit"})")).outcome, "done");
  world_.release();
  settle();
  clock_.advance(3'600'000);
  settle();
  EXPECT_EQ(job(id).state, State::snapshot);
  const auto looks = world_.observations.size();

  EXPECT_EQ(answered(request_on("unfreeze", "", "", "{}")).outcome, "done");
  ASSERT_TRUE(run_to_end(id));
  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_THAT(std::vector(world_.observations.begin() + static_cast<std::ptrdiff_t>(looks), world_.observations.end()),
              Contains("dev-1 observe tag_old"));
}

TEST_F(RequestAnswer, FrozenJobsTakeNoPlaceOfTheirBackend) {
  world_.concurrency = 1;
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs}};
  start();
  const auto held = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "prepare"));
  EXPECT_EQ(answered(request_on("freeze", "docker", "dev-1", R"({"reason":"audit"})")).outcome, "done");
  world_.release();
  ASSERT_TRUE(run_to_end(approve("dev-2")));
  EXPECT_EQ(job(held).state, State::prepare);

  // After the thaw it waits until the place is free again.
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs}};
  world_.hanging = true;
  const auto next = approve("dev-3");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "dev-3 in prepare"));
  EXPECT_EQ(answered(request_on("unfreeze", "docker", "dev-1", "{}")).outcome, "done");
  settle();
  EXPECT_EQ(job(held).state, State::prepare);
  world_.release();
  ASSERT_TRUE(run_to_end(held));
  ASSERT_TRUE(run_to_end(next));
  EXPECT_EQ(job(held).state, State::succeeded);
}

TEST_F(RequestAnswer, FreezePastTheStopLetsTheJobFinish) {
  world_.faults = {{.effect = "stop_old", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "stop"));
  EXPECT_EQ(answered(request_on("freeze", "", "", R"({"reason":"audit"})")).outcome, "done");
  world_.release();
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(RequestAnswer, FreezeEndsByItself) {
  start();
  const auto until = clock_.now() + 600'000;
  const json args{{"reason", "night"}, {"expires_at", until}};
  EXPECT_EQ(answered(request_on("freeze", "docker", "", args.dump())).outcome, "done");
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_GE(*job(id).claimed_at, until);
  EXPECT_EQ(schema::testing::Foreign(database_).value("SELECT lifted_at = expires_at FROM freezes"), "1");
}

TEST_F(RequestAnswer, FrozenJobCanBeCancelledAndDrained) {
  world_.faults = {{.effect = "build", .trouble = Trouble::hangs, .times = 2}};
  start();
  const auto id = approve("dev-1");
  const auto other = approve("dev-2");
  ASSERT_TRUE(run_until([&] { return world_.running == 2; }, "both builds"));
  EXPECT_EQ(answered(request_on("freeze", "", "", R"({"reason":"audit"})")).outcome, "done");
  world_.release();
  settle();
  EXPECT_EQ(answered(request("cancel", id)).outcome, "done");
  ASSERT_TRUE(run_to(id, State::cancelled));

  EXPECT_EQ(stop(), 0);
  EXPECT_FALSE(statemachine::is_final(job(other).state));
}

TEST_F(RequestAnswer, UnfreezeThatMatchesNothingIsRefused) {
  start();
  EXPECT_EQ(answered(request_on("unfreeze", "docker", "dev-1", "{}")).outcome, "refused");
}

// SQLite reads the first of two equal keys, and no escapes in their names: its guards let such rows pass.
TEST_F(RequestAnswer, RowThatReadersUnderstandDifferentlyIsRefusedAndEndsNothing) {
  start();
  std::vector<std::int64_t> taken;
  const auto offer = [&](const std::string& kind, const std::string& args) {
    try {
      taken.push_back(request_on(kind, "docker", "dev-1", args));
    } catch (const std::exception&) {
      // The database's own guard was enough.
    }
  };
  offer("freeze", R"({"reason":"x","reason":5})");
  offer("freeze", R"({"reason":"x","\u0072eason":5})");
  offer("freeze", "{\"reason\":\"caf\xe9\"}");
  offer("freeze", R"({"reason":"x","expires_at":18446744073709551615})");
  offer("plan", R"({"kind":"capability_block","kind":7,"args":{"change":{"image":"a"}}})");
  offer("plan", R"({"\u006bind":7,"args":{"change":{"image":"a"}}})");
  offer("undo", R"({"plan":true,"plan":"no"})");
  ASSERT_THAT(taken, Not(IsEmpty()));
  for (const auto id : taken) {
    const auto answer = answered(id);
    EXPECT_EQ(answer.outcome, "refused") << id << answer.message;
    EXPECT_THAT(answer.message, HasSubstr("args"));
  }

  EXPECT_THAT(operator_->freezes(clock_.now()), IsEmpty());
  ASSERT_TRUE(run_to_end(approve("dev-1")));
}

TEST_F(RequestAnswer, PlanTellsWhatWouldHappenAndTouchesNothing) {
  start();
  const json args{{"kind", "capability_block"}, {"args", {{"change", {{"image", "busybox"}}}}}};
  const auto answer = answered(request_on("plan", "docker", "dev-1", args.dump()));

  EXPECT_EQ(answer.outcome, "done");
  const auto plan = json::parse(answer.answer);
  EXPECT_TRUE(plan["possible"].get<bool>());
  EXPECT_EQ(plan["makes"], json({"a new dev-1"}));
  EXPECT_EQ(plan["irreversible"], json({"process memory"}));
  EXPECT_THAT(world_.calls, IsEmpty());
}

TEST_F(RequestAnswer, PlanOfAJob) {
  start();
  const auto id =
      approve("dev-7", [&](schema::Approval& approval) { approval.scheduled_at = clock_.now() + 3'600'000; });
  clock_moves_ = false;
  const auto answer = answered(request("plan", id));

  EXPECT_EQ(json::parse(answer.answer)["makes"], json({"a new dev-7"}));
}

TEST_F(RequestAnswer, PlanNamesTheRefusalThatTheJobWouldEndWith) {
  start();
  const json good{{"kind", "capability_block"}, {"args", {{"change", {{"image", "busybox"}}}}}};
  const json bad{{"kind", "capability_block"}, {"args", {{"change", {{"image", "busybox"}}}, {"colour", "red"}}}};
  const json kind{{"kind", "coffee"}, {"args", {{"change", {{"image", "busybox"}}}}}};
  const auto reason = [&](const std::string& backend, const json& args) {
    const auto plan = json::parse(answered(request_on("plan", backend, "dev-1", args.dump())).answer);
    EXPECT_FALSE(plan["possible"].get<bool>());
    return plan["reason_code"].get<std::string>();
  };

  EXPECT_EQ(reason("lxc", good), "backend_unknown");
  EXPECT_EQ(reason("smolmachines", good), "backend_absent");
  EXPECT_EQ(reason("docker", kind), "kind_unsupported");
  const auto coffee = approve("dev-1", [](schema::Approval& approval) { approval.kind = "coffee"; });
  ASSERT_TRUE(run_to_end(coffee));
  const auto plan = json::parse(answered(request_on("plan", "docker", "dev-1", kind.dump())).answer);
  EXPECT_EQ(plan["message"], job(coffee).message);
  EXPECT_EQ(plan["detail"], json::parse(job(coffee).detail));
  EXPECT_EQ(reason("docker", bad), "args_invalid");
  world_.supported = false;
  clock_.advance(60'000);
  EXPECT_EQ(reason("docker", good), "backend_too_old");
}

TEST_F(RequestAnswer, FloodIsAnsweredByThePageAndHoldsNoClaimUp) {
  start();
  ASSERT_TRUE(run_until([&] { return service_->serving(); }, "ready"));
  EXPECT_EQ(stop(), 0);
  schema::testing::Foreign foreign(database_);
  foreign.run(
      "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO approvals "
      "(approval_id, kind, backend, bottle, args, approved_by, scheduled_at) SELECT 'flood-' || i, 'capability_block', "
      "'docker', 'f' || i, '{\"change\":{\"image\":\"i\"}}', 'alice', " +
      std::to_string(clock_.now() + 3'600'000) +
      " FROM n; INSERT INTO requests (kind, job_id, requested_by) SELECT 'cancel', job_id, 'bob' FROM jobs; COMMIT");
  const auto id = approve("dev-1");
  const auto unanswered = [&] { return foreign.value("SELECT count(*) FROM requests WHERE answered_at IS NULL"); };
  start();
  ASSERT_TRUE(run_until([&] { return job(id).state != State::queued; }, "the claim"));
  EXPECT_NE(unanswered(), "0");
  ASSERT_TRUE(run_until([&] { return unanswered() == "0"; }, "the last answer"));
  EXPECT_EQ(foreign.value("SELECT count(*) FROM jobs WHERE state = 'cancelled'"), "500");
  EXPECT_LT(store_faults_.transactions, 150);
}

TEST_F(RequestAnswer, PlansThatWaitForASilentEngineHoldNoOtherRequestUp) {
  world_.plan_hangs = true;
  start();
  const json args{{"kind", "capability_block"}, {"args", {{"change", {{"image", "busybox"}}}}}};
  std::vector<std::int64_t> plans;
  for (int i = 0; i < 20; ++i) plans.push_back(request_on("plan", "docker", "dev-1", args.dump()));
  ASSERT_TRUE(run_until([&] { return world_.plans == 8; }, "as many as are looked at together"));
  clock_moves_ = false;
  EXPECT_EQ(answered(request_on("freeze", "docker", "dev-1", R"({"reason":"audit"})")).outcome, "done");
  EXPECT_EQ(world_.plans, 8);
  world_.plan_hangs = false;
  world_.released.notify();
  for (const auto plan : plans) EXPECT_EQ(answered(plan).outcome, "done");
}

TEST_F(RequestAnswer, RequestThatBreaksDuringTheDrainDoesNotEndIt) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::hangs}};
  world_.plan_hangs = world_.plan_throws = true;
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "apply"));
  const json args{{"kind", "capability_block"}, {"args", {{"change", {{"image", "busybox"}}}}}};
  const auto plan = request_on("plan", "docker", "dev-2", args.dump());
  ASSERT_TRUE(run_until([&] { return world_.plans == 1; }, "the plan"));
  service_->stop();
  world_.plan_hangs = false;
  world_.released.notify();
  settle();
  world_.release();
  ASSERT_TRUE(run_until([&] { return exit_code_.has_value(); }, "the end"));

  EXPECT_EQ(exit_code_, 0);
  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_EQ(operator_->request_answer(plan)->outcome, "");
  world_.plan_throws = false;
  start();
  EXPECT_EQ(answered(plan).outcome, "done");
}

TEST_F(RequestAnswer, RequestsThatWaitedForTheServiceAreAnsweredOnceAtItsStart) {
  start();
  const auto id =
      approve("dev-1", [&](schema::Approval& approval) { approval.scheduled_at = clock_.now() + 3'600'000; });
  ASSERT_TRUE(run_until([&] { return service_->serving(); }, "ready"));
  EXPECT_EQ(stop(), 0);
  const auto first = request("cancel", id);
  const auto second = request("cancel", id);
  start();

  EXPECT_EQ(answered(first).outcome, "done");
  const auto late = answered(second);
  EXPECT_EQ(late.outcome, "done");
  EXPECT_THAT(late.message, HasSubstr("already cancelled"));
  const auto answered_at = late.answered_at;
  settle();
  EXPECT_EQ(operator_->request_answer(second)->answered_at, answered_at);
}

}  // namespace
}  // namespace rebottle::test
