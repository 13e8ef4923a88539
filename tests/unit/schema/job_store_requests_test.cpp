// What people ask for, as the service's store carries it out.
// Not here: which requests the database accepts (producer_guards_test.cpp).
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

class JobStoreRequests : public testing::StoreTest {};

TEST_F(JobStoreRequests, AreAnsweredInTheOrderOfTheirArrival) {
  const auto job_id = enqueue(approval_of("one"));
  Request cancel;
  cancel.kind = "cancel";
  cancel.job_id = job_id;
  cancel.requested_by = "bob";
  const auto first = people_->request(cancel);
  Request freeze;
  freeze.kind = "freeze";
  freeze.backend = "docker";
  freeze.args = R"({"reason":"audit"})";
  freeze.requested_by = "carol";
  const auto second = people_->request(freeze);
  auto pending = store_->requests_pending(0, 9);
  ASSERT_EQ(pending.size(), 2U);
  EXPECT_EQ(pending[0].request_id, first);
  EXPECT_EQ(pending[0].kind, "cancel");
  EXPECT_EQ(pending[0].job_id, job_id);
  EXPECT_EQ(pending[1].kind, "freeze");
  EXPECT_EQ(pending[1].job_id, std::nullopt);
  EXPECT_EQ(store_->requests_pending(0, 1).size(), 1U);
  EXPECT_EQ(store_->requests_pending(first, 9).at(0).request_id, second);
  EXPECT_THAT(store_->requests_pending(second, 9), IsEmpty());
  const auto whole = store_->request(second);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->outcome, "");
  EXPECT_EQ(whole->answer, "{}");
  EXPECT_EQ(whole->backend, "docker");
  EXPECT_EQ(whole->args, R"({"reason":"audit"})");
  EXPECT_EQ(whole->requested_by, "carol");
  EXPECT_EQ(store_->request(99).error(), StoreErrc::not_found);
  EXPECT_EQ(people_->request_answer(second)->outcome, "");
  store_->answer(first, "refused", "too late", R"({"state":"stop"})", 50);
  EXPECT_EQ(people_->request_answer(first)->outcome, "refused");
  EXPECT_EQ(people_->request_answer(first)->message, "too late");
  EXPECT_EQ(people_->request_answer(first)->answer, R"({"state":"stop"})");
  EXPECT_EQ(people_->request_answer(first)->answered_at, 50);
  pending = store_->requests_pending(0, 9);
  ASSERT_EQ(pending.size(), 1U);
  EXPECT_EQ(pending[0].request_id, second);
  EXPECT_EQ(people_->request_answer(99), std::nullopt);
}

TEST_F(JobStoreRequests, CancelEndsAQueuedJob) {
  const auto job = store_->request_cancel(enqueue(approval_of("one")), "bob", 40);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, State::cancelled);
  EXPECT_EQ(job->finalized_at, 40);
  EXPECT_EQ(job->reason_code, "cancelled");
  EXPECT_EQ(people_->history(job->job_id, 1).at(0).actor, "bob");
}

TEST_F(JobStoreRequests, CancelIsAWishWhereAJobIsAtWork) {
  const auto before = lead(enqueue(approval_of("one")), State::apply);
  auto job = store_->request_cancel(before.job_id, "bob", 40);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, State::apply);
  EXPECT_EQ(job->cancel_by, "bob");
  const auto rows = events(before.job_id).size();
  EXPECT_EQ(store_->request_cancel(before.job_id, "carol", 41)->cancel_by, "bob");
  EXPECT_EQ(events(before.job_id).size(), rows);
  // The owner is not disturbed by it.
  EXPECT_EQ(move(before, Event::cancel, State::rollback).cancel_by, "bob");
}

TEST_F(JobStoreRequests, CancelThatIsTooLateIsRecordedOnly) {
  auto job = lead(enqueue(approval_of("one")), State::apply);
  job = move(job, Event::step_failed, State::rollback);
  ASSERT_TRUE(store_->request_cancel(job.job_id, "bob", 40));
  EXPECT_EQ(people_->history(job.job_id, 0).back().event, "cancel");
  EXPECT_EQ(people_->history(job.job_id, 0).back().data,
            R"({"ignored":"too late: the old bottle is already on its way back"})");
  job = move(job, Event::step_done, State::rolled_back);
  const auto late = store_->request_cancel(job.job_id, "bob", 50);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->state, State::rolled_back);
  EXPECT_EQ(late->cancel_by, "");
  EXPECT_EQ(late->finalized_at, job.finalized_at);
}

TEST_F(JobStoreRequests, CancelOfNeedsAttentionIsAConflict) {
  const auto job = lead_to_attention(enqueue(approval_of("one")), State::apply);
  EXPECT_EQ(store_->request_cancel(job.job_id, "bob", 40).error(), StoreErrc::conflict);
  EXPECT_EQ(store_->request_cancel(99, "bob", 40).error(), StoreErrc::not_found);
}

TEST_F(JobStoreRequests, RerunIsANewJobOfTheSameApproval) {
  const auto first = enqueue(approval_of("one"));
  EXPECT_EQ(store_->rerun(first, "bob", 40).error(), StoreErrc::conflict);
  move(claim(first), Event::step_failed, State::failed);
  const auto second = store_->rerun(first, "bob", 50);
  ASSERT_TRUE(second);
  const auto job = store_->job(*second).value();
  EXPECT_EQ(job.run, 2);
  EXPECT_EQ(job.state, State::queued);
  EXPECT_EQ(job.approval.approval_id, "one");
  EXPECT_EQ(job.created_at, 50);
  const auto history = people_->history(*second, 0);
  ASSERT_EQ(history.size(), 1U);
  EXPECT_EQ(history[0].event, "enqueued");
  EXPECT_EQ(history[0].actor, "bob");
  EXPECT_EQ(history[0].data, "{\"retry_of\":" + std::to_string(first) + "}");
  // The old run is not the newest one any more, and the newest one is not final.
  EXPECT_EQ(store_->rerun(first, "bob", 60).error(), StoreErrc::conflict);
  EXPECT_EQ(store_->rerun(99, "bob", 60).error(), StoreErrc::not_found);
  EXPECT_EQ(people_->job_of_approval("one")->job_id, *second);
  ASSERT_TRUE(store_->request_cancel(*second, "bob", 70));
  EXPECT_EQ(store_->job(store_->rerun(first, "bob", 80).value())->run, 3);
}

TEST_F(JobStoreRequests, RerunOfAnExpiredApprovalIsAConflict) {
  auto approval = approval_of("one");
  approval.expires_at = 4'000'000'000'000;
  const auto job_id = enqueue(approval);
  ASSERT_TRUE(store_->request_cancel(job_id, "bob", 40));
  EXPECT_EQ(store_->rerun(job_id, "bob", 4'000'000'000'000).error(), StoreErrc::conflict);
  EXPECT_TRUE(store_->rerun(job_id, "bob", 3'999'999'999'999));
}

TEST_F(JobStoreRequests, RetryLeadsBackToTheInterruptedStep) {
  const auto before = lead(enqueue(approval_of("one")), State::restart);
  ASSERT_TRUE(store_->request_cancel(before.job_id, "bob", 40));
  const auto stuck = move(before, Event::step_unknown, State::needs_attention, "cannot_tell");
  const auto job = store_->decide_attention(stuck.job_id, epoch_, Event::retry, 50, "bob", R"({"reason":"again"})");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, State::restart);
  EXPECT_GT(job->fence, stuck.fence);
  EXPECT_EQ(job->attempt, 1);
  EXPECT_EQ(job->cancel_by, "");
  EXPECT_EQ(job->reason_code, "");
  EXPECT_EQ(people_->history(job->job_id, 0).back().actor, "bob");
}

TEST_F(JobStoreRequests, RollBackKeepsTheCause) {
  const auto stuck = lead_to_attention(enqueue(approval_of("one")), State::verify);
  const auto job = store_->decide_attention(stuck.job_id, epoch_, Event::roll_back, 50, "bob", "{}");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, State::rollback);
  EXPECT_EQ(job->reason_code, "cannot_tell");
  EXPECT_EQ(job->interrupted, State::verify);
}

TEST_F(JobStoreRequests, RetryOfARollbackKeepsTheCause) {
  const auto rollback =
      move(lead(enqueue(approval_of("one")), State::apply), Event::step_failed, State::rollback, "cause");
  const auto stuck = move(rollback, Event::step_unknown, State::needs_attention);
  const auto job = store_->decide_attention(stuck.job_id, epoch_, Event::retry, 50, "bob", "{}");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, State::rollback);
  EXPECT_EQ(job->reason_code, "cause");
}

TEST_F(JobStoreRequests, ResolveEndsTheJobWithItsReason) {
  const auto stuck = lead_to_attention(enqueue(approval_of("one")), State::verify);
  const std::string data = R"({"observed":{"running":true},"outcome":"changed","reason":"looked at it"})";
  const auto job = store_->decide_attention(stuck.job_id, epoch_, Event::resolve, 50, "bob", data);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->state, State::resolved);
  EXPECT_EQ(job->finalized_at, 50);
  EXPECT_EQ(job->reason_code, "resolved_changed");
  EXPECT_EQ(job->message, "looked at it");
  EXPECT_EQ(job->detail, data);
}

TEST_F(JobStoreRequests, DecisionsNeedNeedsAttentionAndTheNewestEpoch) {
  const auto working = lead(enqueue(approval_of("one", "a")), State::apply);
  EXPECT_EQ(store_->decide_attention(working.job_id, epoch_, Event::retry, 50, "bob", "{}").error(),
            StoreErrc::conflict);
  EXPECT_EQ(store_->decide_attention(99, epoch_, Event::retry, 50, "bob", "{}").error(), StoreErrc::not_found);
  const auto stuck = lead_to_attention(enqueue(approval_of("two", "b")), State::apply);
  EXPECT_EQ(store_->decide_attention(stuck.job_id, epoch_, Event::cancel, 50, "bob", "{}").error(),
            StoreErrc::conflict);
  EXPECT_THROW((void)store_->decide_attention(stuck.job_id, epoch_, Event::resolve, 50, "bob", "no JSON"), StoreError);
  store_->begin_epoch(epoch_of("second"));
  EXPECT_EQ(store_->decide_attention(stuck.job_id, epoch_, Event::retry, 50, "bob", "{}").error(),
            StoreErrc::ownership_lost);
}

}  // namespace
}  // namespace rebottle::schema
