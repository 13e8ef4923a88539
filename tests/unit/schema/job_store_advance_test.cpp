// Progress of a job: effects, intents, transitions, reasons, downtime, and who is shut out.
// Not here: who gets a job (job_store_owner_test.cpp).
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
using ::testing::IsEmpty;

class JobStoreAdvance : public testing::StoreTest {};

TEST_F(JobStoreAdvance, AdvanceWritesResultTransitionAndNextIntentTogether) {
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

TEST_F(JobStoreAdvance, OnlyAProvedEffectClosesItsIntent) {
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

TEST_F(JobStoreAdvance, AnEffectThatIsFoundDoneIsAdoptedWithoutATry) {
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

TEST_F(JobStoreAdvance, DirectionsHaveJournalRowsOfTheirOwn) {
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

TEST_F(JobStoreAdvance, AdvanceIsRefusedToWhoeverBelievesSomethingElse) {
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

TEST_F(JobStoreAdvance, AFreezeHoldsTheStopBackAndNothingAfterIt) {
  auto job = lead(enqueue(approval_of("one")), State::snapshot);
  store_->add_freeze({0, "docker", "dev-1", "audit", "bob", 10, 40});
  const auto rows = events(job.job_id);
  auto advance = advance_of(job, 39);
  advance.note = "x";
  advance.finished = Advance::EffectResult{Direction::forward, "tag", "done", "{}", ""};
  advance.move = move_of(Event::step_done, State::stop);
  EXPECT_EQ(store_->advance(advance).error(), StoreErrc::frozen);
  EXPECT_EQ(events(job.job_id), rows);
  EXPECT_THAT(store_->journal(job.job_id), IsEmpty());
  // What is no way to the stop is written, and so is all once the freeze is over.
  const auto move = std::exchange(advance.move, std::nullopt);
  job = store_->advance(advance).value();
  advance = advance_of(job, 40);
  advance.move = move;
  job = store_->advance(advance).value();
  EXPECT_EQ(job.state, State::stop);
  store_->add_freeze({0, "", "", "fire", "eve", 41, {}});
  job = this->move(job, Event::step_retry, State::stop);
  EXPECT_EQ(this->move(job, Event::step_done, State::apply).state, State::apply);
}

TEST_F(JobStoreAdvance, AnIllegalMoveThrowsAndLeavesNothing) {
  const auto job = claim(enqueue(approval_of("one")));
  auto advance = advance_of(job);
  advance.note = "x";
  advance.move = move_of(Event::step_done, State::succeeded);
  EXPECT_THROW((void)store_->advance(advance), StoreError);
  EXPECT_EQ(store_->job(job.job_id)->state, State::prepare);
  EXPECT_THAT(events(job.job_id), ElementsAre("enqueued", "claim"));
}

TEST_F(JobStoreAdvance, MoveReplacesTheReasonOnlyWhereItSaysOne) {
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

TEST_F(JobStoreAdvance, NeedsAttentionRemembersTheStepItCameFrom) {
  const auto job = lead_to_attention(enqueue(approval_of("one")), State::restart);
  EXPECT_EQ(job.interrupted, State::restart);
  EXPECT_EQ(job.finalized_at, std::nullopt);
}

TEST_F(JobStoreAdvance, DowntimeIsTheSumOfAllStretches) {
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

TEST_F(JobStoreAdvance, HistoryHasNoGap) {
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

}  // namespace
}  // namespace rebottle::schema
