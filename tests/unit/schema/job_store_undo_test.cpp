// Undo and build logs, as the service's store keeps them.
// Not here: what undoing means for a bottle (worker/backends).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store_fixture.hpp"

namespace rebottle::schema {
namespace {

using statemachine::Event;
using statemachine::State;
using testing::approval_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class JobStoreUndo : public testing::StoreTest {
 protected:
  static Leftover left(const std::string& kind, Milliseconds not_before, bool way_back) {
    Leftover leftover;
    leftover.backend = "docker";
    leftover.kind = kind;
    leftover.reference = R"({"id":")" + kind + R"("})";
    leftover.not_before = not_before;
    leftover.way_back = way_back;
    return leftover;
  }
  // A job that has succeeded at `now` and keeps what it replaced until `until`.
  Job change(const std::string& approval_id, Milliseconds until, Milliseconds now = 30) {
    auto advance = advance_of(lead(enqueue(approval_of(approval_id)), State::verify), now);
    advance.move = move_of(Event::step_done, State::succeeded);
    advance.leftovers = {left("parked", until, true), left("tag", until, false)};
    advance.current = "{}";
    return store_->advance(advance).value();
  }
  std::vector<std::string> due(Milliseconds now) {
    std::vector<std::string> kinds;
    for (const auto& leftover : store_->leftovers_due(now)) kinds.push_back(leftover.kind);
    return kinds;
  }
  Job end(std::int64_t job_id, State to) {
    auto job = lead(job_id, State::verify);
    if (to == State::succeeded) return move(job, Event::step_done, to);
    return move(move(job, Event::step_failed, State::rollback, "no"), Event::step_done, State::rolled_back);
  }
};

TEST_F(JobStoreUndo, IsANewRunOfTheApprovalThatDoesNotExpire) {
  auto approval = approval_of("one");
  approval.expires_at = 99'999'999'999'999;
  auto advance = advance_of(lead(enqueue(approval), State::verify));
  advance.move = move_of(Event::step_done, State::succeeded);
  advance.leftovers = {left("parked", 100, true)};
  const auto changed = store_->advance(advance).value();
  const auto undo = store_->undo(changed.job_id, "bob", 50);
  ASSERT_TRUE(undo);
  const auto job = store_->job(*undo).value();
  EXPECT_EQ(job.run, 2);
  EXPECT_EQ(job.undoes, changed.job_id);
  EXPECT_EQ(job.state, State::queued);
  EXPECT_EQ(job.approval.expires_at, std::nullopt);
  EXPECT_EQ(people_->history(*undo, 0).at(0).actor, "bob");
  EXPECT_EQ(people_->history(*undo, 0).at(0).data, R"({"undo_of":1})");
  EXPECT_EQ(people_->job(changed.job_id)->undone_by, std::nullopt);
  end(*undo, State::succeeded);
  EXPECT_EQ(people_->job(changed.job_id)->undone_by, undo.value());
  // To run the approval again is to carry the change out again, and that expires as approved.
  const auto again = store_->job(store_->rerun(*undo, "bob", 60).value()).value();
  EXPECT_EQ(again.undoes, std::nullopt);
  EXPECT_EQ(again.approval.expires_at, approval.expires_at);
}

TEST_F(JobStoreUndo, NeedsWhatTheChangeReplaced) {
  const auto changed = change("one", 100);
  EXPECT_EQ(store_->standing("docker", "dev-1").job_id, changed.job_id);
  EXPECT_EQ(store_->standing("docker", "dev-1").kept_until, 100);
  EXPECT_EQ(people_->bottles().at(0).undo_job_id, changed.job_id);
  EXPECT_EQ(people_->bottles().at(0).undo_until, 100);
  EXPECT_EQ(store_->undo(changed.job_id, "bob", 100).error(), StoreErrc::conflict) << "the time is over";
  store_->leftover_removed(store_->leftovers_due(100).at(0).leftover_id, 50);
  EXPECT_EQ(store_->undo(changed.job_id, "bob", 60).error(), StoreErrc::conflict);
  EXPECT_EQ(store_->standing("docker", "dev-1").kept_until, std::nullopt);
  EXPECT_EQ(people_->bottles().at(0).undo_job_id, std::nullopt);
  EXPECT_EQ(store_->undo(99, "bob", 60).error(), StoreErrc::not_found);
  EXPECT_EQ(store_->standing("docker", "other").job_id, std::nullopt);
}

TEST_F(JobStoreUndo, TakesTheNewestChangeFirst) {
  const auto first = change("one", 100);
  const auto second = change("two", 100);
  EXPECT_EQ(store_->undo(first.job_id, "bob", 50).error(), StoreErrc::conflict);
  const auto undo = store_->undo(second.job_id, "bob", 50);
  ASSERT_TRUE(undo);
  EXPECT_EQ(store_->undo(second.job_id, "bob", 51).error(), StoreErrc::conflict) << "it is being undone";
  end(*undo, State::succeeded);
  EXPECT_EQ(store_->undo(second.job_id, "bob", 52).error(), StoreErrc::conflict) << "it is undone";
  EXPECT_EQ(store_->undo(*undo, "bob", 52).error(), StoreErrc::conflict) << "an undo is not undone";
  EXPECT_TRUE(store_->undo(first.job_id, "bob", 53));
}

TEST_F(JobStoreUndo, GoesByTheOrderOfTheChangesWhateverTheClockSaid) {
  const auto first = change("one", 100, 40);
  const auto second = change("two", 100, 20);
  EXPECT_EQ(store_->standing("docker", "dev-1").job_id, second.job_id);
  EXPECT_EQ(people_->bottles().at(0).undo_job_id, second.job_id);
  EXPECT_EQ(store_->undo(first.job_id, "bob", 50).error(), StoreErrc::conflict);
  EXPECT_TRUE(store_->undo(second.job_id, "bob", 50));
}

TEST_F(JobStoreUndo, WaitsForEveryOtherJobOfTheBottle) {
  const auto changed = change("one", 100);
  const auto other = enqueue(approval_of("two"));
  EXPECT_EQ(store_->undo(changed.job_id, "bob", 50).error(), StoreErrc::conflict) << "one waits";
  end(other, State::rolled_back);
  EXPECT_TRUE(store_->undo(changed.job_id, "bob", 60));
}

TEST_F(JobStoreUndo, HoldsTheLeftoversUntilItEnds) {
  const auto changed = change("one", 100);
  const auto undo = store_->undo(changed.job_id, "bob", 50).value();
  EXPECT_THAT(due(500), IsEmpty());
  end(undo, State::rolled_back);
  EXPECT_THAT(due(500), ElementsAre("parked", "tag")) << "the change stands: they go when their time has come";
  EXPECT_TRUE(store_->undo(changed.job_id, "bob", 60)) << "an undo that was rolled back may be tried again";
}

TEST_F(JobStoreUndo, SuccessWithdrawsTheLeftovers) {
  const auto changed = change("one", 100);
  end(store_->undo(changed.job_id, "bob", 50).value(), State::succeeded);
  EXPECT_THAT(due(500), IsEmpty());
  EXPECT_THAT(people_->leftovers(changed.job_id), IsEmpty());
  EXPECT_EQ(store_->next_due(0), std::nullopt);
}

TEST_F(JobStoreUndo, ResolvingWithdrawsTheLeftovers) {
  const auto changed = change("one", 100);
  const auto undo = store_->undo(changed.job_id, "bob", 50).value();
  move(lead(undo, State::apply), Event::step_unknown, State::needs_attention, "cannot_tell");
  EXPECT_THAT(due(500), IsEmpty());
  ASSERT_TRUE(store_->decide_attention(undo, epoch_, Event::resolve, 60, "bob",
                                       R"({"outcome":"restored","reason":"by hand"})"));
  EXPECT_THAT(due(500), IsEmpty());
}

TEST_F(JobStoreUndo, IsGuardedByTheDatabase) {
  const auto changed = change("one", 100);
  change("two", 100);
  testing::Foreign foreign(folder_.database());
  const auto insert = [](const std::string& approval_id, const std::string& undoes) {
    return "INSERT INTO jobs (approval_id, run, kind, backend, bottle, priority, scheduled_at, expires_at, undoes, "
           "actor, created_at, updated_at) VALUES ('" +
           approval_id + "', 2, 'capability_block', 'docker', 'dev-1', 0, 0, NULL, " + undoes + ", 'bob', 50, 50)";
  };
  EXPECT_THAT(foreign.refusal(insert("two", std::to_string(changed.job_id))), HasSubstr("jobs.undoes: is no change"));
  EXPECT_THAT(foreign.refusal(insert("one", "77")), HasSubstr("jobs.undoes: is no change"));
  EXPECT_THAT(foreign.refusal("UPDATE jobs SET undoes = 2 WHERE job_id = 1"), HasSubstr("jobs."));
  EXPECT_THAT(foreign.refusal("UPDATE leftovers SET way_back = 1 - way_back"), HasSubstr("leftovers.reference"));
  EXPECT_EQ(foreign.refusal("INSERT INTO requests (kind, job_id, args, requested_by) VALUES "
                            "('undo', 1, '{\"plan\":true}', 'bob')"),
            "");
  EXPECT_EQ(foreign.refusal("INSERT INTO requests (kind, backend, bottle, requested_by) VALUES "
                            "('undo', 'docker', 'dev-1', 'bob')"),
            "");
  EXPECT_THAT(foreign.refusal("INSERT INTO requests (kind, requested_by) VALUES ('undo', 'bob')"),
              HasSubstr("requests.job_id: is missing; plan and undo need"));
  EXPECT_THAT(foreign.refusal("INSERT INTO requests (kind, job_id, args, requested_by) VALUES "
                              "('undo', 1, '{\"plan\":1}', 'bob')"),
              HasSubstr("requests.args.plan"));
  EXPECT_THAT(foreign.refusal("INSERT INTO requests (kind, job_id, args, requested_by) VALUES "
                              "('undo', 1, '{\"force\":true}', 'bob')"),
              HasSubstr("unknown key"));
}

TEST_F(JobStoreUndo, BuildLogIsThatOfTheLastTry) {
  const auto job = claim(enqueue(approval_of("one")));
  EXPECT_EQ(people_->build_log(job.job_id), std::nullopt);
  auto advance = advance_of(job);
  advance.build_log = BuildLog{"first", "", 0, 0};
  ASSERT_TRUE(store_->advance(advance));
  EXPECT_EQ(people_->build_log(job.job_id)->head, "first");
  advance.now = 40;
  advance.build_log = BuildLog{"begin", "end", 77, 0};
  ASSERT_TRUE(store_->advance(advance));
  const auto log = people_->build_log(job.job_id);
  ASSERT_TRUE(log);
  EXPECT_EQ(log->head, "begin");
  EXPECT_EQ(log->tail, "end");
  EXPECT_EQ(log->cut_bytes, 77);
  EXPECT_EQ(log->updated_at, 40);
  testing::Foreign foreign(folder_.database());
  EXPECT_THAT(foreign.refusal("DELETE FROM build_logs"), HasSubstr("build_logs: a row is never deleted"));
  EXPECT_THAT(foreign.refusal("UPDATE build_logs SET job_id = 9"), HasSubstr("build_logs.job_id"));
  enqueue(approval_of("two"));
  EXPECT_THAT(foreign.refusal("INSERT INTO build_logs VALUES (2, '', '', 0, 1)"), HasSubstr("no such job has begun"));
}

}  // namespace
}  // namespace rebottle::schema
