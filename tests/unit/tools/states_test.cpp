// Tests that what `rebottle states` prints, the guard's table in SQL, and the docs are the table of the program.
// Not here: whether the table is right (tests/unit/statemachine).
#include <sqlite3.h>

#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"
#include "statemachine/recovery.hpp"
#include "statemachine/states.hpp"

namespace rebottle::tools {
namespace {

using nlohmann::json;
using statemachine::to_string;
using testing::HasSubstr;

using Row = std::vector<std::string>;

class States : public CliTest {
 protected:
  json document() { return json::parse(run_bare({"states", "-o", "json"}).out); }

  std::set<Row> rows_of(const json& array, const std::vector<std::string>& fields) {
    std::set<Row> rows;
    for (const auto& object : array) {
      Row row;
      for (const auto& field : fields) row.push_back(object.at(field).get<std::string>());
      rows.insert(row);
    }
    return rows;
  }
};

std::set<Row> sql_transitions(const std::filesystem::path& database) {
  std::set<Row> rows;
  sqlite3* connection = nullptr;
  const auto take = [](void* into, int count, char** texts, char**) {
    static_cast<std::set<Row>*>(into)->insert(Row(texts, texts + count));
    return 0;
  };
  EXPECT_EQ(sqlite3_open(database.c_str(), &connection), SQLITE_OK);
  EXPECT_EQ(
      sqlite3_exec(connection, "SELECT from_state, event, to_state, raised_by FROM transitions", take, &rows, nullptr),
      SQLITE_OK);
  sqlite3_close(connection);
  return rows;
}

TEST_F(States, JsonHasEveryRowOfEveryTable) {
  const auto object = document();
  ASSERT_EQ(object["states"].size(), statemachine::state_rows.size());
  ASSERT_EQ(object["transitions"].size(), statemachine::transitions.size());
  ASSERT_EQ(object["ignored"].size(), statemachine::ignored_events.size());
  ASSERT_EQ(object["recovery"].size(), statemachine::recovery_cases.size());
  for (std::size_t i = 0; i < statemachine::transitions.size(); ++i) {
    const auto& row = statemachine::transitions[i];
    EXPECT_EQ(object["transitions"][i], (json{{"from", to_string(row.from)},
                                              {"on", to_string(row.on)},
                                              {"to", to_string(row.to)},
                                              {"by", to_string(row.by)},
                                              {"why", row.why}}));
  }
  for (std::size_t i = 0; i < statemachine::state_rows.size(); ++i) {
    const auto& row = statemachine::state_rows[i];
    EXPECT_EQ(object["states"][i]["state"], to_string(row.state));
    EXPECT_EQ(object["states"][i]["final"], statemachine::is_final(row.state));
    EXPECT_EQ(object["states"][i]["meaning"], row.meaning);
  }
  for (std::size_t i = 0; i < statemachine::recovery_cases.size(); ++i)
    EXPECT_EQ(object["recovery"][i]["action"], to_string(statemachine::recovery_cases[i].action));
}

TEST_F(States, TheGuardInSqlHasTheSameTransitions) {
  store();
  // The guard has the ignored events, too: they are recorded in the history, and lead nowhere.
  auto expected = rows_of(document()["transitions"], {"from", "on", "to", "by"});
  for (const auto& row : rows_of(document()["ignored"], {"in", "on"}))
    expected.insert({row[0], row[1], row[0], "person"});
  EXPECT_EQ(expected.size(), statemachine::transitions.size() + statemachine::ignored_events.size());
  EXPECT_EQ(sql_transitions(database()), expected);
}

TEST_F(States, TheDiagramHasAnArrowForEveryMove) {
  std::set<Row> drawn;
  std::istringstream lines(run_bare({"states", "--diagram"}).out);
  std::string from, arrow, to, rest;
  std::getline(lines, rest);
  EXPECT_EQ(rest, "stateDiagram-v2");
  while (lines >> from >> arrow >> to && std::getline(lines, rest)) {
    EXPECT_EQ(arrow, "-->");
    if (from == "[*]" || to == "[*]") continue;
    std::istringstream events(rest.substr(rest.find(':') + 1));
    std::string event;
    while (std::getline(events >> std::ws, event, ',')) drawn.insert({from, event, to});
  }
  std::set<Row> expected;
  for (const auto& row : rows_of(document()["transitions"], {"from", "on", "to"}))
    if (row[0] != row[2]) expected.insert(row);
  EXPECT_EQ(drawn, expected);
}

TEST_F(States, TheDocsEmbedWhatTheProgramPrints) {
  const std::string begin = "<!-- begin: rebottle states --markdown -->\n";
  const std::string end = "<!-- end -->\n";
  const auto page = repository_file("docs/state-machine.md");
  const auto from = page.find(begin);
  const auto to = page.find(end);
  ASSERT_NE(from, std::string::npos);
  ASSERT_NE(to, std::string::npos);
  EXPECT_EQ(page.substr(from + begin.size(), to - from - begin.size()), run_bare({"states", "--markdown"}).out)
      << "put the output of `rebottle states --markdown` between the two marks of docs/state-machine.md";
}

// As the service does it: tests/unit/worker/engine/requests_test.cpp retries ended jobs.
TEST_F(States, EveryEndCanBeRetried) {
  for (const auto& row : statemachine::state_rows) {
    if (!statemachine::is_final(row.state)) continue;
    EXPECT_THAT(std::string(row.operator_), HasSubstr("retry (a new job)"));
  }
}

TEST_F(States, TableAndNames) {
  expect_golden("states.txt", run_bare({"states"}).out);
  EXPECT_THAT(run_bare({"states", "-o", "name"}).out, HasSubstr("needs_attention\n"));
  EXPECT_EQ(run_bare({"states", "--diagram", "--markdown"}).exit, 2);
  for (const auto* picture : {"--diagram", "--markdown"}) {
    const auto ran = run_bare({"states", picture, "-o", "json"});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_EQ(ran.out, "");
  }
}

}  // namespace
}  // namespace rebottle::tools
