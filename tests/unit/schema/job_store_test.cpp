// The rest of the service's store: epochs, leftovers, capabilities, bottles, transactions.
// Not here: owners, progress, requests (files of their own), the file and its faults.
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
using testing::Foreign;
using ::testing::IsEmpty;

class JobStoreTest : public testing::StoreTest {};

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

TEST_F(JobStoreTest, CapabilitiesOfOtherBackendsThanThoseKeptAreGone) {
  for (const auto* backend : {"docker", "podman", "it's"})
    store_->record_capabilities(backend, {{backend, "capability_block", true, "1", "", "", "{}", 5}});
  store_->keep_capabilities({"docker", "it's", "null"});
  ASSERT_EQ(people_->capabilities().size(), 2U);
  EXPECT_EQ(people_->capabilities()[1].backend, "it's");
  store_->keep_capabilities({});
  EXPECT_THAT(people_->capabilities(), IsEmpty());
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
  for (const auto errc : {StoreErrc::not_found, StoreErrc::ownership_lost, StoreErrc::target_held, StoreErrc::frozen,
                          StoreErrc::conflict})
    EXPECT_NE(make_error_code(errc).message(), "unknown store error");
  EXPECT_EQ(make_error_code(StoreErrc::not_found).category().name(), std::string("rebottle.schema"));
}

}  // namespace
}  // namespace rebottle::schema
