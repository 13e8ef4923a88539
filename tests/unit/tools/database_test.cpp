// Tests of migrate and version, of the default path, and of databases that cannot be used.
// Not here: the migrations themselves (tests/unit/schema).
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"
#include "schema/schema_version.hpp"
#include "tools/context.hpp"

namespace rebottle::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

class Database : public CliTest {
 protected:
  // Runs `work` in a child without privileges and returns what it returned.
  int as_nobody(const std::function<int()>& work) {
    const pid_t child = fork();
    if (child == 0) {
      constexpr uid_t nobody = 65534;
      if (geteuid() == 0 && (setresgid(nobody, nobody, nobody) != 0 || setresuid(nobody, nobody, nobody) != 0))
        _exit(99);
      _exit(work());
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(Database, MigrateMakesItAndSaysSo) {
  const auto check = run({"migrate", "--check"});
  EXPECT_EQ(check.exit, 1);
  EXPECT_THAT(check.err, HasSubstr("there is no database yet; `rebottle migrate` makes one"));
  EXPECT_FALSE(fs::exists(database()));

  const auto version = std::to_string(schema::schema_version_spoken());
  const auto made = run({"migrate"});
  EXPECT_EQ(made.exit, 0);
  EXPECT_EQ(made.out, database().string() + ": nothing → version " + version + "\n");
  EXPECT_EQ(run({"migrate"}).out, database().string() + ": version " + version + ", nothing to do\n");
  EXPECT_EQ(run({"migrate", "--check"}).exit, 0);
  EXPECT_EQ(run({"list"}).exit, 0);
}

TEST_F(Database, CheckRefusesWhatEveryVerbRefuses) {
  store();
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open(database().c_str(), &connection), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(connection, "CREATE TABLE foreign_table (x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(connection);
  EXPECT_EQ(run({"list"}).exit, 1);
  const auto check = run({"migrate", "--check"});
  EXPECT_EQ(check.exit, 1);
  EXPECT_EQ(check.err, run({"list"}).err);
}

TEST_F(Database, MigrateSpeaksJson) {
  EXPECT_EQ(json::parse(run({"migrate", "-o", "json"}).out), (json{{"database", database().string()},
                                                                   {"from", nullptr},
                                                                   {"to", schema::schema_version_spoken()},
                                                                   {"spoken", schema::schema_version_spoken()}}));
}

TEST_F(Database, AMissingOneIsNotFound) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"list"},
                                                    {"show", "1"},
                                                    {"enqueue", "docker", "dev-1", "--image", "a:1"},
                                                    {"cancel", "1"},
                                                    {"freeze", "--all", "--reason", "x"},
                                                    {"backends"}}) {
    const auto ran = run(arguments);
    EXPECT_EQ(ran.exit, 3) << arguments[0];
    EXPECT_EQ(ran.err, "rebottle: there is no database at " + database().string() +
                           "; `rebottle migrate` makes one, --db names another\n");
    EXPECT_FALSE(fs::exists(database())) << arguments[0];
  }
}

TEST_F(Database, AFileThatIsNoneOfOursIsRefused) {
  std::ofstream(database()) << "this is a letter to my mother, and much longer than the header of a database file ....";
  EXPECT_EQ(run({"list"}).exit, 1);
  EXPECT_EQ(run({"migrate"}).exit, 1);
  EXPECT_EQ(run({"migrate", "--check"}).exit, 1);
  EXPECT_THAT(run({"list"}).err, testing::StartsWith("rebottle: "));
}

TEST_F(Database, AClosedOneIsDenied) {
  store();
  ASSERT_EQ(chmod(directory().c_str(), 0755), 0);
  ASSERT_EQ(chmod(database().c_str(), 0), 0);
  const auto denied = [this] {
    const auto ran = run({"list"});
    const bool says_why = ran.err.find("olga may not use ") != std::string::npos &&
                          ran.err.find("ask for membership in the group ") != std::string::npos;
    return says_why ? ran.exit : 98;
  };
  EXPECT_EQ(as_nobody(denied), 4);
  EXPECT_EQ(as_nobody([this] { return run({"migrate"}).exit; }), 4);
  EXPECT_EQ(as_nobody([this] { return run({"supports", "docker", "capability_block"}).exit; }), 4);
}

TEST_F(Database, AClosedDirectoryIsDenied) {
  store();
  ASSERT_EQ(chmod(directory().c_str(), 0), 0);
  EXPECT_EQ(as_nobody([this] { return run({"list"}).exit; }), 4);
  ASSERT_EQ(chmod(directory().c_str(), 0700), 0);
}

TEST_F(Database, ReadingAloneIsDeniedToo) {
  // A reader of a WAL database writes to its shared memory.
  store();
  ASSERT_EQ(chmod(directory().c_str(), 0755), 0);
  ASSERT_EQ(chmod(database().c_str(), 0444), 0);
  EXPECT_EQ(as_nobody([this] { return run({"list"}).exit; }), 4);
}

TEST_F(Database, TheFlagWinsOverTheVariable) {
  store();
  variables_["REBOTTLE_DB"] = (directory() / "other.db").string();
  EXPECT_EQ(run({"list"}).exit, 0);
  EXPECT_THAT(run_bare({"list"}).err, HasSubstr("other.db"));
  variables_["REBOTTLE_DB"] = database().string();
  EXPECT_EQ(run_bare({"list"}).exit, 0);
}

TEST_F(Database, DefaultsToTheSystemsOrTheUsersOwn) {
  variables_["XDG_STATE_HOME"] = (directory() / "state").string();
  system_directory_ = directory() / "system";
  const std::string own = (directory() / "state/rebottle/rebottle.db").string();
  const std::string system = (directory() / "system/rebottle.db").string();
  ASSERT_EQ(chmod(directory().c_str(), 0755), 0);
  const auto names = [this](const std::string& path) {
    return [this, path] { return run_bare({"list"}).err.find(path) == std::string::npos ? 1 : 0; };
  };
  EXPECT_EQ(as_nobody(names(own)), 0);  // there is no system's directory
  fs::create_directory(system_directory_);
  ASSERT_EQ(chmod(system_directory_.c_str(), 0777), 0);
  EXPECT_EQ(as_nobody(names(system)), 0);
  ASSERT_EQ(chmod(system_directory_.c_str(), 0700), 0);
  EXPECT_EQ(as_nobody([this] { return run_bare({"list"}).exit; }), geteuid() == 0 ? 4 : 3);
  fs::create_directories(directory() / "state/rebottle");
  std::ofstream(own) << "";
  ASSERT_EQ(chmod(own.c_str(), 0), 0);
  EXPECT_EQ(as_nobody(names(geteuid() == 0 ? own : system)), 0);  // their own exists
}

TEST_F(Database, WithoutXdgTheHomeDirectoryIsUsed) {
  variables_["HOME"] = (directory() / "home").string();
  ASSERT_EQ(chmod(directory().c_str(), 0755), 0);
  EXPECT_EQ(as_nobody([this] {
              return run_bare({"list"}).err.find("home/.local/state/rebottle/rebottle.db") == std::string::npos ? 1 : 0;
            }),
            0);
}

TEST_F(Database, VersionNamesProgramAndSchema) {
  const auto ran = run_bare({"version"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(
      ran.out.find("rebottle " + json::parse(run_bare({"version", "-o", "json"}).out)["version"].get<std::string>()),
      0U);
  EXPECT_EQ(run_bare({"--version"}).exit, 0);
  EXPECT_EQ(run_bare({"--version"}).out, ran.out.substr(0, ran.out.find(',')) + "\n");
}

}  // namespace
}  // namespace rebottle::tools
