// Tests of list, show, history and bottles: golden output, paging, waiting reasons, hostile text.
// Not here: waiting (wait_test.cpp).
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"
#include "tools/job_text.hpp"

namespace rebottle::tools {
namespace {

using nlohmann::json;
using statemachine::Event;
using testing::HasSubstr;
using testing::Not;

constexpr auto hostile = "\x1b[2J\x1b]0;owned\x07 line\nbreak \u202ereversed \u009b31m";

class List : public CliTest {
 protected:
  // A job in each stretch of its life.
  void fill() {
    succeed(insert({.approval_id = "prop-1"}));
    const auto attention = insert({.approval_id = "prop-2", .bottle = "dev-2"});
    claim(attention);
    drive(attention, {Event::step_done, Event::step_done, Event::step_unknown}, "outcome_unknown", hostile,
          R"({"container":"dev-2","seen":"\u001b[2J"})");
    insert({.approval_id = "prop-3", .bottle = "dev-2", .justification = hostile});
    const auto refused = insert({.approval_id = "prop-4", .bottle = "vm-1", .backend = "smolmachines"});
    EXPECT_TRUE(store().end_queued(refused, Event::unsupported, ++now_, "worker:1", "backend_unknown",
                                   "this service has no backend smolmachines", "{}"));
    insert({.approval_id = "prop-5", .bottle = "dev-3", .scheduled_at = t0 + 7'200'000});
    const auto running = insert({.approval_id = "prop-6", .bottle = "dev-4", .by = "bob"});
    claim(running);
    drive(running, {Event::step_done, Event::step_done});
    now_ = t0 + 65'000;
    start_service();
  }
};

TEST_F(List, GoldenTable) {
  fill();
  expect_golden("list.txt", run({"list"}).out);
  expect_golden("list-wide.txt", run({"list", "-o", "wide"}).out);
  tty_ = true;
  width_ = 100;
  expect_golden("list-tty.txt", run({"list"}).out);
}

TEST_F(List, GoldenJson) {
  fill();
  const auto document = run({"list", "-o", "json"}).out;
  expect_golden("list.json", document);
  const auto lines = run({"list", "-o", "jsonl"}).out;
  expect_golden("list.jsonl", lines);
  std::istringstream in(lines);
  std::string line;
  json array = json::array();
  while (std::getline(in, line)) array.push_back(json::parse(line));
  EXPECT_EQ(array, json::parse(document));
  EXPECT_EQ(run({"list", "-o", "name"}).out, "6\n5\n4\n3\n2\n1\n");
}

TEST_F(List, GoldenShow) {
  fill();
  expect_golden("show-attention.txt", run({"show", "prop-2"}).out);
  expect_golden("show-attention.json", run({"show", "2", "-o", "json"}).out);
  expect_golden("show-blocked.txt", run({"show", "3"}).out);
  expect_golden("show-succeeded.txt", run({"show", "1"}).out);
}

TEST_F(List, GoldenHistory) {
  fill();
  expect_golden("history.txt", run({"history", "2"}).out);
  expect_golden("history.jsonl", run({"history", "2", "-o", "jsonl"}).out);
  expect_golden("history-wide.txt", run({"history", "2", "-o", "wide"}).out);
}

TEST_F(List, NothingThatAnAgentWroteReachesTheTerminalRaw) {
  fill();
  for (const bool tty : {false, true})
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"list"},
                                                      {"list", "-o", "wide"},
                                                      {"list", "-o", "json"},
                                                      {"show", "2"},
                                                      {"show", "3"},
                                                      {"show", "3", "-o", "wide"},
                                                      {"show", "2", "-o", "jsonl"},
                                                      {"history", "2"},
                                                      {"watch", "2"},
                                                      {"wait", "2"},
                                                      {"bottles"}}) {
      tty_ = tty;
      variables_["NO_COLOR"] = "1";
      const auto ran = run(arguments);
      for (const auto& text : {ran.out, ran.err}) {
        EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << arguments[0];
        EXPECT_THAT(text, Not(HasSubstr("\x07"))) << arguments[0];
        EXPECT_THAT(text, Not(HasSubstr("\u202e"))) << arguments[0];
        EXPECT_THAT(text, Not(HasSubstr("\u009b"))) << arguments[0];
        EXPECT_THAT(text, Not(HasSubstr("line\nbreak"))) << arguments[0];
      }
    }
}

TEST_F(List, JsonCarriesHostileTextUnchanged) {
  fill();
  EXPECT_EQ(json::parse(run({"show", "2", "-o", "json"}).out)["message"], hostile);
  EXPECT_EQ(json::parse(run({"show", "3", "-o", "json"}).out)["justification"], hostile);
}

TEST_F(List, FiltersByStateBackendAndBottle) {
  fill();
  EXPECT_EQ(run({"list", "--state", "succeeded", "-o", "name"}).out, "1\n");
  EXPECT_EQ(run({"list", "--state", "succeeded", "--state", "stop", "-o", "name"}).out, "6\n1\n");
  EXPECT_EQ(run({"list", "--backend", "smolmachines", "-o", "name"}).out, "4\n");
  EXPECT_EQ(run({"list", "--bottle", "dev-2", "-o", "name"}).out, "3\n2\n");
  const auto none = run({"list", "--bottle", "nobody"});
  EXPECT_EQ(none.exit, 0);
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(none.err, "rebottle: no job matches\n");
}

TEST_F(List, ShowsTheUnfinishedHoweverOldAndTheLatest) {
  insert({.approval_id = "old", .bottle = "old"});
  for (int i = 0; i < 25; ++i) succeed(insert({.approval_id = "p" + std::to_string(i), .bottle = "b"}));
  const auto ran = run({"list", "-o", "jsonl"});
  EXPECT_EQ(std::ranges::count(ran.out, '\n'), 21);
  EXPECT_THAT(ran.out, HasSubstr("\"old\""));
  EXPECT_EQ(ran.err, "rebottle: there are older ones: --before 7, or --all\n");
  EXPECT_EQ(run({"list", "--before", "7", "--limit", "2", "-o", "name"}).out, "6\n5\n");
  EXPECT_EQ(run({"list", "--before", "3", "-o", "name"}).out, "2\n1\n");
  EXPECT_EQ(run({"list", "--before", "3"}).err, "");
  const auto all = run({"list", "--all", "-o", "name"});
  EXPECT_EQ(std::ranges::count(all.out, '\n'), 26);
}

TEST_F(List, AllGoesPastOnePageOfTheStore) {
  insert_many(501);
  EXPECT_EQ(std::ranges::count(run({"list", "--all", "-o", "name"}).out, '\n'), 501);
}

TEST_F(List, EveryReasonToWaitIsNamed) {
  const auto code = [this](const std::string& job) {
    return json::parse(run({"show", job, "-o", "json"}).out)["waiting"]["code"];
  };
  fill();
  EXPECT_EQ(code("2"), "attention");
  EXPECT_EQ(code("3"), "blocked");
  EXPECT_EQ(code("5"), "scheduled");
  const auto idle = insert({.approval_id = "prop-7", .bottle = "dev-7"});
  EXPECT_EQ(code("7"), "turn");
  store().add_freeze({.freeze_id = 0,
                      .backend = "docker",
                      .bottle = "dev-7",
                      .reason = "release",
                      .frozen_by = "eve",
                      .created_at = now_,
                      .expires_at = {}});
  EXPECT_EQ(code("7"), "frozen");
  EXPECT_THAT(run({"show", "7"}).out, HasSubstr("release"));
  stop_service();
  EXPECT_EQ(code("6"), "no_service");
  store().lift_freezes("docker", "dev-7", ++now_);
  EXPECT_EQ(code(std::to_string(idle)), "no_service");
  EXPECT_EQ(json::parse(run({"show", "1", "-o", "json"}).out)["waiting"], nullptr);
}

TEST_F(List, ShowNamesTheRetryPause) {
  fill();
  const auto job = store().job(6).value();
  schema::Advance advance;
  advance.job_id = 6;
  advance.fence = job.fence;
  advance.state = job.state;
  advance.now = now_;
  advance.actor = "worker:1";
  advance.move = schema::Advance::Move{};
  advance.move->event = Event::step_retry;
  advance.move->to = job.state;
  advance.move->attempt = 2;
  advance.move->retry_at = now_ + 4'000;
  ASSERT_TRUE(store().advance(advance));
  EXPECT_EQ(json::parse(run({"show", "6", "-o", "json"}).out)["waiting"]["code"], "retry_pause");
  tty_ = true;
  EXPECT_THAT(run({"show", "6"}).out, HasSubstr("tries again in 4s"));
}

TEST_F(List, ShowCountsTheDowntimeThatIsNotOver) {
  fill();
  const auto job = store().job(6).value();
  schema::Advance advance;
  advance.job_id = 6;
  advance.fence = job.fence;
  advance.state = job.state;
  advance.now = now_;
  advance.actor = "worker:1";
  advance.intent = schema::Advance::Intent{
      .direction = statemachine::Direction::forward, .effect = "stop_agent", .step = statemachine::State::stop};
  advance.down_since = now_ - 2'500;
  advance.leftovers.push_back({.leftover_id = 0,
                               .job_id = 6,
                               .backend = "docker",
                               .kind = "container",
                               .reference = R"({"name":"dev-4.old"})",
                               .not_before = now_,
                               .tries = 0,
                               .last_error = "",
                               .created_at = now_});
  ASSERT_TRUE(store().advance(advance));
  const auto object = json::parse(run({"show", "6", "-o", "json"}).out);
  EXPECT_EQ(object["downtime_now_ms"], 2'500);
  EXPECT_EQ(object["down_since"], now_ - 2'500);
  EXPECT_EQ(object["journal"][0]["effect"], "stop_agent");
  EXPECT_EQ(object["journal"][0]["status"], "open");
  EXPECT_EQ(object["leftovers"][0]["reference"]["name"], "dev-4.old");
  const auto text = run({"show", "6"}).out;
  EXPECT_THAT(text, HasSubstr("2.5s, and still down"));
  EXPECT_THAT(text, HasSubstr("container name=dev-4.old"));
}

TEST_F(List, LongChangesAreCutUnlessWide) {
  json args;
  std::string dockerfile = "FROM current\n";
  for (int i = 0; i < 20; ++i) dockerfile += "RUN step-" + std::to_string(i) + "\n";
  args["change"]["dockerfile"] = dockerfile;
  insert({.approval_id = "long", .args = args.dump()});
  EXPECT_THAT(run({"show", "long"}).out, HasSubstr("… 9 more lines, -o wide shows all"));
  EXPECT_THAT(run({"show", "long"}).out, Not(HasSubstr("step-19")));
  EXPECT_THAT(run({"show", "long", "-o", "wide"}).out, HasSubstr("| RUN step-19\n"));
}

TEST_F(List, WhatTheStrictParserRefusesIsShownAsItCame) {
  const std::string args = R"({"change":{"image":"a:1"},"verify":{"stable_s":1,"stable_s":2}})";
  insert({.approval_id = "twice", .args = args});
  EXPECT_EQ(json::parse(run({"show", "twice", "-o", "json"}).out)["args"], args);
  EXPECT_THAT(run({"show", "twice"}).out, HasSubstr("cannot be read: "));
}

TEST_F(List, AnApprovalMayLookLikeAJob) {
  insert({.approval_id = "77", .bottle = "dev-3"});
  EXPECT_EQ(run({"show", "77", "-o", "name"}).out, "1\n");
}

TEST_F(List, BeforeTakesAnApprovalToo) {
  fill();
  EXPECT_EQ(run({"list", "--before", "prop-3", "-o", "name"}).out, "2\n1\n");
  EXPECT_EQ(run({"list", "--before", "nobody"}).exit, 3);
}

TEST_F(List, AllThatWasApprovedIsShown) {
  insert(
      {.approval_id = "full",
       .args = R"({"change":{"image":"a:1"},"expect":{"target_id":"t"},"snapshot":{"paths":["/w","/h"],"max_bytes":9},
                      "verify":{"exec":["jq","--version"],"stable_s":3},"limits":{"max_downtime_s":30}})"});
  EXPECT_THAT(run({"show", "full"}).out, HasSubstr("\nChange\n"
                                                   "  image a:1\n"
                                                   "  expect: target_id=t\n"
                                                   "  snapshot: paths=[\"/w\",\"/h\"] max_bytes=9\n"
                                                   "  verify: exec=[\"jq\",\"--version\"] stable_s=3\n"
                                                   "  limits: max_downtime_s=30\n"));
}

TEST_F(List, LongLinesOfAChangeAreCutToTheTerminalUnlessWide) {
  insert({.approval_id = "wide", .args = R"({"change":{"commands":["echo 0123456789 0123456789 0123456789 end"]}})"});
  tty_ = true;
  width_ = 40;
  variables_["NO_COLOR"] = "1";
  EXPECT_THAT(run({"show", "wide"}).out,
              HasSubstr("  | echo 0123456789 0123456789 01234567…\n  … -o wide shows all\n"));
  EXPECT_THAT(run({"show", "wide", "-o", "wide"}).out, HasSubstr("0123456789 end\n"));
}

// A row of an effect, as the service writes it.
schema::HistoryRow effect_row(const std::string& data) {
  schema::HistoryRow row;
  row.event = "effect";
  row.data = data;
  return row;
}

TEST_F(List, WhatAnEffectDidComesFirst) {
  const auto undone = effect_row(R"({"effect":"start_new","direction":"undo","outcome":"done",
                                     "summary":{"summary":"start the changed dev-1"},"downtime":"begins"})");
  EXPECT_EQ(what_of(undone, false), "undo: start the changed dev-1 (downtime=begins)");
  EXPECT_EQ(what_of(undone, true),
            "undo: start the changed dev-1 (effect=start_new direction=undo outcome=done downtime=begins)");
  const auto failed = effect_row(R"({"effect":"build","direction":"forward","outcome":"failed",
                                     "summary":{"reason_code":"build_failed","message":"RUN exited 1"}})");
  EXPECT_EQ(what_of(failed, false), "build: RUN exited 1 (outcome=failed)");
  auto late = effect_row(R"({"ignored":"too late: the change is verified"})");
  late.event = "cancel";
  EXPECT_EQ(what_of(late, false), "too late: the change is verified");
}

TEST_F(List, CancelsThatCameTooLateDoNotPushTheStoryOffTheScreen) {
  const auto id = succeed(insert({.approval_id = "prop-1"})).job_id;
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(store().request_cancel(id, "bob", ++now_));
  const auto text = run({"show", "1"}).out;
  EXPECT_THAT(text, HasSubstr("verify → succeeded"));
  EXPECT_THAT(text, Not(HasSubstr("too late")));
  EXPECT_THAT(run({"history", "1"}).out, HasSubstr("too late"));
}

TEST_F(List, AJobThatWentOnIsNotShownAsInterrupted) {
  fill();
  EXPECT_THAT(run({"show", "2"}).out, HasSubstr("interrupted   in stop"));
  const auto epoch = store().job(2).value().epoch_id;
  ASSERT_TRUE(store().decide_attention(2, epoch, Event::roll_back, ++now_, "bob", "{}"));
  drive(2, {Event::step_done});
  EXPECT_THAT(run({"show", "2"}).out, Not(HasSubstr("interrupted")));
  EXPECT_EQ(json::parse(run({"show", "2", "-o", "json"}).out)["interrupted"], nullptr);
}

TEST_F(List, BottlesShowWhatIsCurrentAndFrozen) {
  const auto none = run({"bottles"});
  EXPECT_EQ(none.exit, 3);  // no database yet
  fill();
  store().add_freeze({.freeze_id = 0,
                      .backend = "docker",
                      .bottle = "",
                      .reason = "upgrade\x1b",
                      .frozen_by = "eve",
                      .created_at = now_,
                      .expires_at = {}});
  const auto ran = run({"bottles"});
  EXPECT_EQ(ran.exit, 0);
  expect_golden("bottles.txt", ran.out);
  EXPECT_EQ(ran.err, "");
  expect_golden("bottles.json", run({"bottles", "-o", "json"}).out);
  EXPECT_EQ(run({"bottles", "--backend", "podman", "-o", "json"}).out, "[]\n");
}

TEST_F(List, FreezesAreAllListedAlsoThoseOfBottlesThatNoJobHasHad) {
  store();
  EXPECT_EQ(run({"freezes"}).err, "rebottle: nothing is frozen\n");
  const auto freeze = [this](const std::string& backend, const std::string& bottle, const std::string& reason) {
    store().add_freeze({.freeze_id = 0,
                        .backend = backend,
                        .bottle = bottle,
                        .reason = reason,
                        .frozen_by = "eve",
                        .created_at = now_,
                        .expires_at = {}});
  };
  freeze("docker", "dev-9", "upgrade\x1b");
  freeze("docker", "dev-9", "audit");
  freeze("", "", "disk");
  expect_golden("freezes.txt", run({"freezes"}).out);
  const auto document = json::parse(run({"freezes", "-o", "json"}).out);
  ASSERT_EQ(document.size(), 3U);
  EXPECT_EQ(document[0]["reason"], "upgrade\x1b");
  EXPECT_EQ(document[1]["bottle"], "dev-9");
  EXPECT_EQ(document[2]["backend"], nullptr);
  EXPECT_EQ(run({"freezes", "-o", "name"}).out, "1\n2\n3\n");
}

}  // namespace
}  // namespace rebottle::tools
