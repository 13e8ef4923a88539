// The service's store: claims, owners, progress, requests, leftovers.
// Not here: the guards against foreigners (guards_test.cpp), the file (file_test.cpp).
#include "schema/job_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"

namespace rebottle::schema {
namespace {

using statemachine::Direction;
using statemachine::Event;
using statemachine::State;
using testing::approval_of;
using ::testing::ElementsAre;
using testing::epoch_of;
using testing::Folder;
using testing::Foreign;

TEST(JobStore, CarriesAJobFromTheApprovalToSuccess) {
  const Folder folder;
  const auto store = JobStore::open(folder.database(), {});
  const auto people = OperatorStore::open(folder.database());
  const auto epoch = store->begin_epoch(epoch_of("a"));
  const auto enqueued = people->enqueue(approval_of("one"));
  ASSERT_TRUE(enqueued) << enqueued.error().message();
  ASSERT_TRUE(store->changed_by_others());
  const auto jobs = store->claimable(10, {{{"docker", 1}}});
  ASSERT_EQ(jobs.size(), 1U);
  auto job = store->claim(jobs[0].job_id, epoch, "container:dev-1", 20, "worker:1");
  ASSERT_TRUE(job) << job.error().message();
  EXPECT_EQ(job->state, State::prepare);
  EXPECT_EQ(job->target, "container:dev-1");
  for (const auto to : {State::snapshot, State::stop, State::apply, State::restart, State::verify, State::succeeded}) {
    Advance advance;
    advance.job_id = job->job_id;
    advance.fence = job->fence;
    advance.state = job->state;
    advance.now = 30;
    advance.actor = "worker:1";
    advance.finished = {Direction::forward, "look", "done", R"({"id":"x"})", R"({"text":"looked"})"};
    advance.move = Advance::Move{};
    advance.move->event = Event::step_done;
    advance.move->to = to;
    advance.move->attempt = 1;
    if (to == State::succeeded) advance.current = R"({"image":"i"})";
    job = store->advance(advance);
    ASSERT_TRUE(job) << job.error().message();
    EXPECT_EQ(job->state, to);
  }
  EXPECT_EQ(people->history(job->job_id, 0).size(), 14U);
  EXPECT_EQ(people->bottles().at(0).current, R"({"image":"i"})");
}

}  // namespace
}  // namespace rebottle::schema
