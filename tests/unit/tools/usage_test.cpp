// Tests of the command line itself: help, wrong usage, exit codes, formats and colour.
// Not here: what verbs do.
#include <gmock/gmock.h>

#include "cli_fixture.hpp"
#include "tools/errors.hpp"

namespace rebottle::tools {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Usage : public CliTest {};

const std::vector<std::string> verbs{"enqueue",  "plan",     "list",     "show",     "history", "watch",
                                     "wait",     "cancel",   "retry",    "rollback", "resolve", "freeze",
                                     "unfreeze", "supports", "backends", "bottles",  "freezes", "states",
                                     "migrate",  "version",  "log",      "undo"};

TEST(ErrcTable, HasTheCodesOfTheDesign) {
  const std::map<Errc, int> expected{{Errc::failure, 1},         {Errc::usage, 2},      {Errc::not_found, 3},
                                     {Errc::denied, 4},          {Errc::conflict, 5},   {Errc::not_succeeded, 6},
                                     {Errc::needs_attention, 7}, {Errc::no_service, 8}, {Errc::timed_out, 124},
                                     {Errc::interrupted, 130}};
  EXPECT_EQ(expected.size(), errc_rows.size());
  for (const auto& [errc, code] : expected) EXPECT_EQ(exit_code(errc), code);
}

TEST_F(Usage, HelpListsEveryVerbOnceAndTheExitCodes) {
  const auto ran = run_bare({"--help"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.err, "");
  for (const auto& verb : verbs) EXPECT_THAT(ran.out, HasSubstr("\n  " + verb + " "));
  for (const auto& row : errc_rows) EXPECT_THAT(ran.out, HasSubstr(std::string(row.meaning)));
  expect_golden("help.txt", ran.out);
}

TEST_F(Usage, EveryVerbHasHelpWithItsExamplesFirst) {
  for (const auto& verb : verbs) {
    const auto ran = run_bare({verb, "--help"});
    EXPECT_EQ(ran.exit, 0) << verb;
    const auto examples = ran.out.find("Examples:\n  rebottle " + verb);
    ASSERT_NE(examples, std::string::npos) << ran.out;
    EXPECT_LT(examples, ran.out.find("Usage: rebottle " + verb)) << ran.out;
  }
  expect_golden("help-enqueue.txt", run_bare({"enqueue", "--help"}).out);
}

TEST_F(Usage, NoVerbIsAnError) {
  const auto ran = run_bare({});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_EQ(ran.err, "rebottle: no verb was given; see `rebottle --help`\n");
}

TEST_F(Usage, UnknownVerbNamesTheNearest) {
  const auto ran = run_bare({"lsit"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "rebottle: unknown verb lsit; did you mean `list`?\n");
  EXPECT_THAT(run_bare({"frobnicate"}).err, HasSubstr("see `rebottle --help`"));
}

TEST_F(Usage, UnknownOptionNamesTheNearest) {
  EXPECT_EQ(run_bare({"list", "--stat", "queued"}).err, "rebottle: unknown option --stat; did you mean `--state`?\n");
  const auto ran = run_bare({"wait", "--timeuot=5"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_EQ(ran.err, "rebottle: unknown option --timeuot; did you mean `--timeout`?\n");
  EXPECT_THAT(run_bare({"states", "--dbb", "x"}).err, HasSubstr("did you mean `--db`?"));
}

TEST_F(Usage, AnOptionBeforeItsVerbIsToldItsPlace) {
  const auto ran = run_bare({"--limit", "3", "list"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_EQ(ran.err, "rebottle: --limit belongs to the verb; write `rebottle list --limit …`\n");
}

TEST_F(Usage, AfterTwoDashesNothingIsAnOption) {
  const auto ran = run_bare({"enqueue", "null", "--", "-x", "--image", "a"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, StartsWith("rebottle: unexpected argument --image; "));
}

TEST_F(Usage, UnknownWordNamesTheNearest) {
  EXPECT_THAT(run_bare({"states", "-o", "jsno"}).err, HasSubstr("unknown value jsno; did you mean `json`?"));
  EXPECT_THAT(run_bare({"states", "--color", "red"}).err, HasSubstr("known are: auto, always, never"));
  const auto ran = run_bare({"list", "--state", "succeded"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_EQ(ran.err, "rebottle: unknown state succeded; did you mean `succeeded`?\n");
}

TEST_F(Usage, MissingAndSuperfluousArgumentsAreErrors) {
  EXPECT_EQ(run_bare({"show"}).exit, 2);
  EXPECT_THAT(run_bare({"show"}).err, HasSubstr("JOB is required"));
  EXPECT_EQ(run_bare({"show", "1", "2"}).exit, 2);
  EXPECT_THAT(run_bare({"show", "1", "2"}).err, HasSubstr("unexpected argument 2"));
  EXPECT_EQ(run_bare({"wait", "1", "--timeout", "soon"}).exit, 2);
  EXPECT_THAT(run_bare({"wait", "1", "--timeout", "soon"}).err, HasSubstr("write for example 90s"));
  EXPECT_EQ(run_bare({"list", "--limit", "many"}).exit, 2);
  for (const auto* limit : {"0", "10001", "2147483647"}) {
    EXPECT_EQ(run_bare({"list", "--limit", limit}).exit, 2) << limit;
    EXPECT_THAT(run_bare({"list", "--limit", limit}).err, HasSubstr("range 1 to 10000"));
  }
}

TEST_F(Usage, AnEmptyValueDoesNotEatTheNextArgument) {
  const auto ran = run_bare({"enqueue", "docker", "dev-1", "--justification=", "--wait"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("--justification has an empty value"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--db", "", "list"}, {"list", "--bottle", ""}, {"wait", "1", "--for", ""}})
    EXPECT_THAT(run_bare(words).err, HasSubstr(" has an empty value; "));
}

TEST_F(Usage, HostileArgumentsAreEscapedInErrors) {
  const auto ran = run_bare({"\x1b[2Jlist\n"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr(R"(\x1b[2Jlist\n)"));
  EXPECT_THAT(ran.err, Not(HasSubstr("\x1b")));
}

TEST_F(Usage, GlobalOptionsMayFollowTheVerb) {
  const auto before = run_bare({"-o", "name", "states"});
  const auto after = run_bare({"states", "-o", "name"});
  EXPECT_EQ(before.exit, 0);
  EXPECT_EQ(before.out, after.out);
  EXPECT_THAT(after.out, StartsWith("queued\nprepare\n"));
}

TEST_F(Usage, OnlyATerminalIsDecorated) {
  EXPECT_THAT(run_bare({"states"}).out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(run_bare({"states"}).out, Not(HasSubstr("✓")));
  tty_ = true;
  EXPECT_THAT(run_bare({"states"}).out, HasSubstr("\x1b[32m✓ succeeded"));
}

TEST_F(Usage, NoColorAndDumbTerminalsSwitchColourOffButKeepTheSymbol) {
  tty_ = true;
  variables_["NO_COLOR"] = "1";
  variables_["CLICOLOR_FORCE"] = "1";
  EXPECT_THAT(run_bare({"states"}).out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(run_bare({"states"}).out, HasSubstr("✓ succeeded"));
  EXPECT_THAT(run_bare({"states", "--color=always"}).out, HasSubstr("\x1b"));
  variables_ = {{"NO_COLOR", ""}};  // empty means not set
  EXPECT_THAT(run_bare({"states"}).out, HasSubstr("\x1b"));
  variables_ = {{"TERM", "dumb"}};
  EXPECT_THAT(run_bare({"states"}).out, Not(HasSubstr("\x1b")));
}

TEST_F(Usage, ColourOnAPipeOnlyIfForced) {
  variables_["CLICOLOR_FORCE"] = "1";
  EXPECT_THAT(run_bare({"states"}).out, HasSubstr("\x1b"));
  EXPECT_THAT(run_bare({"states", "--color", "never"}).out, Not(HasSubstr("\x1b")));
  variables_["CLICOLOR_FORCE"] = "0";
  EXPECT_THAT(run_bare({"states"}).out, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace rebottle::tools
