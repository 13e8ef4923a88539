// Tests that docs/cli.md names every verb, option and exit code that exists, and none that does not.
// Not here: whether its prose is good.
#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <CLI/CLI.hpp>

#include "cli_fixture.hpp"
#include "tools/command_line.hpp"

namespace rebottle::tools {
namespace {

std::set<std::string> found(const std::string& text, const std::regex& pattern) {
  std::set<std::string> matches;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match)
    matches.insert((*match)[1].str());
  return matches;
}

class Docs : public ::testing::Test {
 protected:
  std::vector<const CLI::App*> verbs() const {
    const CLI::App& app = line_.app;
    return app.get_subcommands([](const CLI::App*) { return true; });
  }
  static std::set<std::string> options_of(const CLI::App& app) {
    std::set<std::string> names;
    for (const auto* option : app.get_options())
      for (const auto& name : option->get_lnames()) names.insert("--" + name);
    return names;
  }

  CommandLine line_;
  std::string page_ = repository_file("docs/cli.md");
};

TEST_F(Docs, HaveASectionForEveryVerbAndNoOther) {
  std::set<std::string> expected;
  for (const auto* verb : verbs()) expected.insert(verb->get_name());
  EXPECT_EQ(found(page_, std::regex("\n### ([a-z]+)")), expected);
}

TEST_F(Docs, HaveARowForEveryExitCodeAndNoOther) {
  std::set<std::string> expected{"| 0 | ok |"};
  for (const auto& row : errc_rows)
    expected.insert("| " + std::to_string(row.exit_code) + " | " + std::string(row.meaning) + " |");
  EXPECT_EQ(found(page_, std::regex("\n(\\| [0-9]+ \\| [^|\n]+ \\|)")), expected);
}

TEST_F(Docs, NameEveryOptionInItsVerbsSection) {
  const auto global = options_of(line_.app);
  for (const auto* verb : verbs()) {
    const auto start = page_.find("\n### " + verb->get_name() + "\n");
    ASSERT_NE(start, std::string::npos) << verb->get_name();
    const auto end = std::min(page_.find("\n### ", start + 1), page_.find("\n## ", start + 1));
    const auto named = found(page_.substr(start, end - start), std::regex("(--[a-z][a-z0-9-]*)"));
    auto expected = options_of(*verb);
    expected.erase("--help");
    // plan takes the options of a change as enqueue does, and says so.
    const bool shares = verb->get_name() == "plan";
    for (const auto& name : expected)
      EXPECT_TRUE(named.contains(name) || (shares && name != "--timeout")) << verb->get_name() << ' ' << name;
    for (const auto& name : named)
      EXPECT_TRUE(expected.contains(name) || global.contains(name)) << verb->get_name() << " has no " << name;
  }
}

TEST_F(Docs, EveryExampleCommandParses) {
  const auto examples = found(page_, std::regex("\n(rebottle [a-z][^\n]+)"));
  EXPECT_GT(examples.size(), 20U);
  for (const auto& example : examples) {
    CommandLine line;
    EXPECT_NO_THROW(line.app.parse(example, true)) << example;
  }
}

}  // namespace
}  // namespace rebottle::tools
