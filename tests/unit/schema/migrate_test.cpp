// The schema is what the repository froze, and whatever differs from it is refused.
// REBOTTLE_REWRITE_GOLDEN=1 writes schema/frozen anew for a version that has not landed yet.
#include "schema/migrate.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "fixtures.hpp"
#include "schema/embedded.hpp"
#include "statemachine/states.hpp"

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

TEST(Migrate, OpeningTwiceChangesNothing) {
  const Folder folder;
  const auto first = JobStore::open(folder.database(), {})->instance_id();
  EXPECT_EQ(JobStore::open(folder.database(), {})->instance_id(), first);
  EXPECT_EQ(first.size(), 12U);
}

TEST(Migrate, NewerSchemaIsRefused) {
  const Folder folder;
  (void)JobStore::open(folder.database(), {});
  Foreign(folder.database()).run("PRAGMA user_version = 2");
  EXPECT_EQ(error_of_opening(folder.database()),
            "the database has schema version 2, this program speaks up to 1; use a newer rebottle");
}

}  // namespace
}  // namespace rebottle::schema
