// The schema is what the repository froze, and whatever differs from it is refused.
// REBOTTLE_REWRITE_GOLDEN=1 writes schema/frozen anew for a version that has not landed yet.
#include "schema/migrate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "fixtures.hpp"
#include "schema/embedded.hpp"

namespace rebottle::schema {
namespace {

using testing::Folder;
using testing::Foreign;

std::string error_of_opening(const std::filesystem::path& path) {
  try {
    (void)JobStore::open(path, {});
  } catch (const StoreError& error) {
    return error.what();
  }
  return "";
}

TEST(Migrate, FreshSchemaEqualsTheFrozenOne) {
  Connection connection(":memory:", Access::create, 0);
  for (const auto& version : versions()) {
    connection.sql().exec(std::string(version.steps));
    const auto dump = schema_dump(connection);
    if (std::getenv("REBOTTLE_REWRITE_GOLDEN") != nullptr && version.number == versions().back().number) {
      const auto file =
          std::string(REBOTTLE_SOURCE_DIR) + "/schema/frozen/000" + std::to_string(version.number) + ".sql";
      std::ofstream(file) << dump;
      GTEST_SKIP() << "wrote " << file << "; build again";
    }
    EXPECT_EQ(dump, version.frozen) << "schema version " << version.number;
  }
}

// A database as the program of that version made it.
Connection database_of(const std::filesystem::path& path, int number) {
  Connection old(path, Access::create, 0);
  old.set_journal();
  for (const auto& version : versions())
    if (version.number <= number) old.sql().exec(std::string(version.steps));
  old.sql().exec("INSERT INTO instance VALUES (1, 'abc', 0, 1000)");
  old.sql().exec("PRAGMA application_id = " + std::to_string(application_id) +
                 "; PRAGMA user_version = " + std::to_string(number));
  return old;
}

void approve(Connection& connection, const std::string& approval_id) {
  connection.sql().exec("INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by) VALUES ('" +
                        approval_id +
                        "', 'capability_block', 'docker', 'dev-1', '{\"change\":{\"commands\":[\"true\"]}}', 'alice')");
}

// A database of an older version, with rows in it, becomes the newest one and keeps them.
TEST(Migrate, OlderVersionsAreBroughtUpToDateWithTheirRows) {
  for (int number = 1; number < versions().back().number; ++number) {
    SCOPED_TRACE(number);
    const Folder folder;
    {
      auto old = database_of(folder.database(), number);
      approve(old, "prop-1");
      old.sql().exec(
          "INSERT INTO leftovers (job_id, backend, kind, reference, not_before, created_at) VALUES (1, 'docker', "
          "'image_tag', '{}', 2000, 1000)");
    }
    const auto store = JobStore::open(folder.database(), {});
    EXPECT_EQ(store->instance_id(), "abc");
    const auto job = store->job(1);
    ASSERT_TRUE(job);
    EXPECT_EQ(job->state, statemachine::State::queued);
    EXPECT_EQ(job->undoes, std::nullopt);
    const auto leftovers = store->leftovers_due(2000);
    ASSERT_EQ(leftovers.size(), 1U);
    EXPECT_FALSE(leftovers[0].way_back);
  }
}

// Version 2 took the change that the clock called the last one.
TEST(Migrate, TheStandingChangeIsTheLastOneFromVersion3On) {
  const Folder folder;
  {
    auto old = database_of(folder.database(), 2);
    const auto move = [&old](const std::string& job_id, const std::string& set) {
      old.sql().exec("UPDATE jobs SET seq = seq + 1, updated_at = 20, " + set + " WHERE job_id = " + job_id);
    };
    old.sql().exec(
        "UPDATE instance SET last_fence = 1; INSERT INTO epochs (boot_id, pid, process_start, nonce, host, version, "
        "fence, started_at) VALUES ('b', 1, '1', 'n', 'h', 'v', 1, 1000)");
    for (const auto& [job_id, finalized_at] : {std::pair{"1", "40"}, std::pair{"2", "30"}}) {
      approve(old, job_id);
      old.sql().exec("UPDATE instance SET last_fence = last_fence + 1");
      move(job_id,
           "state = 'prepare', event = 'claim', actor = 'w', target = 't', epoch_id = 1, attempt = 1, claimed_at = 20, "
           "fence = (SELECT last_fence FROM instance)");
      old.sql().exec("INSERT INTO bottles (backend, bottle, target, last_job_id) VALUES ('docker', 'dev-1', 't', " +
                     std::string(job_id) + ") ON CONFLICT DO UPDATE SET last_job_id = excluded.last_job_id");
      for (const auto* state : {"snapshot", "stop", "apply", "restart", "verify"})
        move(job_id, "event = 'step_done', state = '" + std::string(state) + "'");
      move(job_id, "event = 'step_done', state = 'succeeded', finalized_at = " + std::string(finalized_at));
    }
    EXPECT_EQ(old.number("SELECT job_id FROM standing_jobs"), 1);
  }
  EXPECT_EQ(JobStore::open(folder.database(), {})->standing("docker", "dev-1").job_id, 2);
}

TEST(Migrate, OpeningTwiceChangesNothing) {
  const Folder folder;
  const auto first = JobStore::open(folder.database(), {})->instance_id();
  EXPECT_EQ(JobStore::open(folder.database(), {})->instance_id(), first);
  EXPECT_EQ(first.size(), 12U);
}

TEST(Migrate, NewerSchemaIsRefused) {
  const Folder folder;
  (void)JobStore::open(folder.database(), {});
  Foreign(folder.database()).run("PRAGMA user_version = 4");
  EXPECT_EQ(error_of_opening(folder.database()),
            "the database has schema version 4, this program speaks up to 3; use a newer rebottle");
}

TEST(Migrate, AnotherProgramsDatabaseIsRefusedAndLeftAlone) {
  const Folder folder;
  Connection(folder.database(), Access::create, 0).sql().exec("CREATE TABLE theirs (x)");
  EXPECT_EQ(error_of_opening(folder.database()), "the file is not a database of rebottle; give another path");
  Foreign foreign(folder.database());
  EXPECT_EQ(foreign.value("PRAGMA journal_mode"), "delete");
  EXPECT_EQ(foreign.value("SELECT count(*) FROM sqlite_schema"), "1");
}

TEST(Migrate, AFileThatIsNoDatabaseIsRefusedAndLeftAlone) {
  const Folder folder;
  const std::string text(5000, 'x');
  std::ofstream(folder.database()) << text;
  EXPECT_THAT(error_of_opening(folder.database()), ::testing::HasSubstr("file is not a database"));
  std::ifstream file(folder.database());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

TEST(Migrate, AnEmptyFileIsRefusedWithoutCreate) {
  const Folder folder;
  { std::ofstream(folder.database()); }
  OpenOptions options;
  options.create = false;
  EXPECT_THROW((void)JobStore::open(folder.database(), options), StoreError);
  EXPECT_THROW((void)OperatorStore::open(folder.database()), StoreError);
  EXPECT_EQ(std::filesystem::file_size(folder.database()), 0U);
}

struct Tampering {
  std::string sql;
  std::string named;
};

class MigrateTampering : public ::testing::TestWithParam<Tampering> {};

TEST_P(MigrateTampering, IsRefusedByName) {
  const Folder folder;
  (void)JobStore::open(folder.database(), {});
  Foreign(folder.database()).run(GetParam().sql);
  EXPECT_THAT(error_of_opening(folder.database()), ::testing::HasSubstr(GetParam().named));
  EXPECT_THROW((void)OperatorStore::open(folder.database()), StoreError);
}

INSTANTIATE_TEST_SUITE_P(
    Schema, MigrateTampering,
    ::testing::Values(
        Tampering{"CREATE TRIGGER spy AFTER INSERT ON approvals BEGIN DELETE FROM requests; END",
                  "trigger spy is foreign"},
        Tampering{"CREATE VIEW spy AS SELECT * FROM jobs", "view spy is foreign"},
        Tampering{"CREATE TABLE spy (x)", "table spy is foreign"},
        Tampering{"CREATE INDEX spy ON jobs (state)", "index spy is foreign"},
        Tampering{"DROP TRIGGER jobs_update_guard", "something is missing"},
        Tampering{"DROP VIEW jobs_view", "something is missing"},
        Tampering{"DROP TABLE transitions", "something is missing"},
        Tampering{"ALTER TABLE jobs ADD COLUMN extra TEXT", "table jobs is foreign or altered"},
        Tampering{"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'history_delete_guard'",
                  "something is missing"},
        Tampering{"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'never deleted', 'x') "
                  "WHERE name = 'history_delete_guard'",
                  "trigger history_delete_guard is foreign or altered"},
        Tampering{"DROP TRIGGER transitions_delete_guard; DELETE FROM transitions WHERE event = 'claim'; "
                  "CREATE TRIGGER transitions_delete_guard BEFORE DELETE ON transitions\nBEGIN\n  SELECT RAISE(ABORT, "
                  "'transitions: the state machine is fixed by the version of the schema');\nEND",
                  "something is missing"}));

TEST(Migrate, VersionsAreNumberedWithoutAGap) {
  int expected = 0;
  for (const auto& version : versions()) EXPECT_EQ(version.number, ++expected);
}

}  // namespace
}  // namespace rebottle::schema
