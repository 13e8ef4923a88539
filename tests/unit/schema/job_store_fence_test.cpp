// An older service that does not know yet that a newer one has begun: it writes nothing any more.
// Not here: the fences of single jobs (job_store_owner_test.cpp, job_store_advance_test.cpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store_fixture.hpp"

namespace rebottle::schema {
namespace {

using statemachine::Event;
using statemachine::State;
using testing::approval_of;
using testing::epoch_of;
using testing::Foreign;
using ::testing::HasSubstr;

class JobStoreFence : public testing::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    queued_ = enqueue(approval_of("queued", "a"));
    failed_ = move(claim(enqueue(approval_of("failed", "b"))), Event::step_failed, State::failed).job_id;
    auto done = lead(enqueue(approval_of("done", "c")), State::verify);
    auto advance = advance_of(done);
    advance.move = move_of(Event::step_done, State::succeeded);
    Leftover parked;
    parked.kind = "container";
    parked.reference = "{}";
    parked.not_before = 500;
    parked.way_back = true;
    advance.leftovers = {parked};
    done_ = store_->advance(advance).value().job_id;
    Request wish;
    wish.kind = "unfreeze";
    wish.requested_by = "bob";
    request_ = people_->request(wish);
    store_->add_freeze({0, "podman", "", "r", "bob", 10, {}});
    newer_ = JobStore::open(folder_.database(), {});
    newer_epoch_ = newer_->begin_epoch(epoch_of("newer"));
  }

  // Everything that a write could change.
  std::vector<std::string> all() {
    return Foreign(folder_.database())
        .values(
            "SELECT group_concat(seq) FROM jobs UNION ALL SELECT count(*) FROM history "
            "UNION ALL SELECT group_concat(tries || coalesce(removed_at, '-')) FROM leftovers "
            "UNION ALL SELECT count(answered_at) FROM requests UNION ALL SELECT count(*) FROM capabilities "
            "UNION ALL SELECT count(*) || group_concat(coalesce(lifted_at, '-')) FROM freezes "
            "UNION ALL SELECT group_concat(epoch_id || coalesce(stopped_at, '-')) FROM epochs");
  }

  std::int64_t queued_ = 0;
  std::int64_t failed_ = 0;
  std::int64_t done_ = 0;
  std::int64_t request_ = 0;
  std::unique_ptr<JobStore> newer_;
  std::int64_t newer_epoch_ = 0;
};

TEST_F(JobStoreFence, AnOlderServiceWritesNothing) {
  const std::vector<std::pair<std::string, std::function<void()>>> writes{
      {"claim", [&] { (void)store_->claim(queued_, epoch_, "t", 60, "w"); }},
      {"end_queued", [&] { (void)store_->end_queued(queued_, Event::cancel, 60, "w", "c", "m", "{}"); }},
      {"answer", [&] { store_->answer(request_, "done", "m", "{}", 60); }},
      {"request_cancel", [&] { (void)store_->request_cancel(queued_, "bob", 60); }},
      {"rerun", [&] { (void)store_->rerun(failed_, "bob", 60); }},
      {"undo", [&] { (void)store_->undo(done_, "bob", 60); }},
      {"add_freeze",
       [&] {
         store_->add_freeze({0, "", "", "r", "bob", 60, {}});
       }},
      {"lift_freezes", [&] { store_->lift_freezes("podman", "", 60); }},
      {"lift_expired_freezes", [&] { store_->lift_expired_freezes(60); }},
      {"leftover_failed", [&] { store_->leftover_failed(1, "e", 900); }},
      {"leftover_removed", [&] { store_->leftover_removed(1, 600); }},
      {"record_capabilities",
       [&] {
         store_->record_capabilities("docker", {{"docker", "capability_block", true, "1", "", "", "{}", 5}});
       }},
      {"keep_capabilities", [&] { store_->keep_capabilities({}); }},
      {"end_epoch", [&] { store_->end_epoch(epoch_, 60); }},
  };
  const auto before = all();
  for (const auto& [name, write] : writes) {
    SCOPED_TRACE(name);
    bool batched = false;
    for (const auto& attempt : {write, std::function<void()>([&, &write = write] {
                                  store_->transaction({[&] {
                                    batched = true;
                                    write();
                                  }});
                                })}) {
      try {
        attempt();
        ADD_FAILURE() << "the older service wrote";
      } catch (const StoreError& error) {
        EXPECT_TRUE(error.fatal());
        EXPECT_THAT(error.what(), HasSubstr("a newer service has begun its work on this database"));
      }
    }
    EXPECT_FALSE(batched);
    EXPECT_EQ(all(), before);
  }
  EXPECT_TRUE(newer_->claim(queued_, newer_epoch_, "t", 60, "w"));
}

TEST_F(JobStoreFence, AStoreWithoutAnEpochIsNoService) {
  const auto tool = JobStore::open(folder_.database(), {});
  EXPECT_EQ(tool->lift_freezes("podman", "", 60), 1);
}

}  // namespace
}  // namespace rebottle::schema
