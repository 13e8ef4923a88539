// Who gets a job: the queue's order, claims, slots, freezes, fences, epochs, take-overs.
// Not here: what the owner then does (job_store_advance_test.cpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store_fixture.hpp"

namespace rebottle::schema {
namespace {

using statemachine::Event;
using statemachine::State;
using testing::approval_of;
using ::testing::ElementsAre;
using testing::epoch_of;
using ::testing::IsEmpty;

class JobStoreOwner : public testing::StoreTest {
 protected:
  std::vector<std::int64_t> claimable(Milliseconds now, const std::vector<ClaimLimits::Slot>& slots) {
    std::vector<std::int64_t> ids;
    for (const auto& job : store_->claimable(now, {slots})) ids.push_back(job.job_id);
    return ids;
  }
};

constexpr Milliseconds far = 4'000'000'000'000;

TEST_F(JobStoreOwner, ClaimGivesTheWholeJobToTheEpoch) {
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

TEST_F(JobStoreOwner, ClaimableFollowsPriorityThenScheduleThenAge) {
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

TEST_F(JobStoreOwner, ClaimableWaitsForTheSchedule) {
  auto approval = approval_of("later");
  approval.scheduled_at = far;
  const auto job_id = enqueue(approval);
  EXPECT_THAT(claimable(far - 1, {{"docker", 9}}), IsEmpty());
  EXPECT_EQ(store_->next_due(far - 1), far);
  EXPECT_THAT(claimable(far, {{"docker", 9}}), ElementsAre(job_id));
  EXPECT_EQ(store_->next_due(far), std::nullopt);
}

TEST_F(JobStoreOwner, ClaimableOffersOneJobPerBottle) {
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

TEST_F(JobStoreOwner, ClaimableWaitsBehindNeedsAttention) {
  const auto first = enqueue(approval_of("one", "b"));
  const auto second = enqueue(approval_of("two", "b"));
  lead_to_attention(first, State::apply);
  EXPECT_THAT(claimable(far, {{"docker", 9}}), IsEmpty());
  EXPECT_EQ(people_->job(second)->blocked_by, first);
  EXPECT_EQ(store_->claim(second, epoch_, "another name", 30, "w").error(), StoreErrc::target_held);
}

TEST_F(JobStoreOwner, AnEarlierJobThatIsNotDueBlocksNobody) {
  auto later = approval_of("later", "b");
  later.scheduled_at = far;
  enqueue(later);
  const auto now = enqueue(approval_of("now", "b"));
  EXPECT_THAT(claimable(far - 1, {{"docker", 9}}), ElementsAre(now));
}

TEST_F(JobStoreOwner, ClaimableKeepsToTheFreeSlots) {
  std::vector<std::int64_t> docker;
  for (int n = 0; n < 4; ++n) docker.push_back(enqueue(approval_of("d" + std::to_string(n), "b" + std::to_string(n))));
  const auto podman = enqueue(approval_of("p", "b", "podman"));
  EXPECT_THAT(claimable(10, {{"docker", 2}, {"podman", 1}}), ElementsAre(docker[0], docker[1], podman));
  EXPECT_THAT(claimable(10, {{"docker", 0}, {"podman", 0}}), IsEmpty());
  const auto offered = store_->claimable(10, {{{"docker", 2}, {"podman", 0}}, {docker[0]}});
  ASSERT_EQ(offered.size(), 2U) << "what is left out takes no slot";
  EXPECT_EQ(offered[0].job_id, docker[1]);
}

TEST_F(JobStoreOwner, AnUnknownBackendIsOfferedAKnownOneMustBeListed) {
  const auto unknown = enqueue(approval_of("u", "b", "kubernetes"));
  const auto absent = enqueue(approval_of("a", "b", "podman"));
  EXPECT_THAT(claimable(10, {{"docker", 1}}), ElementsAre(unknown, absent));
  store_->record_capabilities("podman", {{"podman", "capability_block", false, "", "backend_absent", "m", "{}", 5}});
  EXPECT_THAT(claimable(10, {{"docker", 1}}), ElementsAre(unknown));
  EXPECT_THAT(claimable(10, {{"docker", 1}, {"podman", 1}}), ElementsAre(unknown, absent));
}

TEST_F(JobStoreOwner, AFreezeHidesItsScopeUntilItEndsOrIsLifted) {
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

// The freeze was answered with "nothing is claimed there", maybe after the queue had been looked at.
TEST_F(JobStoreOwner, AFrozenJobIsNotClaimed) {
  const auto job_id = enqueue(approval_of("a", "a"));
  for (const auto& [backend, bottle] :
       std::vector<std::pair<std::string, std::string>>{{"docker", "a"}, {"docker", ""}, {"", ""}}) {
    store_->add_freeze({0, backend, bottle, "audit", "bob", 10, {}});
    EXPECT_EQ(store_->claim(job_id, epoch_, "t", 20, "w").error(), StoreErrc::frozen);
    store_->lift_freezes(backend, bottle, 20);
  }
  store_->add_freeze({0, "docker", "b", "audit", "bob", 10, {}});
  store_->add_freeze({0, "podman", "", "audit", "bob", 10, {}});
  store_->add_freeze({0, "", "", "over", "bob", 10, 20});
  EXPECT_THAT(events(job_id), ElementsAre("enqueued"));
  EXPECT_TRUE(store_->claim(job_id, epoch_, "t", 20, "w"));
}

TEST_F(JobStoreOwner, ClaimIsRefusedWhereTheWorldMovedOn) {
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

TEST_F(JobStoreOwner, EveryClaimAndEpochHasAHigherFence) {
  const auto first = claim(enqueue(approval_of("one", "a")));
  const auto second = claim(enqueue(approval_of("two", "b")));
  EXPECT_GT(second.fence, first.fence);
  epoch_ = store_->begin_epoch(epoch_of("second"));
  const auto third = claim(enqueue(approval_of("three", "c")));
  EXPECT_GT(third.fence, second.fence + 1);
}

TEST_F(JobStoreOwner, EndQueuedRefusesExpiresAndCancels) {
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

TEST_F(JobStoreOwner, WorkingJobsAreThoseOfAllEpochs) {
  EXPECT_THAT(store_->working(), IsEmpty());
  const auto first = lead(enqueue(approval_of("one", "a")), State::apply).job_id;
  lead_to_attention(enqueue(approval_of("two", "b")), State::apply);
  enqueue(approval_of("three", "c"));
  move(claim(enqueue(approval_of("four", "d"))), Event::step_failed, State::failed);
  const auto old_epoch = epoch_;
  epoch_ = store_->begin_epoch(epoch_of("second"));
  const auto second = claim(enqueue(approval_of("five", "0"))).job_id;
  const auto working = store_->working();
  ASSERT_EQ(working.size(), 2U);
  EXPECT_EQ(working[0].job_id, first);
  EXPECT_EQ(working[0].epoch_id, old_epoch);
  EXPECT_EQ(working[1].job_id, second);
  EXPECT_EQ(working[1].epoch_id, epoch_);
}

TEST_F(JobStoreOwner, TakeOverResumesUnderANewFence) {
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

TEST_F(JobStoreOwner, OnlyAResumedStepKeepsItsPause) {
  const auto paused = [&](const std::string& name) {
    auto advance = advance_of(lead(enqueue(approval_of(name, name)), State::apply));
    advance.move = move_of(Event::step_retry, State::apply);
    advance.move->retry_at = 5000;
    return store_->advance(advance).value().job_id;
  };
  const auto resumed = paused("a");
  const auto poisoned = paused("b");
  const auto next = store_->begin_epoch(epoch_of("second"));
  EXPECT_EQ(store_->take_over(resumed, next, Event::resume, State::apply, 1, 50, "r", "{}")->retry_at, 5000);
  EXPECT_EQ(store_->take_over(poisoned, next, Event::poison, State::rollback, 0, 50, "r", "{}")->retry_at,
            std::nullopt);
}

TEST_F(JobStoreOwner, PoisonSaysWhy) {
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

}  // namespace
}  // namespace rebottle::schema
