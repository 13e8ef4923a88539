// The database fails for a while, or its answer is lost: no job is lost, no effect happens twice; or it is broken for
// good, and the service says so and ends. Not here: real full disks (tests/functional).
#include "tests/support/service_fixture.hpp"

#include <gmock/gmock.h>

namespace rebottle::test {
namespace {

using ::testing::HasSubstr;

constexpr int sqlite_full = 13;
constexpr int sqlite_ioerr = 10;
constexpr int always = 1'000'000;

// A job through a service whose n-th transaction fails; for every n until the job no longer meets the fault.
class DatabaseTrouble : public ServiceFixture, public ::testing::WithParamInterface<bool> {
 protected:
  // False once the run had fewer transactions than n.
  bool run_with_fault_at(int nth, State end) {
    store_faults_ = {.nth = nth, .times = 1, .after_commit = GetParam()};
    start();
    const auto bottle = "dev-" + std::to_string(nth);
    const auto id = approve(bottle);
    EXPECT_TRUE(run_to_end(id)) << "fault at " << nth;
    EXPECT_EQ(to_string(job(id).state), to_string(end)) << "fault at " << nth;
    EXPECT_EQ(world_.inconsistency(bottle, end), "") << "fault at " << nth;
    EXPECT_EQ(history_fault(id), "") << "fault at " << nth;
    EXPECT_FALSE(job(id).down_since.has_value());
    EXPECT_EQ(operator_->build_log(id).value_or(schema::BuildLog{}).head, "scripted: " + bottle + " is built\n")
        << "fault at " << nth;
    EXPECT_TRUE(run_until([&] { return operator_->leftovers(id).empty(); }, "the sweep"));
    const bool met = store_faults_.transactions >= nth;
    EXPECT_EQ(stop(), 0);
    return met;
  }
};

TEST_P(DatabaseTrouble, AtAnyTransactionOfASuccess) {
  int nth = 1;
  while (!HasFailure() && run_with_fault_at(nth, State::succeeded)) nth += 2;
  EXPECT_GT(nth, 15);
}

TEST_P(DatabaseTrouble, AtAnyTransactionOfARollback) {
  world_.faults = {{.effect = "healthy", .trouble = Trouble::permanent, .times = always}};
  int nth = 2;
  while (!HasFailure() && run_with_fault_at(nth, State::rolled_back)) nth += 2;
  EXPECT_GT(nth, 20);
}

INSTANTIATE_TEST_SUITE_P(BeforeAndAfterTheCommit, DatabaseTrouble, ::testing::Bool());

class FullDisk : public ServiceFixture {};

TEST_F(FullDisk, PausesClaimingAndLosesNothing) {
  store_faults_ = {.nth = 12, .times = 40, .sqlite_code = sqlite_full};
  start();
  ::testing::internal::CaptureStderr();
  const auto first = approve("dev-1");
  const auto second = approve("dev-2");
  ASSERT_TRUE(run_to_end(first));
  ASSERT_TRUE(run_to_end(second));
  const auto log = ::testing::internal::GetCapturedStderr();

  EXPECT_EQ(job(first).state, State::succeeded);
  EXPECT_EQ(job(second).state, State::succeeded);
  EXPECT_EQ(world_.inconsistency("dev-1", State::succeeded), "");
  EXPECT_EQ(world_.inconsistency("dev-2", State::succeeded), "");
  EXPECT_THAT(log, HasSubstr("the database failed"));
}

TEST_F(FullDisk, RecoveryWaitsForIt) {
  world_.faults = {{.effect = "park_old", .trouble = Trouble::hangs}};
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_until([&] { return world_.running == 1; }, "apply"));
  crash();
  store_faults_ = {.nth = 1, .times = 20, .sqlite_code = sqlite_full};
  start();
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_TRUE(service_->serving());
}

TEST_F(FullDisk, BrokenDatabaseEndsTheServiceWithItsReason) {
  store_faults_ = {.nth = 12, .times = always, .sqlite_code = sqlite_ioerr, .fatal = true};
  ::testing::internal::CaptureStderr();
  start();
  const auto id = approve("dev-1");
  run_until([&] { return exit_code_.has_value(); }, "the service's end");
  const auto log = ::testing::internal::GetCapturedStderr();

  EXPECT_EQ(exit_code_, 1);
  EXPECT_THAT(log, HasSubstr("the service cannot go on"));
  EXPECT_THAT(log, HasSubstr("scripted: the transaction failed"));

  store_faults_ = {};
  start();
  ASSERT_TRUE(run_to_end(id));
  EXPECT_EQ(job(id).state, State::succeeded);
}

TEST_F(FullDisk, ReplacedFileEndsTheService) {
  start();
  ASSERT_TRUE(run_until([&] { return service_->serving(); }, "ready"));
  ::testing::internal::CaptureStderr();
  std::filesystem::rename(database_, directory_ / "elsewhere.db");
  run_until([&] { return exit_code_.has_value(); }, "the service's end");
  const auto log = ::testing::internal::GetCapturedStderr();

  EXPECT_EQ(exit_code_, 1);
  EXPECT_THAT(log, HasSubstr("moved, removed or replaced"));
}

}  // namespace
}  // namespace rebottle::test
