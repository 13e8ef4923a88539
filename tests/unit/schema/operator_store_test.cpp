// The operator's store: listing, reading, enqueueing, requests; without a service.
// Not here: what the guards refuse (producer_guards_test.cpp).
#include "schema/operator_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store_fixture.hpp"

namespace rebottle::schema {
namespace {

using statemachine::Event;
using statemachine::State;
using testing::approval_of;
using ::testing::ElementsAre;
using testing::Foreign;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class OperatorStoreTest : public testing::StoreTest {
 protected:
  std::vector<std::int64_t> listed(const JobFilter& filter) {
    std::vector<std::int64_t> ids;
    for (const auto& job : people_->jobs(filter)) ids.push_back(job.job_id);
    return ids;
  }
  std::string refusal_of(const Approval& approval) {
    try {
      (void)people_->enqueue(approval);
    } catch (const RowRefused& refused) {
      return refused.what();
    }
    return "";
  }
};

TEST_F(OperatorStoreTest, EnqueueAcknowledgesACommittedJob) {
  const auto enqueued = people_->enqueue(approval_of("one"));
  ASSERT_TRUE(enqueued);
  EXPECT_FALSE(enqueued->existed);
  EXPECT_EQ(Foreign(folder_.database()).value("SELECT job_id FROM jobs_view"), std::to_string(enqueued->job_id));
  EXPECT_EQ(people_->job(enqueued->job_id)->state, State::queued);
}

TEST_F(OperatorStoreTest, EnqueueOfTheSameIsNoSecondJob) {
  const auto first = people_->enqueue(approval_of("one"));
  const auto second = people_->enqueue(approval_of("one"));
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->existed);
  EXPECT_EQ(second->job_id, first->job_id);
  EXPECT_EQ(events(first->job_id).size(), 1U);
}

TEST_F(OperatorStoreTest, EnqueueOfOtherContentIsAConflict) {
  ASSERT_TRUE(people_->enqueue(approval_of("one")));
  EXPECT_EQ(people_->enqueue(approval_of("one", "other")).error(), StoreErrc::conflict);
  EXPECT_TRUE(people_->enqueue(approval_of("two", "other")));
}

TEST_F(OperatorStoreTest, EnqueueRefusesWithTheGuardsOwnWords) {
  auto bad = approval_of("one");
  bad.bottle = "a/b";
  EXPECT_EQ(refusal_of(bad), "approvals.bottle: contains a slash; give the slug alone");
  bad = approval_of("one");
  bad.args = "{\"change\":{\"image\":\"i\"}}" + std::string(1, '\0');
  EXPECT_EQ(refusal_of(bad), "approvals.args: contains a NUL character; remove it");
  bad.args = std::string(2 << 20, 'x');
  EXPECT_THAT(refusal_of(bad), StartsWith("approvals.args: is longer than"));
  EXPECT_TRUE(people_->enqueue(approval_of("one")));
}

TEST_F(OperatorStoreTest, RequestRefusesWithTheGuardsOwnWords) {
  Request request;
  request.kind = "cancel";
  request.job_id = 99;
  request.requested_by = "bob";
  EXPECT_THROW((void)people_->request(request), RowRefused);
  request.job_id = enqueue(approval_of("one"));
  EXPECT_EQ(people_->request(request), 1);
}

TEST_F(OperatorStoreTest, JobsAreListedNewestFirstByEveryFilter) {
  const auto a = enqueue(approval_of("a", "one"));
  const auto b = enqueue(approval_of("b", "two"));
  const auto c = enqueue(approval_of("c", "three", "podman"));
  move(claim(a), Event::step_failed, State::failed);
  claim(b);
  EXPECT_THAT(listed({}), ElementsAre(c, b, a));
  JobFilter filter;
  filter.states = {State::queued, State::failed};
  EXPECT_THAT(listed(filter), ElementsAre(c, a));
  filter = {};
  filter.unfinished_only = true;
  EXPECT_THAT(listed(filter), ElementsAre(c, b));
  filter = {};
  filter.backend = "docker";
  EXPECT_THAT(listed(filter), ElementsAre(b, a));
  filter.bottle = "two";
  EXPECT_THAT(listed(filter), ElementsAre(b));
  filter = {};
  filter.approval_id = "c";
  EXPECT_THAT(listed(filter), ElementsAre(c));
  filter = {};
  filter.limit = 2;
  EXPECT_THAT(listed(filter), ElementsAre(c, b));
  filter.before_job_id = b;
  EXPECT_THAT(listed(filter), ElementsAre(a));
  filter = {};
  filter.states = {State::rolled_back};
  EXPECT_THAT(listed(filter), IsEmpty());
}

TEST_F(OperatorStoreTest, AListHasNoPayloadAJobHas) {
  const auto job_id = enqueue(approval_of("one"));
  EXPECT_EQ(people_->jobs({}).at(0).approval.args, "");
  EXPECT_EQ(people_->jobs({}).at(0).approval.approved_by, "alice");
  EXPECT_EQ(people_->job(job_id)->approval.args, approval_of("one").args);
  EXPECT_EQ(people_->job_of_approval("one")->approval.args, approval_of("one").args);
  EXPECT_EQ(people_->job(99), std::nullopt);
  EXPECT_EQ(people_->job_of_approval("none"), std::nullopt);
}

TEST_F(OperatorStoreTest, HistoryContinuesAfterANumber) {
  const auto job_id = enqueue(approval_of("one"));
  lead(job_id, State::stop);
  EXPECT_EQ(people_->history(job_id, 0).size(), 4U);
  const auto rest = people_->history(job_id, 3);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].to_state, "stop");
  EXPECT_EQ(people_->history(job_id, 0)[0].from_state, "");
  EXPECT_THAT(people_->history(99, 0), IsEmpty());
}

TEST_F(OperatorStoreTest, TheJournalIsReadable) {
  const auto job = claim(enqueue(approval_of("one")));
  auto advance = advance_of(job);
  advance.intent = Advance::Intent{statemachine::Direction::forward, "build", State::prepare};
  ASSERT_TRUE(store_->advance(advance));
  ASSERT_EQ(people_->journal(job.job_id).size(), 1U);
  EXPECT_EQ(people_->journal(job.job_id)[0].effect, "build");
}

TEST_F(OperatorStoreTest, AFreezeShowsOnJobsThatItHolds) {
  const auto held = enqueue(approval_of("one", "a"));
  const auto past_stop = lead(enqueue(approval_of("two", "b")), State::stop).job_id;
  Foreign foreign(folder_.database());
  store_->add_freeze({0, "docker", "", "audit", "bob", 10, {}});
  EXPECT_EQ(people_->job(held)->frozen_by, "bob: audit");
  EXPECT_EQ(people_->job(past_stop)->frozen_by, std::nullopt);
}

TEST_F(OperatorStoreTest, ChangesOfOthersAreNoticed) {
  (void)people_->changed_by_others();
  EXPECT_FALSE(people_->changed_by_others());
  store_->add_freeze({0, "", "", "audit", "bob", 10, {}});
  EXPECT_TRUE(people_->changed_by_others());
  EXPECT_FALSE(people_->changed_by_others());
}

TEST_F(OperatorStoreTest, TheViewsHaveTheColumnsOfTheContract) {
  Foreign foreign(folder_.database());
  const auto columns = [&](const std::string& view) {
    return foreign.value("SELECT group_concat(name, ' ') FROM pragma_table_info('" + view + "')");
  };
  EXPECT_THAT(columns("jobs_view"),
              StartsWith("job_id approval_id run kind backend bottle state attempt reason_code message detail "
                         "approved_by created_at updated_at finalized_at"));
  EXPECT_EQ(columns("history_view"), "job_id seq at event from_state to_state actor data");
  EXPECT_THAT(columns("bottles_view"), StartsWith("backend bottle target last_job_id last_state current changed_at"));
  EXPECT_THAT(columns("backend_capabilities"),
              StartsWith("backend kind supported version reason_code message detail checked_at"));
}

}  // namespace
}  // namespace rebottle::schema
