// Tests of tools/table.hpp and tools/json_text.hpp: what reaches the terminal.
// Not here: which columns a verb has.
#include "tools/table.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/json_text.hpp"

namespace rebottle::tools {
namespace {

using Rows = std::vector<std::vector<Cell>>;

std::string printed(const std::vector<Column>& columns, const Rows& rows, const TableStyle& style) {
  std::ostringstream out;
  print_table(out, columns, rows, style);
  return out.str();
}

const std::vector<Column> two{{.title = "NAME"}, {.title = "NOTE", .stretches = true}};

TEST(Table, AlignsByColumnsOfTheTerminal) {
  EXPECT_EQ(printed(two, {{{"日本"}, {"x"}}, {{"größer"}, {"y"}}}, {}),
            "NAME    NOTE\n"
            "日本    x\n"
            "größer  y\n");
}

TEST(Table, HasNoTrailingBlanks) { EXPECT_EQ(printed(two, {{{"a"}, {""}}}, {}), "NAME  NOTE\na\n"); }

TEST(Table, KeepsHostileCellsOnOneLine) {
  const auto text = printed(two, {{{"a\nb"}, {"\x1b[2J\u202e"}}}, {});
  EXPECT_EQ(text, "NAME  NOTE\na\\nb  \\x1b[2J\\u202e\n");
}

TEST(Table, CutsTheStretchingColumnToTheTerminalAndOnlyThere) {
  const Rows rows{{{"name"}, {"a note that is too long for it"}}};
  EXPECT_EQ(printed(two, rows, {.width = 20}), "NAME  NOTE\nname  a note that i…\n");
  EXPECT_NE(printed(two, rows, {}).find("too long for it"), std::string::npos);
  EXPECT_NE(printed(two, rows, {.wide = true, .width = 20}).find("too long for it"), std::string::npos);
}

TEST(Table, ShowsWideColumnsOnlyWhenWide) {
  const std::vector<Column> columns{{.title = "A"}, {.title = "B", .wide_only = true}, {.title = "C"}};
  const Rows rows{{{"1"}, {"2"}, {"3"}}};
  EXPECT_EQ(printed(columns, rows, {}), "A  C\n1  3\n");
  EXPECT_EQ(printed(columns, rows, {.wide = true}), "A  B  C\n1  2  3\n");
}

TEST(Table, ColoursWithoutMovingTheColumns) {
  const Rows rows{{{"ok", Tone::good}, {"n"}}};
  EXPECT_EQ(printed(two, rows, {.colour = true, .titles = false}), "\x1b[32mok\x1b[0m  n\n");
}

TEST(JsonText, IsAsciiWhateverTheText) {
  const Json object{{"text", "\x1b[2J \u202e \u009b \xff größer\x7f"}};
  const std::string line = json_line(object);
  for (const char byte : line) {
    EXPECT_GE(byte, 0x20);
    EXPECT_LT(byte, 0x7f);
  }
  EXPECT_EQ(Json::parse(line)["text"], "\x1b[2J \u202e \u009b \ufffd größer\x7f");
}

TEST(JsonText, SummarisesObjectsAndKeepsOtherText) {
  EXPECT_EQ(json_summary(R"({"effect":"create_new","tries":2,"none":null,"empty":"","deep":{"a":[1]}})"),
            R"(effect=create_new tries=2 deep={"a":[1]})");
  EXPECT_EQ(json_summary("{}"), "");
  EXPECT_EQ(json_summary("no json"), "no json");
  EXPECT_EQ(json_summary("[1,2]"), "[1,2]");
}

TEST(JsonText, GivesWhatIsNestedLinesOfItsOwn) {
  using testing::ElementsAre;
  EXPECT_THAT(json_lines("{}"), ElementsAre());
  EXPECT_THAT(json_lines("no json"), ElementsAre("no json"));
  EXPECT_THAT(json_lines(R"({"job_id":2})"), ElementsAre("job_id=2"));
  EXPECT_THAT(json_lines(R"({"cause":{"message":"m","detail":{}},"step":"stop","none":{}})"),
              ElementsAre("step=stop", "cause: message=m"));
  EXPECT_THAT(json_lines(R"({"observed":{"a":{"world":"absent"},"b":{"world":"present"}}})"),
              ElementsAre("observed.a: world=absent", "observed.b: world=present"));
}

}  // namespace
}  // namespace rebottle::tools
