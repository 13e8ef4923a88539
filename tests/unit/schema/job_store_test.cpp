// The service's store: claims, owners, progress, leftovers, capabilities, transactions.
// Not here: requests (job_store_requests_test.cpp), guards against foreigners, the file and its faults.
#include "schema/job_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store_fixture.hpp"

namespace rebottle::schema {
namespace {

using statemachine::Direction;
using statemachine::Event;
using statemachine::Journal;
using statemachine::State;
using testing::approval_of;
using ::testing::ElementsAre;
using testing::epoch_of;
using testing::Foreign;
using ::testing::IsEmpty;

class JobStoreTest : public testing::StoreTest {
 protected:
  std::vector<std::int64_t> claimable(Milliseconds now, const std::vector<ClaimLimits::Slot>& slots) {
    std::vector<std::int64_t> ids;
    for (const auto& job : store_->claimable(now, {slots})) ids.push_back(job.job_id);
    return ids;
  }
};

constexpr Milliseconds far = 4'000'000'000'000;

TEST_F(JobStoreTest, ClaimGivesTheWholeJobToTheEpoch) {
  auto approval = approval_of("one");
  approval.priority = 3;
  approval.expires_at = far;
  approval.justification = "because";
  approval.meta = R"({"a":1})";
  const auto job_id = enqueue(approval);
  const auto job = store_->claim(job_id, epoch_, "container:dev-1", 20, "worker:1");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, State::prepare);
  EXPECT_EQ(job->approval.args, approval.args);
  EXPECT_EQ(job->approval.approved_by, "alice");
  EXPECT_EQ(job->approval.priority, 3);
  EXPECT_EQ(job->approval.expires_at, far);
  EXPECT_EQ(job->approval.justification, "because");
  EXPECT_EQ(job->approval.meta, R"({"a":1})");
  EXPECT_EQ(job->target, "container:dev-1");
  EXPECT_EQ(job->epoch_id, epoch_);
  EXPECT_GT(job->fence, 0);
  EXPECT_EQ(job->attempt, 1);
  EXPECT_EQ(job->claimed_at, 20);
  EXPECT_EQ(job->run, 1);
  const auto history = people_->history(job_id, 1);
  ASSERT_EQ(history.size(), 1U);
  EXPECT_EQ(history[0].event, "claim");
  EXPECT_EQ(history[0].from_state, "queued");
  EXPECT_EQ(history[0].to_state, "prepare");
  EXPECT_EQ(history[0].actor, "worker:1");
  EXPECT_EQ(history[0].at, 20);
}

TEST_F(JobStoreTest, ClaimableFollowsPriorityThenScheduleThenAge) {
  std::vector<std::int64_t> ids;
  int n = 0;
  for (const auto& [priority, scheduled_at] : std::vector<std::pair<std::int64_t, Milliseconds>>{
           {0, 0}, {5, 0}, {-5, 1'000'000'000'001}, {-5, 1'000'000'000'000}, {0, 0}}) {
    auto approval = approval_of("p" + std::to_string(n), "b" + std::to_string(n));
    approval.priority = priority;
    approval.scheduled_at = scheduled_at;
    ids.push_back(enqueue(approval));
    ++n;
  }
  EXPECT_THAT(claimable(far, {{"docker", 9}}), ElementsAre(ids[3], ids[2], ids[0], ids[4], ids[1]));
}

TEST_F(JobStoreTest, ClaimableWaitsForTheSchedule) {
  auto approval = approval_of("later");
  approval.scheduled_at = far;
  const auto job_id = enqueue(approval);
  EXPECT_THAT(claimable(far - 1, {{"docker", 9}}), IsEmpty());
  EXPECT_EQ(store_->next_due(far - 1), far);
  EXPECT_THAT(claimable(far, {{"docker", 9}}), ElementsAre(job_id));
  EXPECT_EQ(store_->next_due(far), std::nullopt);
}

TEST_F(JobStoreTest, ClaimableOffersOneJobPerBottle) {
  const auto first = enqueue(approval_of("one", "b"));
  const auto second = enqueue(approval_of("two", "b"));
  auto urgent = approval_of("three", "b");
  urgent.priority = -1;
  const auto third = enqueue(urgent);
  const auto other_backend = enqueue(approval_of("four", "b", "podman"));
  EXPECT_THAT(claimable(far, {{"docker", 9}, {"podman", 9}}), ElementsAre(third, other_backend));
  EXPECT_EQ(people_->job(first)->blocked_by, third);
  EXPECT_EQ(people_->job(second)->blocked_by, third);
  EXPECT_EQ(people_->job(third)->blocked_by, std::nullopt);

  const auto job = claim(third);
  EXPECT_THAT(claimable(far, {{"docker", 9}, {"podman", 0}}), IsEmpty());
  EXPECT_EQ(people_->job(first)->blocked_by, third);
  move(job, Event::step_failed, State::failed);
  EXPECT_THAT(claimable(far, {{"docker", 9}, {"podman", 0}}), ElementsAre(first));
}

TEST_F(JobStoreTest, ClaimableWaitsBehindNeedsAttention) {
  const auto first = enqueue(approval_of("one", "b"));
  const auto second = enqueue(approval_of("two", "b"));
  lead_to_attention(first, State::apply);
  EXPECT_THAT(claimable(far, {{"docker", 9}}), IsEmpty());
  EXPECT_EQ(people_->job(second)->blocked_by, first);
  EXPECT_EQ(store_->claim(second, epoch_, "another name", 30, "w").error(), StoreErrc::target_held);
}

TEST_F(JobStoreTest, AnEarlierJobThatIsNotDueBlocksNobody) {
  auto later = approval_of("later", "b");
  later.scheduled_at = far;
  enqueue(later);
  const auto now = enqueue(approval_of("now", "b"));
  EXPECT_THAT(claimable(far - 1, {{"docker", 9}}), ElementsAre(now));
}

TEST_F(JobStoreTest, ClaimableKeepsToTheFreeSlots) {
  std::vector<std::int64_t> docker;
  for (int n = 0; n < 4; ++n) docker.push_back(enqueue(approval_of("d" + std::to_string(n), "b" + std::to_string(n))));
  const auto podman = enqueue(approval_of("p", "b", "podman"));
  EXPECT_THAT(claimable(10, {{"docker", 2}, {"podman", 1}}), ElementsAre(docker[0], docker[1], podman));
  EXPECT_THAT(claimable(10, {{"docker", 0}, {"podman", 0}}), IsEmpty());
}

TEST_F(JobStoreTest, AnUnknownBackendIsOfferedAKnownOneMustBeListed) {
  const auto unknown = enqueue(approval_of("u", "b", "kubernetes"));
  const auto absent = enqueue(approval_of("a", "b", "podman"));
  EXPECT_THAT(claimable(10, {{"docker", 1}}), ElementsAre(unknown, absent));
  store_->record_capabilities("podman", {{"podman", "capability_block", false, "", "backend_absent", "m", "{}", 5}});
  EXPECT_THAT(claimable(10, {{"docker", 1}}), ElementsAre(unknown));
  EXPECT_THAT(claimable(10, {{"docker", 1}, {"podman", 1}}), ElementsAre(unknown, absent));
}

TEST_F(JobStoreTest, AFreezeHidesItsScopeUntilItEndsOrIsLifted) {
  const auto a = enqueue(approval_of("a", "a"));
  const auto b = enqueue(approval_of("b", "b"));
  const auto p = enqueue(approval_of("p", "a", "podman"));
  const std::vector<ClaimLimits::Slot> slots{{"docker", 9}, {"podman", 9}};
  store_->add_freeze({0, "docker", "a", "audit", "bob", 10, 100});
  EXPECT_THAT(claimable(50, slots), ElementsAre(b, p));
  EXPECT_EQ(store_->next_due(50), 100);
  EXPECT_THAT(claimable(100, slots), ElementsAre(a, b, p));
  store_->add_freeze({0, "docker", "", "audit", "bob", 10, {}});
  EXPECT_THAT(claimable(100, slots), ElementsAre(p));
  store_->add_freeze({0, "", "", "fire", "eve", 10, {}});
  EXPECT_THAT(claimable(100, slots), IsEmpty());
  EXPECT_EQ(people_->job(p)->frozen_by, "eve: fire");
  EXPECT_EQ(store_->freezes(100).size(), 2U);
  EXPECT_EQ(people_->freezes(100).size(), 2U);
  EXPECT_EQ(store_->lift_freezes("docker", "a", 110), 0);
  EXPECT_EQ(store_->lift_freezes("", "", 110), 1);
  EXPECT_EQ(store_->lift_freezes("docker", "", 110), 1);
  EXPECT_THAT(claimable(110, slots), ElementsAre(a, b, p));
  EXPECT_EQ(people_->job(p)->frozen_by, std::nullopt);
}

TEST_F(JobStoreTest, ClaimIsRefusedWhereTheWorldMovedOn) {
  const auto first = enqueue(approval_of("one", "a"));
  const auto second = enqueue(approval_of("two", "alias-of-a"));
  EXPECT_EQ(store_->claim(99, epoch_, "t", 20, "w").error(), StoreErrc::not_found);
  ASSERT_TRUE(store_->claim(first, epoch_, "t", 20, "w"));
  EXPECT_EQ(store_->claim(first, epoch_, "t", 20, "w").error(), StoreErrc::ownership_lost);
  EXPECT_EQ(store_->claim(second, epoch_, "t", 20, "w").error(), StoreErrc::target_held);
  store_->begin_epoch(epoch_of("second"));
  EXPECT_EQ(store_->claim(second, epoch_, "u", 20, "w").error(), StoreErrc::ownership_lost);
  EXPECT_THAT(events(second), ElementsAre("enqueued"));
}

TEST_F(JobStoreTest, EveryClaimAndEpochHasAHigherFence) {
  const auto first = claim(enqueue(approval_of("one", "a")));
  const auto second = claim(enqueue(approval_of("two", "b")));
  EXPECT_GT(second.fence, first.fence);
  epoch_ = store_->begin_epoch(epoch_of("second"));
  const auto third = claim(enqueue(approval_of("three", "c")));
  EXPECT_GT(third.fence, second.fence + 1);
}

TEST_F(JobStoreTest, EndQueuedRefusesExpiresAndCancels) {
  const std::vector<std::pair<Event, State>> ends{{Event::unsupported, State::rejected_unsupported},
                                                  {Event::stale, State::rejected_stale},
                                                  {Event::cancel, State::cancelled}};
  for (const auto& [event, to] : ends) {
    const auto job_id = enqueue(approval_of(std::string(to_string(event)), std::string(to_string(event))));
    ASSERT_TRUE(store_->end_queued(job_id, event, 40, "worker:1", "why", "because", R"({"missing":"x"})"));
    const auto job = store_->job(job_id).value();
    EXPECT_EQ(job.state, to);
    EXPECT_EQ(job.reason_code, "why");
    EXPECT_EQ(job.message, "because");
    EXPECT_EQ(job.detail, R"({"missing":"x"})");
    EXPECT_EQ(job.finalized_at, 40);
    EXPECT_EQ(store_->end_queued(job_id, event, 41, "w", "", "", "{}").error(), StoreErrc::ownership_lost);
  }
  const auto job_id = enqueue(approval_of("x", "x"));
  EXPECT_EQ(store_->end_queued(job_id, Event::claim, 40, "w", "", "", "{}").error(), StoreErrc::conflict);
  EXPECT_EQ(store_->end_queued(job_id, Event::step_done, 40, "w", "", "", "{}").error(), StoreErrc::conflict);
  EXPECT_EQ(store_->end_queued(99, Event::cancel, 40, "w", "", "", "{}").error(), StoreErrc::not_found);
}

TEST_F(JobStoreTest, AdvanceWritesResultTransitionAndNextIntentTogether) {
  auto job = claim(enqueue(approval_of("one")));
  auto advance = advance_of(job);
  advance.intent = Advance::Intent{Direction::forward, "inspect", State::prepare};
  job = store_->advance(advance).value();
  EXPECT_THAT(events(job.job_id), ElementsAre("enqueued", "claim"));  // an intent alone is no history
  auto journal = store_->journal(job.job_id);
  ASSERT_EQ(journal.size(), 1U);
  EXPECT_EQ(journal[0].status, Journal::open);
  EXPECT_EQ(journal[0].tries, 1);
  EXPECT_EQ(journal[0].result, "{}");

  advance = advance_of(job, 35);
  advance.finished =
      Advance::EffectResult{Direction::forward, "inspect", "done", R"({"id":"x"})", R"({"text":"looked"})"};
  advance.move = move_of(Event::step_done, State::snapshot);
  advance.move->data = R"({"took_ms":5})";
  advance.intent = Advance::Intent{Direction::forward, "tag", State::snapshot};
  advance.note = "by the way";
  job = store_->advance(advance).value();
  EXPECT_EQ(job.state, State::snapshot);
  journal = store_->journal(job.job_id);
  ASSERT_EQ(journal.size(), 2U);
  EXPECT_EQ(journal[0].effect, "inspect");
  EXPECT_EQ(journal[0].status, Journal::closed);
  EXPECT_EQ(journal[0].result, R"({"id":"x"})");
  EXPECT_EQ(journal[1].effect, "tag");
  EXPECT_EQ(journal[1].step, State::snapshot);
  EXPECT_EQ(journal[1].status, Journal::open);
  EXPECT_THAT(events(job.job_id), ElementsAre("enqueued", "claim", "effect", "note", "step_done"));
  const auto history = people_->history(job.job_id, 2);
  EXPECT_EQ(history[0].data,
            R"({"effect":"inspect","direction":"forward","outcome":"done","summary":{"text":"looked"}})");
  EXPECT_EQ(history[1].data, R"({"note":"by the way"})");
  EXPECT_EQ(history[2].data, R"({"took_ms":5})");
  EXPECT_EQ(history[2].at, 35);
}

TEST_F(JobStoreTest, OnlyAProvedEffectClosesItsIntent) {
  const auto job = claim(enqueue(approval_of("one")));
  for (const std::string outcome : {"failed", "unknown", "done"}) {
    auto advance = advance_of(job);
    advance.intent = Advance::Intent{Direction::forward, "build", State::prepare};
    ASSERT_TRUE(store_->advance(advance));
    advance = advance_of(job);
    advance.finished = Advance::EffectResult{Direction::forward, "build", outcome, R"({"image":"i"})", "{}"};
    ASSERT_TRUE(store_->advance(advance));
    const auto row = store_->journal(job.job_id).at(0);
    EXPECT_EQ(row.status, outcome == "done" ? Journal::closed : Journal::open) << outcome;
    EXPECT_EQ(row.result, outcome == "done" ? R"({"image":"i"})" : "{}") << outcome;
  }
  EXPECT_EQ(store_->journal(job.job_id).at(0).tries, 3);
}

TEST_F(JobStoreTest, AnEffectThatIsFoundDoneIsAdoptedWithoutATry) {
  const auto job = claim(enqueue(approval_of("one")));
  auto advance = advance_of(job);
  advance.finished = Advance::EffectResult{Direction::forward, "stop", "adopted", R"({"at":1})", ""};
  ASSERT_TRUE(store_->advance(advance));
  advance.finished = Advance::EffectResult{Direction::forward, "check", "failed", "", ""};
  ASSERT_TRUE(store_->advance(advance));
  const auto journal = store_->journal(job.job_id);
  ASSERT_EQ(journal.size(), 1U);
  EXPECT_EQ(journal[0].effect, "stop");
  EXPECT_EQ(journal[0].status, Journal::closed);
  EXPECT_EQ(journal[0].tries, 0);
}

TEST_F(JobStoreTest, DirectionsHaveJournalRowsOfTheirOwn) {
  auto job = lead(enqueue(approval_of("one")), State::stop);
  auto advance = advance_of(job);
  advance.finished = Advance::EffectResult{Direction::forward, "stop", "done", R"({"a":1})", ""};
  advance.move = move_of(Event::step_failed, State::rollback);
  advance.intent = Advance::Intent{Direction::undo, "stop", State::stop};
  job = store_->advance(advance).value();
  const auto journal = store_->journal(job.job_id);
  ASSERT_EQ(journal.size(), 2U);
  EXPECT_EQ(journal[0].direction, Direction::forward);
  EXPECT_EQ(journal[0].status, Journal::closed);
  EXPECT_EQ(journal[1].direction, Direction::undo);
  EXPECT_EQ(journal[1].status, Journal::open);
}

TEST_F(JobStoreTest, AdvanceIsRefusedToWhoeverBelievesSomethingElse) {
  const auto job = claim(enqueue(approval_of("one")));
  auto old_fence = advance_of(job);
  old_fence.fence = job.fence - 1;
  old_fence.note = "x";
  EXPECT_EQ(store_->advance(old_fence).error(), StoreErrc::ownership_lost);
  auto other_state = advance_of(job);
  other_state.state = State::snapshot;
  other_state.note = "x";
  EXPECT_EQ(store_->advance(other_state).error(), StoreErrc::ownership_lost);
  auto unknown = advance_of(job);
  unknown.job_id = 99;
  EXPECT_EQ(store_->advance(unknown).error(), StoreErrc::not_found);
  // The next epoch needs no take-over to shut the old one out.
  store_->begin_epoch(epoch_of("second"));
  auto zombie = advance_of(job);
  zombie.note = "x";
  zombie.intent = Advance::Intent{Direction::forward, "stop", State::prepare};
  EXPECT_EQ(store_->advance(zombie).error(), StoreErrc::ownership_lost);
  EXPECT_THAT(events(job.job_id), ElementsAre("enqueued", "claim"));
  EXPECT_THAT(store_->journal(job.job_id), IsEmpty());
}

TEST_F(JobStoreTest, AnIllegalMoveThrowsAndLeavesNothing) {
  const auto job = claim(enqueue(approval_of("one")));
  auto advance = advance_of(job);
  advance.note = "x";
  advance.move = move_of(Event::step_done, State::succeeded);
  EXPECT_THROW((void)store_->advance(advance), StoreError);
  EXPECT_EQ(store_->job(job.job_id)->state, State::prepare);
  EXPECT_THAT(events(job.job_id), ElementsAre("enqueued", "claim"));
}

TEST_F(JobStoreTest, MoveReplacesTheReasonOnlyWhereItSaysOne) {
  auto job = claim(enqueue(approval_of("one")));
  auto advance = advance_of(job);
  advance.move = move_of(Event::step_retry, State::prepare);
  advance.move->reason_code = "engine_unreachable";
  advance.move->message = "no answer";
  advance.move->detail = R"({"socket":"x"})";
  advance.move->attempt = 2;
  advance.move->crashes = 1;
  advance.move->retry_at = 99;
  job = store_->advance(advance).value();
  EXPECT_EQ(job.reason_code, "engine_unreachable");
  EXPECT_EQ(job.attempt, 2);
  EXPECT_EQ(job.crashes, 1);
  EXPECT_EQ(job.retry_at, 99);
  job = move(job, Event::step_done, State::snapshot);
  EXPECT_EQ(job.reason_code, "");
  EXPECT_EQ(job.message, "");
  EXPECT_EQ(job.detail, "{}");
  EXPECT_EQ(job.retry_at, std::nullopt);
  job = move(job, Event::step_done, State::stop);
  job = move(job, Event::step_failed, State::rollback, "stop_failed");
  job = move(job, Event::step_done, State::rolled_back);
  EXPECT_EQ(job.reason_code, "stop_failed");
  EXPECT_EQ(job.finalized_at, 30);
}

TEST_F(JobStoreTest, NeedsAttentionRemembersTheStepItCameFrom) {
  const auto job = lead_to_attention(enqueue(approval_of("one")), State::restart);
  EXPECT_EQ(job.interrupted, State::restart);
  EXPECT_EQ(job.finalized_at, std::nullopt);
}

TEST_F(JobStoreTest, DowntimeIsTheSumOfAllStretches) {
  auto job = lead(enqueue(approval_of("one")), State::stop);
  const auto rows = events(job.job_id).size();
  auto advance = advance_of(job, 100);
  advance.intent = Advance::Intent{Direction::forward, "stop", State::stop};
  advance.down_since = 100;
  job = store_->advance(advance).value();
  EXPECT_EQ(job.down_since, 100);
  EXPECT_EQ(events(job.job_id).size(), rows + 1);  // a note of its own, as nothing else was recorded
  advance = advance_of(job, 150);
  advance.down_since = 150;  // it is down already
  job = store_->advance(advance).value();
  EXPECT_EQ(job.down_since, 100);
  advance = advance_of(job, 160);
  advance.finished = Advance::EffectResult{Direction::forward, "stop", "done", "{}", ""};
  advance.up_again = true;
  job = store_->advance(advance).value();
  EXPECT_EQ(job.down_since, std::nullopt);
  EXPECT_EQ(job.downtime_ms, 60);
  EXPECT_EQ(events(job.job_id).size(), rows + 3);
  advance = advance_of(job, 200);
  advance.down_since = 200;
  advance.move = move_of(Event::step_done, State::apply);
  job = store_->advance(advance).value();
  advance = advance_of(job, 207);
  advance.up_again = true;
  job = store_->advance(advance).value();
  EXPECT_EQ(job.downtime_ms, 67);
  advance = advance_of(job, 300);
  advance.up_again = true;  // it is up already
  EXPECT_EQ(store_->advance(advance)->downtime_ms, 67);
}

TEST_F(JobStoreTest, HistoryHasNoGap) {
  const auto job = lead_to_attention(enqueue(approval_of("one")), State::verify);
  std::int64_t expected = 0;
  std::string state;
  for (const auto& row : people_->history(job.job_id, 0)) {
    EXPECT_EQ(row.seq, ++expected);
    EXPECT_EQ(row.from_state, state);
    state = row.to_state;
  }
  EXPECT_EQ(state, "needs_attention");
  EXPECT_EQ(expected, 8);
}

TEST_F(JobStoreTest, OrphansAreTheWorkingJobsOfOtherEpochs) {
  const auto working = lead(enqueue(approval_of("one", "a")), State::apply).job_id;
  lead_to_attention(enqueue(approval_of("two", "b")), State::apply);
  enqueue(approval_of("three", "c"));
  move(claim(enqueue(approval_of("four", "d"))), Event::step_failed, State::failed);
  EXPECT_THAT(store_->orphans(epoch_), IsEmpty());
  const auto next = store_->begin_epoch(epoch_of("second"));
  const auto orphans = store_->orphans(next);
  ASSERT_EQ(orphans.size(), 1U);
  EXPECT_EQ(orphans[0].job_id, working);
  EXPECT_EQ(orphans[0].epoch_id, epoch_);
}

TEST_F(JobStoreTest, TakeOverResumesUnderANewFence) {
  const auto before = lead(enqueue(approval_of("one")), State::apply);
  const auto next = store_->begin_epoch(epoch_of("second"));
  const auto job =
      store_->take_over(before.job_id, next, Event::resume, State::apply, 1, 50, "recovery:2", R"({"died":"epoch 1"})");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, State::apply);
  EXPECT_GT(job->fence, before.fence);
  EXPECT_EQ(job->epoch_id, next);
  EXPECT_EQ(job->crashes, 1);
  EXPECT_EQ(job->attempt, before.attempt);
  EXPECT_EQ(people_->history(job->job_id, 0).back().data, R"({"died":"epoch 1"})");
  auto zombie = advance_of(before);
  zombie.note = "x";
  EXPECT_EQ(store_->advance(zombie).error(), StoreErrc::ownership_lost);
  auto owner = advance_of(*job);
  owner.note = "x";
  EXPECT_TRUE(store_->advance(owner));
  EXPECT_EQ(store_->take_over(job->job_id, next, Event::resume, State::apply, 2, 60, "r", "{}").error(),
            StoreErrc::ownership_lost);  // it is ours already
  EXPECT_EQ(store_->take_over(job->job_id, epoch_, Event::resume, State::apply, 2, 60, "r", "{}").error(),
            StoreErrc::ownership_lost);  // an old epoch takes nothing
  EXPECT_EQ(store_->take_over(99, next, Event::resume, State::apply, 2, 60, "r", "{}").error(), StoreErrc::not_found);
}

TEST_F(JobStoreTest, PoisonSaysWhy) {
  const auto before = lead(enqueue(approval_of("one")), State::apply);
  const auto next = store_->begin_epoch(epoch_of("second"));
  const auto job =
      store_->take_over(before.job_id, next, Event::poison, State::rollback, 0, 50, "recovery:2", R"({"crashes":3})");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, State::rollback);
  EXPECT_EQ(job->attempt, 1);
  EXPECT_EQ(job->crashes, 0);
  EXPECT_EQ(job->reason_code, "worker_crashed");
  EXPECT_EQ(job->detail, R"({"crashes":3})");
  const auto untouched = enqueue(approval_of("two", "b"));
  epoch_ = next;
  claim(untouched);
  const auto third = store_->begin_epoch(epoch_of("third"));
  EXPECT_EQ(store_->take_over(untouched, third, Event::poison, State::failed, 3, 70, "r", "")->finalized_at, 70);
}

TEST_F(JobStoreTest, AnEpochIsRememberedWithItsEnd) {
  auto epoch = store_->epoch(epoch_);
  ASSERT_TRUE(epoch);
  EXPECT_EQ(epoch->boot_id, "boot-1");
  EXPECT_EQ(epoch->pid, 4711);
  EXPECT_EQ(epoch->nonce, "first");
  EXPECT_EQ(epoch->stopped_at, std::nullopt);
  store_->end_epoch(epoch_, 77);
  store_->end_epoch(epoch_, 78);
  EXPECT_EQ(store_->epoch(epoch_)->stopped_at, 77);
  EXPECT_EQ(store_->epoch(99), std::nullopt);
}

TEST_F(JobStoreTest, LeftoversAreTriedUntilTheyAreGone) {
  const auto job = claim(enqueue(approval_of("one")));
  auto advance = advance_of(job);
  Leftover parked;
  parked.backend = "docker";
  parked.kind = "container";
  parked.reference = R"({"id":"old"})";
  parked.not_before = 500;
  Leftover tag = parked;
  tag.kind = "image_tag";
  tag.not_before = 100;
  advance.leftovers = {parked, tag, parked};
  ASSERT_TRUE(store_->advance(advance));
  EXPECT_EQ(people_->leftovers(job.job_id).size(), 2U);
  EXPECT_THAT(store_->leftovers_due(99), IsEmpty());
  EXPECT_EQ(store_->next_due(99), 100);
  auto due = store_->leftovers_due(500);
  ASSERT_EQ(due.size(), 2U);
  EXPECT_EQ(due[0].kind, "image_tag");
  EXPECT_EQ(due[0].job_id, job.job_id);
  store_->leftover_failed(due[0].leftover_id, "in use", 900);
  store_->leftover_removed(due[1].leftover_id, 510);
  EXPECT_THAT(store_->leftovers_due(899), IsEmpty());
  due = store_->leftovers_due(900);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].tries, 1);
  EXPECT_EQ(due[0].last_error, "in use");
  EXPECT_EQ(people_->leftovers(std::nullopt).size(), 1U);
}

TEST_F(JobStoreTest, CapabilitiesReplaceTheBackendsRows) {
  store_->record_capabilities("docker", {{"docker", "capability_block", true, "1.47", "", "", "{}", 5},
                                         {"docker", "other", false, "1.47", "kind_unsupported", "no", "{}", 5}});
  store_->record_capabilities("podman", {{"podman", "capability_block", false, "", "backend_absent", "no", "{}", 6}});
  store_->record_capabilities(
      "docker", {{"docker", "capability_block", false, "1.30", "backend_too_old", "old", R"({"need":"1.41"})", 7}});
  const auto rows = people_->capabilities();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].backend, "docker");
  EXPECT_FALSE(rows[0].supported);
  EXPECT_EQ(rows[0].reason_code, "backend_too_old");
  EXPECT_EQ(rows[0].detail, R"({"need":"1.41"})");
  EXPECT_EQ(rows[0].checked_at, 7);
  EXPECT_GT(std::stoll(Foreign(folder_.database()).value("SELECT min(age_ms) FROM backend_capabilities")), 0);
}

TEST_F(JobStoreTest, BottlesShowWhatIsCurrent) {
  const auto first = enqueue(approval_of("one"));
  EXPECT_THAT(people_->bottles(), IsEmpty());
  auto job = lead(first, State::verify);
  EXPECT_EQ(people_->bottles().at(0).last_state, "verify");
  EXPECT_EQ(people_->bottles().at(0).changed_at, std::nullopt);
  auto advance = advance_of(job, 60);
  advance.move = move_of(Event::step_done, State::succeeded);
  advance.current = R"({"image":"i"})";
  ASSERT_TRUE(store_->advance(advance));
  const auto second = enqueue(approval_of("two"));
  move(claim(second), Event::step_failed, State::failed);
  const auto bottle = people_->bottles().at(0);
  EXPECT_EQ(bottle.backend, "docker");
  EXPECT_EQ(bottle.bottle, "dev-1");
  EXPECT_EQ(bottle.target, "t" + std::to_string(second));
  EXPECT_EQ(bottle.last_job_id, second);
  EXPECT_EQ(bottle.last_state, "failed");
  EXPECT_EQ(bottle.current, R"({"image":"i"})");
  EXPECT_EQ(bottle.changed_at, 60);
}

TEST_F(JobStoreTest, OthersCommitsAreNoticedAndOursAreNot) {
  (void)store_->changed_by_others();
  EXPECT_FALSE(store_->changed_by_others());
  enqueue(approval_of("one"));
  EXPECT_TRUE(store_->changed_by_others());
  EXPECT_FALSE(store_->changed_by_others());
  claim(1);
  EXPECT_FALSE(store_->changed_by_others());
  EXPECT_TRUE(people_->changed_by_others());
  enqueue(approval_of("two", "b"));
  claim(2);  // our own commit after theirs must not hide theirs
  EXPECT_TRUE(store_->changed_by_others());
}

TEST_F(JobStoreTest, TransactionCommitsAllItemsAtOnce) {
  const auto first = enqueue(approval_of("one", "a"));
  const auto second = enqueue(approval_of("two", "b"));
  Foreign reader(folder_.database());
  store_->transaction({[&] { claim(first); },
                       [&] {
                         EXPECT_EQ(reader.value("SELECT count(*) FROM jobs WHERE state = 'prepare'"), "0");
                         claim(second);
                       }});
  EXPECT_EQ(reader.value("SELECT count(*) FROM jobs WHERE state = 'prepare'"), "2");
}

TEST_F(JobStoreTest, AnItemThatThrowsLeavesTheOthersAlone) {
  const auto first = enqueue(approval_of("one", "a"));
  const auto second = enqueue(approval_of("two", "b"));
  const auto third = enqueue(approval_of("three", "c"));
  store_->transaction({[&] { claim(first); },
                       [&] {
                         claim(second);
                         throw std::runtime_error("no");
                       },
                       [&] {
                         auto advance = advance_of(store_->job(first).value());
                         advance.note = "half";
                         advance.move = move_of(Event::claim, State::succeeded);
                         (void)store_->advance(advance);
                       },
                       [&] { claim(third); }});
  EXPECT_EQ(store_->job(first)->state, State::prepare);
  EXPECT_EQ(store_->job(second)->state, State::queued);
  EXPECT_EQ(store_->job(third)->state, State::prepare);
  EXPECT_THAT(events(first), ElementsAre("enqueued", "claim"));
  EXPECT_THAT(people_->bottles(), ::testing::SizeIs(2));
}

TEST_F(JobStoreTest, ARefusedItemLeavesTheOthersAlone) {
  const auto first = enqueue(approval_of("one", "a"));
  StoreErrc errc{};
  store_->transaction({[&] {
                         const auto refused = store_->claim(99, epoch_, "t", 1, "w");
                         errc = static_cast<StoreErrc>(refused.error().value());
                       },
                       [&] { claim(first); }});
  EXPECT_EQ(errc, StoreErrc::not_found);
  EXPECT_EQ(store_->job(first)->state, State::prepare);
}

TEST(StoreErrcText, EveryErrorHasOne) {
  for (const auto errc : {StoreErrc::not_found, StoreErrc::ownership_lost, StoreErrc::target_held, StoreErrc::conflict})
    EXPECT_NE(make_error_code(errc).message(), "unknown store error");
  EXPECT_EQ(make_error_code(StoreErrc::not_found).category().name(), std::string("rebottle.schema"));
}

}  // namespace
}  // namespace rebottle::schema
