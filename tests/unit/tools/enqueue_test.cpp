// Tests of `rebottle enqueue`: what is recorded, what is refused before anything is, and idempotency.
// Not here: the guards of the database (tests/unit/schema).
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace rebottle::tools {
namespace {

using nlohmann::json;
using statemachine::Event;
using testing::HasSubstr;
using testing::StartsWith;

class Enqueue : public CliTest {
 protected:
  Enqueue() { store(); }

  json shown(const std::string& job) { return json::parse(run({"show", job, "-o", "json"}).out); }
  // Enqueues with these options on a bottle and returns the args that were recorded.
  json args_of(std::vector<std::string> options, const std::string& input = {}) {
    options.insert(options.begin(), {"enqueue", "docker", "dev-1", "-o", "json"});
    const auto ran = run(options, input);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return shown(json::parse(ran.out)["job_id"].dump())["args"];
  }
  Ran with(std::vector<std::string> options, const std::string& input = {}) {
    options.insert(options.begin(), {"enqueue", "docker", "dev-1"});
    return run(options, input);
  }
  void expect_nothing_recorded() { EXPECT_EQ(run({"list", "-o", "name"}).out, ""); }
};

TEST_F(Enqueue, PrintsTheJobIdAloneOnStdout) {
  const auto ran = with({"--image", "debian:12", "--approval-id", "prop-1"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.out, "1\n");
  EXPECT_EQ(ran.err, "rebottle: job 1 of approval prop-1 is recorded; no service runs, it starts with the next one\n");
}

TEST_F(Enqueue, RecordsTheApprovalAsGiven) {
  with({"--image", "debian:12", "--approval-id", "prop-1", "--by", "alice", "--justification", "needs jq", "--priority",
        "-5", "--expires-in", "2h", "--at", "2096-11-23T10:00:00Z"});
  const auto job = shown("prop-1");
  EXPECT_EQ(job["approved_by"], "alice");
  EXPECT_EQ(job["justification"], "needs jq");
  EXPECT_EQ(job["priority"], -5);
  EXPECT_EQ(job["expires_at"], t0 + 7'200'000);
  EXPECT_EQ(job["scheduled_at"], t0 + 3'600'000);
  EXPECT_EQ(job["kind"], "capability_block");
  EXPECT_EQ(job["state"], "queued");
}

TEST_F(Enqueue, DefaultsToTheUserAndAFreshApproval) {
  const auto first = json::parse(with({"--image", "debian:12", "-o", "json"}).out);
  const auto second = json::parse(with({"--image", "debian:12", "-o", "json"}).out);
  EXPECT_NE(first["approval_id"], second["approval_id"]);
  EXPECT_NE(first["job_id"], second["job_id"]);
  EXPECT_EQ(shown("1")["approved_by"], "olga");
}

TEST_F(Enqueue, MakesTheArgsFromItsOptions) {
  const auto file = write_file("Dockerfile", "FROM current\nRUN true\n");
  EXPECT_EQ(args_of({"--dockerfile", file.string()}),
            json::parse(R"({"change":{"dockerfile":"FROM current\nRUN true\n"}})"));
  EXPECT_EQ(args_of({"--dockerfile", "-"}, "FROM current\n"),
            json::parse(R"({"change":{"dockerfile":"FROM current\n"}})"));
  EXPECT_EQ(args_of({"--args", "-"}, R"({"change":{"image":"a:1"},"verify":{"stable_s":2}})"),
            json::parse(R"({"change":{"image":"a:1"},"verify":{"stable_s":2}})"));
  EXPECT_EQ(args_of({"--image",
                     "debian:12",
                     "--snapshot",
                     "/workspace",
                     "--snapshot",
                     "/home/agent",
                     "--verify-exec",
                     "jq",
                     "--verify-exec=--version",
                     "--stable-s",
                     "3",
                     "--verify-timeout-s",
                     "9",
                     "--stop-timeout-s",
                     "5",
                     "--build-timeout-s",
                     "60",
                     "--max-downtime-s",
                     "30",
                     "--snapshot-max-bytes",
                     "1000",
                     "--expect-target-id",
                     "abc"}),
            json::parse(R"({"change":{"image":"debian:12"},
                            "expect":{"target_id":"abc"},
                            "snapshot":{"paths":["/workspace","/home/agent"],"max_bytes":1000},
                            "verify":{"exec":["jq","--version"],"stable_s":3,"timeout_s":9},
                            "limits":{"stop_timeout_s":5,"build_timeout_s":60,"max_downtime_s":30}})"));
}

TEST_F(Enqueue, TakesShellLinesAsTheyAre) {
  const auto args =
      args_of({"--command", "[ -f /x,y ]", "--command", "{}", "--command=-x | y, z", "--command", "list"});
  EXPECT_EQ(args["change"]["commands"], (json{"[ -f /x,y ]", "{}", "-x | y, z", "list"}));
}

TEST_F(Enqueue, ABottleMayBeNamedLikeAVerb) {
  EXPECT_EQ(run({"enqueue", "docker", "list", "--image", "a:1"}).exit, 0);
  EXPECT_EQ(shown("1")["bottle"], "list");
}

TEST_F(Enqueue, TheSameApprovalAgainIsTheSameJob) {
  const std::vector<std::string> options{"--image", "debian:12", "--approval-id", "prop-1"};
  with(options);
  const auto again = with(options);
  EXPECT_EQ(again.exit, 0);
  EXPECT_EQ(again.out, "1\n");
  EXPECT_THAT(again.err, HasSubstr("existed already"));
}

TEST_F(Enqueue, RelativeTimesDoNotMakeAResubmissionAnotherApproval) {
  const std::vector<std::string> options{"--image",      "debian:12", "--approval-id", "prop-1",
                                         "--expires-in", "2h",        "--at",          "+1h"};
  with(options);
  now_ += 60'000;
  EXPECT_EQ(with(options).exit, 0);
  EXPECT_EQ(shown("1")["expires_at"], t0 + 7'200'000);
  EXPECT_EQ(shown("1")["scheduled_at"], t0 + 3'600'000);
}

TEST_F(Enqueue, OtherContentUnderTheSameApprovalIsAConflict) {
  with({"--image", "debian:12", "--approval-id", "prop-1"});
  const auto other = with({"--image", "debian:13", "--approval-id", "prop-1"});
  EXPECT_EQ(other.exit, 5);
  EXPECT_EQ(other.out, "");
  EXPECT_EQ(other.err,
            "rebottle: approval prop-1 exists already with other content; an approval is immutable: give the changed "
            "one an id of its own\n");
}

TEST_F(Enqueue, RefusesBadArgsBeforeAnythingIsSent) {
  const auto unknown_key = with({"--args", "-"}, R"({"change":{"image":"a:1"},"bogus":1})");
  EXPECT_EQ(unknown_key.exit, 2);
  EXPECT_THAT(unknown_key.err, StartsWith("rebottle: args.bogus: "));
  EXPECT_EQ(with({"--image", "a:1", "--snapshot", "/"}).exit, 2);
  EXPECT_THAT(with({"--image", "a:1", "--snapshot", "/"}).err, HasSubstr("snapshot"));
  EXPECT_EQ(with({"--args", "-"}, R"({"change":{"image":"a:1","image":"b:1"}})").exit, 2);
  EXPECT_EQ(with({"--dockerfile", "-"}, "FROM \xff\n").exit, 2);
  EXPECT_EQ(with({"--dockerfile", "-"}, std::string(2'000'000, 'x')).exit, 2);
  expect_nothing_recorded();
}

TEST_F(Enqueue, WantsExactlyOneChange) {
  EXPECT_EQ(with({}).exit, 2);
  EXPECT_THAT(with({}).err, HasSubstr("no change was given"));
  EXPECT_EQ(with({"--image", "a:1", "--command", "x"}).exit, 2);
  EXPECT_THAT(with({"--image", "a:1", "--command", "x"}).err, HasSubstr("more than one change"));
  EXPECT_EQ(with({"--args", "-", "--stable-s", "3"}, R"({"change":{"image":"a:1"}})").exit, 2);
  expect_nothing_recorded();
}

TEST_F(Enqueue, AnEmptyValueIsNotTakenForNone) {
  for (const std::string option :
       {"--expect-image-digest", "--expect-target-id", "--expect-change-sha256", "--at", "--max-downtime-s",
        "--stable-s", "--verify-timeout-s", "--stop-timeout-s", "--build-timeout-s", "--snapshot-max-bytes",
        "--priority", "--by", "--args", "--dockerfile", "--kind", "--approval-id"}) {
    const auto ran = with({"--image", "a:1", option, ""});
    EXPECT_EQ(ran.exit, 2) << option;
    EXPECT_THAT(ran.err, HasSubstr(option)) << option;
  }
  for (const std::string option : {"--image", "--dockerfile", "--args", "--command", "--snapshot"})
    EXPECT_EQ(with({option, ""}).exit, 2) << option;
  EXPECT_EQ(with({"--image", "a:1", "--approval-id", ""}).err,
            "rebottle: --approval-id has an empty value; give one, or leave --approval-id out\n");
  EXPECT_EQ(with({"--image", "a:1", "--expires-in", ""}).exit, 2);
  EXPECT_EQ(run({"enqueue", "docker", "", "--image", "a:1"}).exit, 2);
  expect_nothing_recorded();
  EXPECT_EQ(with({"--image", "a:1", "--justification", ""}).exit, 0);
}

TEST_F(Enqueue, RefusalsOfTheDatabaseNameTheField) {
  const auto bottle = run({"enqueue", "docker", "a/b", "--image", "a:1"});
  EXPECT_EQ(bottle.exit, 2);
  EXPECT_THAT(bottle.err, HasSubstr("approvals.bottle: "));
  const auto expired = with({"--image", "a:1", "--at", "+3h", "--expires-in", "2h"});
  EXPECT_EQ(expired.exit, 2);
  EXPECT_THAT(expired.err, HasSubstr("approvals.expires_at: "));
  expect_nothing_recorded();
}

TEST_F(Enqueue, MissingFilesAndBadTimesAreErrors) {
  EXPECT_EQ(with({"--dockerfile", "/nowhere/Dockerfile"}).exit, 3);
  EXPECT_THAT(with({"--dockerfile", "/nowhere/Dockerfile"}).err, HasSubstr("No such file"));
  EXPECT_EQ(with({"--dockerfile", directory().string()}).exit, 1);
  EXPECT_EQ(with({"--image", "a:1", "--at", "tomorrow"}).exit, 2);
  EXPECT_EQ(with({"--image", "a:1", "--timeout", "3s"}).exit, 2);  // without --wait
  expect_nothing_recorded();
}

TEST_F(Enqueue, LeavesUnknownBackendsAndKindsToTheService) {
  EXPECT_EQ(run({"enqueue", "nosuch", "dev-1", "--image", "a:1"}).exit, 0);
  EXPECT_EQ(run({"enqueue", "docker", "dev-1", "--kind", "other", "--args", "-"}, R"({"change":{"image":"a:1"}})").exit,
            0);
}

TEST_F(Enqueue, WaitsForTheEndIfAsked) {
  start_service();
  on_pause_ = [this, steps = 0]() mutable {
    if (steps++ == 3) succeed(1);
    return true;
  };
  const auto ran = with({"--image", "a:1", "--wait"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.out, "1\njob 1 succeeded\n");
}

TEST_F(Enqueue, WaitingTellsThatTheJobDidNotSucceed) {
  start_service();
  on_pause_ = [this, done = false]() mutable {
    if (!std::exchange(done, true)) {
      claim(1);
      drive(1, {Event::step_failed}, "build_failed", "RUN failed");
    }
    return true;
  };
  const auto ran = with({"--image", "a:1", "--wait"});
  EXPECT_EQ(ran.exit, 6);
  EXPECT_EQ(ran.out, "1\njob 1 failed\n");
  EXPECT_THAT(ran.err, HasSubstr("RUN failed"));
}

}  // namespace
}  // namespace rebottle::tools
