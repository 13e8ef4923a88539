// Tests of the verbs that ask the service: plan, cancel, retry, rollback, resolve, freeze, unfreeze.
// Not here: what a real service answers.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace rebottle::tools {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

class Request : public CliTest {
 protected:
  Request() { insert({.approval_id = "prop-1"}); }

  // Plays the service: answers every request like this, at the next pause of the CLI, and keeps the requests.
  void answer(const std::string& outcome, const std::string& message, const std::string& data = "{}") {
    start_service();
    on_pause_ = [this, outcome, message, data] {
      for (const auto& pending : store().requests_pending(0, 10)) {
        seen_.push_back(store().request(pending.request_id).value());
        store().answer(pending.request_id, outcome, message, data, now_);
      }
      return true;
    };
  }

  std::vector<schema::Request> seen_;
};

TEST_F(Request, SendsTheWishAndPrintsTheAnswer) {
  answer("done", "cancelled before it began");
  const auto ran = run({"cancel", "prop-1"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.out, "cancel done: cancelled before it began\n");
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(seen_[0].kind, "cancel");
  EXPECT_EQ(seen_[0].job_id, 1);
  EXPECT_EQ(seen_[0].requested_by, "olga");
}

TEST_F(Request, AnswersAreAlsoJson) {
  answer("done", "a new job", R"({"job_id":2})");
  const auto ran = run({"retry", "1", "-o", "json"});
  EXPECT_EQ(ran.exit, 0);
  const auto object = json::parse(ran.out);
  EXPECT_EQ(object["outcome"], "done");
  EXPECT_EQ(object["answer"]["job_id"], 2);
  EXPECT_EQ(object["answered_at"], now_);
  EXPECT_EQ(run({"retry", "1"}).out, "retry done: a new job (job_id=2)\n");
}

TEST_F(Request, NamesAreIdsThatOtherVerbsTake) {
  answer("done", "", R"({"job_id":2})");
  EXPECT_EQ(run({"retry", "1", "-o", "name"}).out, "2\n");
  EXPECT_EQ(run({"undo", "docker", "dev-1", "-o", "name"}).out, "2\n");
  answer("done", "", R"({"state":"cancelled"})");
  EXPECT_EQ(run({"cancel", "prop-1", "-o", "name"}).out, "1\n");
  answer("done", "", R"({"freeze_id":9})");
  EXPECT_EQ(run({"freeze", "--all", "--reason", "disk", "-o", "name"}).out, "9\n");
  answer("refused", "it has ended");
  const auto refused = run({"retry", "1", "-o", "name"});
  EXPECT_EQ(refused.exit, 5);
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(refused.err, "rebottle: retry refused: it has ended\n");
}

TEST_F(Request, AnObservationIsALineForEachEffect) {
  answer("done", "The job is resolved.",
         R"({"observed":{"stop_old":{"world":"absent"},"start_new":{"world":"present","detail":{"id":"\u001b[2J"}}}})");
  EXPECT_EQ(run({"resolve", "1", "--outcome", "restored", "--reason", "x"}).out,
            "resolve done: The job is resolved.\n"
            "  observed.stop_old: world=absent\n"
            "  observed.start_new: world=present detail={\"id\":\"\\u001b[2J\"}\n");
}

TEST_F(Request, ARefusalIsAConflictAndSaysWhy) {
  answer("refused", "job 1 does not need attention; \x1b[2J");
  const auto ran = run({"rollback", "1"});
  EXPECT_EQ(ran.exit, 5);
  EXPECT_EQ(ran.out, "rollback refused: job 1 does not need attention; \\x1b[2J\n");
}

TEST_F(Request, AFailureIsAFailure) {
  answer("failed", "the engine did not answer");
  EXPECT_EQ(run({"cancel", "1"}).exit, 1);
}

TEST_F(Request, WithoutAServiceNothingIsSent) {
  const auto ran = run({"cancel", "1"});
  EXPECT_EQ(ran.exit, 8);
  EXPECT_THAT(ran.err, HasSubstr("so nothing was sent; start rebottled"));
  EXPECT_THAT(store().requests_pending(0, 10), IsEmpty());
}

TEST_F(Request, NoWaitRecordsItWithoutAService) {
  const auto ran = run({"cancel", "1", "--no-wait"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.out, "cancel recorded\n");
  EXPECT_EQ(ran.err,
            "rebottle: request 1 (cancel) is recorded; no service runs, it is answered when one starts; `rebottle show "
            "job:1` tells the answer\n");
  ASSERT_EQ(store().requests_pending(0, 10).size(), 1U);
}

TEST_F(Request, AServiceThatStopsMeanwhileIsNoticed) {
  start_service();
  on_pause_ = [this] {
    stop_service();
    return true;
  };
  const auto ran = run({"cancel", "1"});
  EXPECT_EQ(ran.exit, 8);
  EXPECT_THAT(ran.err, HasSubstr("request 1 (cancel) is recorded, but the service stopped"));
}

TEST_F(Request, TheWaitForAnAnswerEnds) {
  start_service();
  const auto before = now_;
  const auto ran = run({"cancel", "1"});
  EXPECT_EQ(ran.exit, 124);
  EXPECT_EQ(now_ - before, 30'000);
  EXPECT_THAT(ran.err, HasSubstr("is recorded, not answered within 30s"));
  EXPECT_EQ(run({"cancel", "1", "--timeout", "250ms"}).exit, 124);
  EXPECT_EQ(now_ - before, 30'250);
}

TEST_F(Request, AnAnswerThatCameTooLateIsFoundWhereTheMessageSays) {
  start_service();
  const auto ran = run({"rollback", "1", "--timeout", "0"});
  EXPECT_EQ(ran.exit, 124);
  EXPECT_THAT(ran.err, HasSubstr("`rebottle show job:1` tells the answer"));
  EXPECT_THAT(run({"show", "job:1"}).out, HasSubstr("\nRequests\n  rollback by olga, "));
  EXPECT_THAT(run({"show", "job:1"}).out, HasSubstr(": not answered yet\n"));
  store().answer(1, "refused", "it waits for its turn\x1b", "{}", now_);
  EXPECT_THAT(run({"show", "job:1"}).out, HasSubstr(": refused: it waits for its turn\\x1b\n"));
  const auto object = json::parse(run({"show", "1", "-o", "json"}).out)["requests"];
  ASSERT_EQ(object.size(), 1U);
  EXPECT_EQ(object[0]["outcome"], "refused");
  EXPECT_EQ(object[0]["request_id"], 1);

  const auto freeze = run({"freeze", "--all", "--reason", "disk", "--timeout", "0"});
  EXPECT_EQ(freeze.exit, 124);
  EXPECT_THAT(freeze.err, HasSubstr("`rebottle freezes` shows what is frozen"));
  EXPECT_THAT(run({"undo", "docker", "dev-1", "--timeout", "0"}).err, HasSubstr("`rebottle list --bottle dev-1`"));
}

TEST_F(Request, CtrlCEndsTheWaitNotTheRequest) {
  start_service();
  on_pause_ = [] { return false; };
  const auto ran = run({"cancel", "1"});
  EXPECT_EQ(ran.exit, 130);
  EXPECT_THAT(ran.err, HasSubstr("request 1 (cancel) is recorded"));
  EXPECT_EQ(store().requests_pending(0, 10).size(), 1U);
}

TEST_F(Request, ResolveSaysHowAndWhy) {
  answer("done", "");
  EXPECT_EQ(run({"resolve", "1", "--outcome", "restored", "--reason", "by hand \"quoted\""}).exit, 0);
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(json::parse(seen_[0].args), (json{{"outcome", "restored"}, {"reason", "by hand \"quoted\""}}));
  EXPECT_EQ(run({"resolve", "1", "--outcome", "restored"}).exit, 2);
  const auto wrong = run({"resolve", "1", "--outcome", "restord", "--reason", "x"});
  EXPECT_EQ(wrong.exit, 2);
  EXPECT_THAT(wrong.err, HasSubstr("did you mean `restored`?"));
}

TEST_F(Request, FreezeNamesItsScope) {
  answer("done", "");
  EXPECT_EQ(run({"freeze", "docker", "dev-1", "--reason", "release", "--expires-in", "2h"}).exit, 0);
  const auto expires_at = json::parse(seen_[0].args)["expires_at"].get<schema::Milliseconds>();
  EXPECT_EQ(expires_at, t0 + 7'200'000);
  EXPECT_EQ(run({"freeze", "--all", "--reason", "disk"}).exit, 0);
  EXPECT_EQ(run({"unfreeze", "docker", "dev-1"}).exit, 0);
  ASSERT_EQ(seen_.size(), 3U);
  EXPECT_EQ(seen_[0].backend + "/" + seen_[0].bottle, "docker/dev-1");
  EXPECT_EQ(seen_[1].backend + "/" + seen_[1].bottle, "/");
  EXPECT_EQ(seen_[2].kind, "unfreeze");
}

TEST_F(Request, FreezeDoesNotGuessItsScope) {
  EXPECT_EQ(run({"freeze", "--reason", "x"}).exit, 2);
  EXPECT_THAT(run({"unfreeze"}).err, HasSubstr("or give --all"));
  EXPECT_EQ(run({"freeze", "docker", "--all", "--reason", "x"}).exit, 2);
  EXPECT_EQ(run({"freeze", "docker"}).exit, 2);
  EXPECT_THAT(store().requests_pending(0, 10), IsEmpty());
}

TEST_F(Request, AnEmptyBottleIsNotTheWholeBackend) {
  start_service();
  for (const std::vector<std::string>& words : {std::vector<std::string>{"freeze", "docker", "", "--reason", "x"},
                                                {"freeze", "", "--reason", "x"},
                                                {"freeze", "", "--all", "--reason", "x"},
                                                {"unfreeze", "docker", ""},
                                                {"undo", "prop-1", ""},
                                                {"plan", "prop-1", ""},
                                                {"plan", "docker", "", "--image", "a:1"}}) {
    const auto ran = run(words);
    EXPECT_EQ(ran.exit, 2) << words[0];
    EXPECT_THAT(ran.err, HasSubstr(" has an empty value; give one, or leave ")) << words[0];
  }
  EXPECT_THAT(store().requests_pending(0, 10), IsEmpty());
}

TEST_F(Request, ANumberThatIsAJobAndAnApprovalIsNotGuessed) {
  insert({.approval_id = "1", .bottle = "dev-2"});
  answer("done", "");
  const auto ran = run({"cancel", "1"});
  EXPECT_EQ(ran.exit, 5);
  EXPECT_EQ(ran.err, "rebottle: ambiguous: job 1 (approval prop-1), approval 1 (job 2); write job:1 or approval:1\n");
  EXPECT_THAT(seen_, IsEmpty());
  EXPECT_EQ(run({"cancel", "job:1"}).exit, 0);
  EXPECT_EQ(run({"cancel", "approval:1"}).exit, 0);
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_EQ(seen_[0].job_id, 1);
  EXPECT_EQ(seen_[1].job_id, 2);
  EXPECT_EQ(run({"show", "approval:prop-1", "-o", "name"}).out, "1\n");
  EXPECT_EQ(run({"show", "job:prop-1"}).exit, 3);
  EXPECT_EQ(run({"show", "approval:2"}).exit, 3);
  // A number that names the same job both ways is not ambiguous.
  insert({.approval_id = "3", .bottle = "dev-3"});
  EXPECT_EQ(run({"show", "3", "-o", "name"}).out, "3\n");
}

constexpr auto possible = R"({"possible":true,"reason_code":"","message":"","detail":{},
  "makes":["image rebottle/dev-1:job-7","container dev-1.new"],"changes":["container dev-1 is parked"],
  "removes":["container dev-1.old after the success"],"irreversible":["memory and tmpfs of the agent"]})";

TEST_F(Request, PlanShowsWhatWouldBeDone) {
  answer("done", "", possible);
  const auto ran = run({"plan", "docker", "dev-1", "--image", "debian:12"});
  EXPECT_EQ(ran.exit, 0);
  expect_golden("plan.txt", ran.out);
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(seen_[0].backend + "/" + seen_[0].bottle, "docker/dev-1");
  EXPECT_EQ(json::parse(seen_[0].args),
            json::parse(R"({"kind":"capability_block","args":{"change":{"image":"debian:12"}}})"));
  EXPECT_EQ(json::parse(run({"plan", "1", "-o", "json"}).out), json::parse(possible));
}

TEST_F(Request, PlanOfAJobNamesTheJobAlone) {
  answer("done", "", possible);
  EXPECT_EQ(run({"plan", "prop-1"}).exit, 0);
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(seen_[0].job_id, 1);
  EXPECT_EQ(seen_[0].backend + seen_[0].bottle, "");
  EXPECT_EQ(run({"plan", "1", "--image", "a:1"}).exit, 2);
  EXPECT_EQ(run({"plan", "docker", "dev-1"}).exit, 2);
}

TEST_F(Request, ABackendWithoutItsBottleIsWrongUsage) {
  schema::Capability row;
  row.backend = "docker";
  row.kind = "capability_block";
  row.detail = "{}";
  row.checked_at = now_;
  store().record_capabilities("docker", {row});
  for (const auto* verb : {"plan", "undo"}) {
    const auto ran = run({verb, "docker"});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_EQ(ran.err, "rebottle: docker is a backend, and no bottle is named; name a BOTTLE of it, or a job\n");
    EXPECT_EQ(run({verb, "podman"}).exit, 3);
  }
  // An approval of that name is one.
  insert({.approval_id = "docker", .bottle = "dev-2"});
  answer("done", "", possible);
  EXPECT_EQ(run({"plan", "docker"}).exit, 0);
  EXPECT_EQ(seen_.at(0).job_id, 2);
}

TEST_F(Request, PlanExits1WhenItWouldBeRefused) {
  answer("done", "",
         R"({"possible":false,"reason_code":"shared_namespace","message":"container side\u001b shares its network",
             "detail":{"container":"side"},"makes":[],"changes":[],"removes":[],"irreversible":[]})");
  const auto ran = run({"plan", "1"});
  EXPECT_EQ(ran.exit, 1);
  expect_golden("plan-refused.txt", ran.out);
}

TEST_F(Request, PlanWithoutAPlanIsAFailure) {
  answer("failed", "the engine did not answer");
  EXPECT_EQ(run({"plan", "1"}).exit, 1);
  answer("done", "", R"({"other":1})");
  EXPECT_EQ(run({"plan", "1"}).exit, 1);
}

}  // namespace
}  // namespace rebottle::tools
