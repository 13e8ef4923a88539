// What the reads cost that the service makes at every look, however much is queued, finished or frozen.
// Not here: what they answer (job_store_owner_test.cpp, job_store_requests_test.cpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/job_statements.hpp"
#include "store_fixture.hpp"

namespace rebottle::schema {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::Foreign;
using ::testing::HasSubstr;
using ::testing::Not;

class JobStoreLooks : public testing::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    foreign_ = std::make_unique<Foreign>(folder_.database());
    connection_ = std::make_unique<Connection>(folder_.database(), Access::read_write, 10'000);
    statements_ = std::make_unique<JobStatements>(connection_->sql());
  }

  // `count` approvals on five bottles, numbered on; SQL expressions over i for the rest.
  void enqueue_many(int count, const std::string& priority = "0", const std::string& scheduled_at = "0") {
    foreign_->run("WITH RECURSIVE n(i) AS (SELECT " + std::to_string(enqueued_) +
                  " UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(enqueued_ + count - 1) +
                  ") INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by, priority, "
                  "scheduled_at) SELECT 'p' || i, 'capability_block', 'docker', 'b' || (i % 5), "
                  "'{\"change\":{\"image\":\"i\"}}', 'alice', " +
                  priority + ", " + scheduled_at + " FROM n");
    enqueued_ += count;
  }
  void finish_all() {
    foreign_->run(
        "UPDATE jobs SET seq = seq + 1, state = 'cancelled', event = 'cancel', finalized_at = 50, updated_at = 50 "
        "WHERE state = 'queued'");
  }
  void freeze_many(int count, const std::string& expires_at, const std::string& bottle = "'f' || i") {
    foreign_->run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(count) +
                  ") INSERT INTO freezes (backend, bottle, reason, frozen_by, created_at, expires_at) "
                  "SELECT 'docker', " +
                  bottle + ", 'r', 'bob', 10, " + expires_at + " FROM n");
  }

  // The lines of EXPLAIN QUERY PLAN.
  std::vector<std::string> plan(const SQLite::Statement& statement) {
    const auto values = foreign_->values("EXPLAIN QUERY PLAN " + statement.getQuery());
    std::vector<std::string> lines;
    for (std::size_t i = 3; i < values.size(); i += 4) lines.push_back(values[i]);
    return lines;
  }
  // The instructions that SQLite runs for all rows of a query; the same on every machine.
  int work(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(foreign_->get(), sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(foreign_->get()));
    const auto bind = [&](const char* name, const std::string& text) {
      if (const int at = sqlite3_bind_parameter_index(statement, name); at > 0)
        sqlite3_bind_text(statement, at, text.c_str(), -1, SQLITE_TRANSIENT);
    };
    if (const int now = sqlite3_bind_parameter_index(statement, ":now"); now > 0)
      sqlite3_bind_int64(statement, now, now_);
    bind(":open", R"(["docker"])");
    bind(":listed", R"(["docker"])");
    rows_ = 0;
    while (sqlite3_step(statement) == SQLITE_ROW) ++rows_;
    const int steps = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
    sqlite3_finalize(statement);
    return steps;
  }
  int work(const SQLite::Statement& statement) { return work(statement.getQuery()); }

  static constexpr Milliseconds now_ = 3'000'000'000'000;
  std::unique_ptr<Foreign> foreign_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<JobStatements> statements_;
  int enqueued_ = 0;
  int rows_ = 0;
};

TEST_F(JobStoreLooks, ClaimableCostsTheSameForEachQueuedJob) {
  enqueue_many(1000);
  const int thousand = work(statements_->claimable);
  EXPECT_EQ(rows_, 5);
  enqueue_many(9000);
  const int ten_thousand = work(statements_->claimable);
  EXPECT_EQ(rows_, 5);
  EXPECT_LT(ten_thousand, 12 * thousand);
}

TEST_F(JobStoreLooks, ClaimableIsNotHeldUpByJobsThatAreNotDue) {
  enqueue_many(1000, "-1", "4000000000000");
  enqueue_many(1000);
  const int two_thousand = work(statements_->claimable);
  enqueue_many(4000, "-1", "4000000000000");
  enqueue_many(4000);
  EXPECT_LT(work(statements_->claimable), 6 * two_thousand);
  EXPECT_EQ(rows_, 5);
}

TEST_F(JobStoreLooks, ClaimableDoesNotReadTheFreezesOfOthersNorThoseThatAreOver) {
  enqueue_many(100);
  const int without = work(statements_->claimable);
  freeze_many(2000, "NULL");
  freeze_many(2000, "20");
  freeze_many(2000, "20", "''");
  freeze_many(2000, "20", "'b' || (i % 5)");
  store_->lift_expired_freezes(now_);
  EXPECT_LT(work(statements_->claimable), 2 * without);
  EXPECT_EQ(rows_, 5);
}

TEST_F(JobStoreLooks, ClaimableSearchesForWhatStandsInTheWay) {
  const auto lines = plan(statements_->claimable);
  EXPECT_THAT(lines, Contains("SCAN jobs USING INDEX jobs_turns").Times(1));
  EXPECT_THAT(lines, Contains("SEARCH h USING INDEX jobs_held (backend=? AND bottle=?)"));
  EXPECT_THAT(lines, Contains("SEARCH f USING INDEX freezes_scope (backend=? AND bottle=?)"));
  for (const auto* alias : {"SCAN h", "SCAN f", "SCAN a"}) EXPECT_THAT(lines, Each(Not(HasSubstr(alias))));
}

TEST_F(JobStoreLooks, ClaimableReadsNothingOfWhatJobsSay) {
  for (int column = 0; column < statements_->claimable.getColumnCount(); ++column)
    EXPECT_THAT(std::string(statements_->claimable.getColumnName(column)), AnyOf("job_id", "backend", "bottle"));
  EXPECT_THAT(plan(statements_->claimable), Each(Not(HasSubstr("approvals"))));
}

TEST_F(JobStoreLooks, WorkingReadsNeitherFinishedNorQueuedJobs) {
  const auto at_work = claim(enqueue(testing::approval_of("at-work", "w"))).job_id;
  const int alone = work(statements_->working);
  EXPECT_EQ(rows_, 1);
  enqueue_many(2000);
  finish_all();
  enqueue_many(2000);
  EXPECT_EQ(work(statements_->working), alone);
  EXPECT_EQ(rows_, 1);
  EXPECT_EQ(store_->working().at(0).job_id, at_work);
  EXPECT_THAT(plan(statements_->working), Contains("SCAN jobs USING INDEX jobs_held"));
}

TEST_F(JobStoreLooks, AnUndoSearchesForWhatIsUnfinished) {
  EXPECT_THAT(plan(statements_->unfinished_beside),
              AllOf(Contains("SEARCH h USING INDEX jobs_held (backend=? AND bottle=?)"),
                    Contains("SEARCH q USING INDEX jobs_turns (backend=? AND bottle=?)")));
}

TEST_F(JobStoreLooks, PendingRequestsAreSearchedWithoutTheirArgs) {
  EXPECT_THAT(plan(statements_->requests_pending),
              ElementsAre("SEARCH requests USING INDEX requests_pending (request_id>?)"));
  EXPECT_EQ(statements_->requests_pending.getColumnCount(), 3);
}

TEST_F(JobStoreLooks, TheListOfAFullQueueCostsTheSameForEachJob) {
  enqueue_many(1000);
  const int thousand = work("SELECT blocked_by FROM jobs_view");
  enqueue_many(4000);
  EXPECT_LT(work("SELECT blocked_by FROM jobs_view"), 6 * thousand);
}

}  // namespace
}  // namespace rebottle::schema
