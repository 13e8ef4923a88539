// Tests of supports and backends: the answer fails closed whenever it is not known for certain.
// Not here: probing (worker).
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace rebottle::tools {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class Supports : public CliTest {
 protected:
  void probe(const std::string& backend, bool supported) {
    store().record_capabilities(backend, {{.backend = backend,
                                           .kind = "capability_block",
                                           .supported = supported,
                                           .version = "20.10.24",
                                           .reason_code = supported ? "" : "backend_absent",
                                           .message = supported ? "" : "nothing answers on the socket\x1b",
                                           .detail = R"({"api":"1.41","good_for_s":195})",
                                           .checked_at = now_}});
  }
  Ran ask(const std::string& backend = "docker") {
    return run({"supports", backend, "capability_block", "-o", "json"});
  }
};

TEST_F(Supports, YesWhenProbedLatelyAndAServiceRuns) {
  probe("docker", true);
  start_service();
  now_ += 30'000;
  const auto ran = ask();
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(json::parse(ran.out), json::parse(R"({"supported":true,"backend":"docker","kind":"capability_block",
    "version":"20.10.24","reason_code":"","message":"","detail":{"api":"1.41","good_for_s":195},
    "age_s":30})"));
  EXPECT_EQ(run({"supports", "docker", "capability_block"}).out, "yes\n");
  EXPECT_EQ(run({"supports", "docker", "capability_block", "-o", "name"}).exit, 2);
}

TEST_F(Supports, NoWhenTheProbeSaidNo) {
  probe("docker", false);
  start_service();
  const auto ran = run({"supports", "docker", "capability_block"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.out, "no: backend_absent: nothing answers on the socket\\x1b\n");
  EXPECT_EQ(ran.err, "");
}

TEST_F(Supports, FailsClosedWithoutAService) {
  probe("docker", true);
  const auto ran = ask();
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(json::parse(ran.out)["reason_code"], "service_not_running");
  EXPECT_EQ(json::parse(ran.out)["supported"], false);
}

// The service says for how long it may be believed: three probe intervals, and a slow probe.
TEST_F(Supports, FailsClosedWhenTheAnswerIsOld) {
  probe("docker", true);
  start_service();
  now_ += 195'000;
  EXPECT_EQ(ask().exit, 0);
  now_ += 1;
  EXPECT_EQ(ask().exit, 1);
  EXPECT_EQ(json::parse(ask().out)["reason_code"], "answer_stale");
  EXPECT_EQ(json::parse(ask().out)["message"], "last probed 3m15s ago, longer than 3m15s");
  EXPECT_EQ(json::parse(ask().out)["age_s"], 195);
  EXPECT_EQ(run({"supports", "docker", "capability_block", "--max-age", "20m"}).exit, 0);
  EXPECT_EQ(run({"supports", "docker", "capability_block", "--max-age", "5s"}).exit, 1);
}

TEST_F(Supports, FailsClosedWhenTheAnswerDoesNotSayHowLongItIsGood) {
  for (const auto* detail : {"{}", "[]", R"({"good_for_s":"long"})"}) {
    store().record_capabilities("docker", {{.backend = "docker",
                                            .kind = "capability_block",
                                            .supported = true,
                                            .version = "1",
                                            .reason_code = "",
                                            .message = "",
                                            .detail = detail,
                                            .checked_at = now_}});
    start_service();
    EXPECT_EQ(json::parse(ask().out)["reason_code"], "answer_stale") << detail;
  }
}

TEST_F(Supports, FailsClosedWhenTheProbeIsFromTheFuture) {
  probe("docker", true);
  start_service();
  now_ -= 5'000;
  EXPECT_EQ(ask().exit, 0);
  now_ -= 1;
  EXPECT_EQ(ask().exit, 1);
  EXPECT_EQ(json::parse(ask().out)["reason_code"], "answer_stale");
  EXPECT_EQ(run({"supports", "docker", "capability_block", "--max-age", "20m"}).exit, 1);
}

TEST_F(Supports, FailsClosedForWhatIsNotKnown) {
  EXPECT_EQ(ask().exit, 1);
  EXPECT_EQ(json::parse(ask().out)["reason_code"], "database_missing");
  probe("docker", true);
  start_service();
  EXPECT_EQ(ask("smolmachines").exit, 1);
  EXPECT_EQ(json::parse(ask("smolmachines").out)["reason_code"], "not_known");
  EXPECT_EQ(json::parse(ask("smolmachines").out)["age_s"], nullptr);
  const auto kind = run({"supports", "docker", "other_kind", "-o", "json"});
  EXPECT_EQ(kind.exit, 1);
  EXPECT_EQ(json::parse(kind.out)["reason_code"], "kind_unsupported");
}

TEST_F(Supports, BackendsListsEveryProbe) {
  store();
  EXPECT_THAT(run({"backends"}).err, HasSubstr("no backend has been probed yet"));
  probe("docker", true);
  probe("podman", false);
  const auto ran = run({"backends"});
  EXPECT_EQ(ran.exit, 0);
  expect_golden("backends.txt", ran.out);
  EXPECT_THAT(ran.err, HasSubstr("no service runs"));
  expect_golden("backends.json", run({"backends", "-o", "json"}).out);
  EXPECT_EQ(run({"backends", "-o", "name"}).out, "docker/capability_block\npodman/capability_block\n");
}

}  // namespace
}  // namespace rebottle::tools
