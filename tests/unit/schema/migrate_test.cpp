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

// A database of an older version, with rows in it, becomes the newest one and keeps them.
TEST(Migrate, OlderVersionsAreBroughtUpToDateWithTheirRows) {
  const Folder folder;
  {
    Connection old(folder.database(), Access::create, 0);
    old.set_journal();
    old.sql().exec(std::string(versions().front().steps));
    old.sql().exec("INSERT INTO instance VALUES (1, 'abc', 0, 1000)");
    old.sql().exec("PRAGMA application_id = " + std::to_string(application_id) + "; PRAGMA user_version = 1");
    old.sql().exec(
        "INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by) VALUES ('prop-1', "
        "'capability_block', 'docker', 'dev-1', '{\"change\":{\"commands\":[\"true\"]}}', 'alice')");
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

TEST(Migrate, OpeningTwiceChangesNothing) {
  const Folder folder;
  const auto first = JobStore::open(folder.database(), {})->instance_id();
  EXPECT_EQ(JobStore::open(folder.database(), {})->instance_id(), first);
  EXPECT_EQ(first.size(), 12U);
}

TEST(Migrate, NewerSchemaIsRefused) {
  const Folder folder;
  (void)JobStore::open(folder.database(), {});
  Foreign(folder.database()).run("PRAGMA user_version = 3");
  EXPECT_EQ(error_of_opening(folder.database()),
            "the database has schema version 3, this program speaks up to 2; use a newer rebottle");
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
