// Which backend a job goes to, and how it is refused when that is the wrong one, by recorded calls of all backends.
// Not here: what a job goes through once it is with the right one (service_test.cpp).
#include <algorithm>
#include <array>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/service_fixture.hpp"

namespace rebottle::test {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OtherBackend : public ServiceFixture {
 protected:
  OtherBackend() {
    world_.bottles = {"of-docker", "of-both"};
    machines_.bottles = {"of-machines", "of-both"};
  }
  schema::Job ended(const std::string& backend, const std::string& bottle) {
    const auto id = approve(bottle, [&](schema::Approval& approval) { approval.backend = backend; });
    EXPECT_TRUE(run_to_end(id));
    EXPECT_EQ(history_fault(id), "");
    return job(id);
  }

  ScriptedWorld& machines_ = others_["smolmachines"];
};

TEST_F(OtherBackend, IsNamedWhenItHasTheBottle) {
  start();
  const auto refused = ended("smolmachines", "of-docker");
  const auto reverse = ended("docker", "of-machines");

  EXPECT_EQ(refused.state, State::rejected_unsupported);
  EXPECT_EQ(refused.reason_code, "bottle_other_backend");
  EXPECT_THAT(refused.message, HasSubstr("docker has one"));
  const auto detail = json::parse(refused.detail);
  EXPECT_EQ(detail["backend"], "smolmachines");
  EXPECT_EQ(detail["bottle"], "of-docker");
  EXPECT_EQ(detail["found_in"], json({"docker"}));
  EXPECT_EQ(detail["targets"]["docker"], "target-of-docker");
  EXPECT_EQ(reverse.reason_code, "bottle_other_backend");
  EXPECT_EQ(json::parse(reverse.detail)["found_in"], json({"smolmachines"}));
  EXPECT_THAT(machines_.calls, ElementsAre("of-docker perform admit"));
  EXPECT_THAT(world_.calls, ElementsAre("of-machines perform admit"));
  EXPECT_THAT(world_.done["of-docker"], IsEmpty());
}

TEST_F(OtherBackend, IsNotAskedWhenTheJobsOwnHasTheBottle) {
  start();
  EXPECT_EQ(ended("docker", "of-docker").state, State::succeeded);
  EXPECT_EQ(ended("docker", "of-both").state, State::succeeded);

  EXPECT_THAT(machines_.asked, IsEmpty());
  EXPECT_THAT(machines_.calls, IsEmpty());
  EXPECT_THAT(world_.asked, IsEmpty());
}

TEST_F(OtherBackend, IsNoneWhenNobodyHasTheBottle) {
  start();
  const auto stale = ended("docker", "of-nobody");

  EXPECT_EQ(stale.state, State::rejected_stale);
  EXPECT_EQ(stale.reason_code, "bottle_not_found");
  EXPECT_THAT(machines_.asked, ElementsAre("of-nobody"));
}

TEST_F(OtherBackend, ThatFailsOrIsSilentDoesNotBlock) {
  auto& podman = others_["podman"];
  podman.bottles = {"of-machines"};
  machines_.has_throws = true;
  start();
  EXPECT_EQ(json::parse(ended("docker", "of-machines").detail)["found_in"], json({"podman"}));
  machines_.has_throws = false;
  podman.has_hangs = true;
  EXPECT_EQ(json::parse(ended("docker", "of-machines").detail)["found_in"], json({"smolmachines"}));
  machines_.has_throws = true;
  EXPECT_EQ(ended("docker", "of-machines").reason_code, "bottle_not_found");
}

TEST_F(OtherBackend, AllThatHaveTheBottleAreNamed) {
  others_["podman"].bottles = {"of-machines"};
  start();
  const auto refused = ended("docker", "of-machines");

  EXPECT_EQ(json::parse(refused.detail)["found_in"], json({"podman", "smolmachines"}));
  EXPECT_THAT(refused.message, HasSubstr("podman and smolmachines have one"));
}

TEST_F(OtherBackend, IsNamedByThePlanToo) {
  start();
  const json args{{"kind", "capability_block"}, {"args", {{"change", {{"image", "busybox"}}}}}};
  const auto plan = json::parse(answered(request_on("plan", "docker", "of-machines", args.dump())).answer);

  EXPECT_FALSE(plan["possible"].get<bool>());
  EXPECT_EQ(plan["reason_code"], "bottle_other_backend");
  EXPECT_EQ(plan["detail"]["found_in"], json({"smolmachines"}));
  EXPECT_THAT(world_.calls, IsEmpty());
  EXPECT_THAT(machines_.calls, IsEmpty());
}

// A bottle that vanishes after the admission is drift, whoever else has one of that name.
TEST_F(OtherBackend, IsNoExcuseForABottleThatVanished) {
  world_.faults = {{.effect = "build", .trouble = Trouble::stale}};
  machines_.bottles->insert("of-docker");
  start();

  EXPECT_EQ(ended("docker", "of-docker").reason_code, "scripted_stale");
  EXPECT_THAT(machines_.asked, IsEmpty());
}

// ---- the table ---------------------------------------------------------------------------------------------------

constexpr std::array jobs_backends{"docker", "podman", "smolmachines", "null", "nonsense"};
constexpr std::array homes{"docker", "smolmachines", "nowhere"};
constexpr std::array engines{"present", "absent", "too old"};  // of the job's backend
constexpr std::array kinds{"capability_block", "coffee"};
constexpr const char* any = "any";
constexpr const char* another = "another";  // a backend that is not the job's

struct Rule {
  const char* backend;
  const char* home;
  const char* engine;
  const char* kind;
  State state;
  const char* reason;
};

// Exactly one rule matches each combination; what the approval itself says wrong comes before what an engine lacks,
// and that before what a bottle is.
// clang-format off
constexpr auto rules = std::to_array<Rule>({
    // backend       home            engine     kind                state                         reason
    {"nonsense",     any,            any,       any,                State::rejected_unsupported,  "backend_unknown"},

    {"docker",       any,            any,       "coffee",           State::rejected_unsupported,  "kind_unsupported"},
    {"podman",       any,            any,       "coffee",           State::rejected_unsupported,  "kind_unsupported"},
    {"smolmachines", any,            any,       "coffee",           State::rejected_unsupported,  "kind_unsupported"},
    {"null",         any,            any,       "coffee",           State::rejected_unsupported,  "kind_unsupported"},

    {"docker",       any,            "absent",  "capability_block", State::rejected_unsupported,  "backend_absent"},
    {"podman",       any,            "absent",  "capability_block", State::rejected_unsupported,  "backend_absent"},
    {"smolmachines", any,            "absent",  "capability_block", State::rejected_unsupported,  "backend_absent"},
    {"null",         any,            "absent",  "capability_block", State::rejected_unsupported,  "backend_absent"},

    {"docker",       any,            "too old", "capability_block", State::rejected_unsupported,  "backend_too_old"},
    {"podman",       any,            "too old", "capability_block", State::rejected_unsupported,  "backend_too_old"},
    {"smolmachines", any,            "too old", "capability_block", State::rejected_unsupported,  "backend_too_old"},
    {"null",         any,            "too old", "capability_block", State::rejected_unsupported,  "backend_too_old"},

    {"docker",       another,        "present", "capability_block", State::rejected_unsupported,  "bottle_other_backend"},
    {"podman",       another,        "present", "capability_block", State::rejected_unsupported,  "bottle_other_backend"},
    {"smolmachines", another,        "present", "capability_block", State::rejected_unsupported,  "bottle_other_backend"},
    {"null",         another,        "present", "capability_block", State::rejected_unsupported,  "bottle_other_backend"},

    {"docker",       "nowhere",      "present", "capability_block", State::rejected_stale,        "bottle_not_found"},
    {"podman",       "nowhere",      "present", "capability_block", State::rejected_stale,        "bottle_not_found"},
    {"smolmachines", "nowhere",      "present", "capability_block", State::rejected_stale,        "bottle_not_found"},
    {"null",         "nowhere",      "present", "capability_block", State::rejected_stale,        "bottle_not_found"},

    {"docker",       "docker",       "present", "capability_block", State::succeeded,             ""},
    {"smolmachines", "smolmachines", "present", "capability_block", State::succeeded,             ""},
});
// clang-format on

struct Combination {
  std::string backend;
  std::string home;
  std::string engine;
  std::string kind;
  [[nodiscard]] std::string text() const {
    return backend + " job, bottle in " + home + ", engine " + engine + ", " + kind;
  }
};

bool matches(const Rule& rule, const Combination& row) {
  const auto same = [](const char* wanted, const std::string& found) { return wanted == any || found == wanted; };
  const bool home = rule.home == another ? row.home != "nowhere" && row.home != row.backend : same(rule.home, row.home);
  return home && same(rule.backend, row.backend) && same(rule.engine, row.engine) && same(rule.kind, row.kind);
}

const Rule& rule_for(const Combination& row) {
  const auto matching = std::ranges::count_if(rules, [&](const Rule& rule) { return matches(rule, row); });
  EXPECT_EQ(matching, 1) << row.text();
  return *std::ranges::find_if(rules, [&](const Rule& rule) { return matches(rule, row); });
}

class DispatchTable : public ServiceFixture, public ::testing::WithParamInterface<const char*> {
 protected:
  DispatchTable() {
    for (const auto* name : {"podman", "smolmachines", "null"}) others_[name];
  }
  ScriptedWorld& world_of(const std::string& backend) { return backend == "docker" ? world_ : others_.at(backend); }
  std::vector<std::string> served() const { return {"docker", "null", "podman", "smolmachines"}; }
};

// Every combination for one state of the engines, through the whole service.
TEST_P(DispatchTable, EveryRow) {
  const std::string engine = GetParam();
  for (const auto& name : served()) {
    world_of(name).bottles.emplace();
    world_of(name).supported = engine == "present";
    world_of(name).unsupported = engine == "absent" ? "backend_absent" : "backend_too_old";
  }
  std::vector<Combination> rows;
  for (const auto* backend : jobs_backends)
    for (const auto* home : homes)
      for (const auto* kind : kinds) rows.push_back({backend, home, engine, kind});
  start();
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto bottle = "row-" + std::to_string(i);
    if (rows[i].home != "nowhere") world_of(rows[i].home).bottles->insert(bottle);
    ids.push_back(approve(bottle, [&](schema::Approval& approval) {
      approval.backend = rows[i].backend;
      approval.kind = rows[i].kind;
    }));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(rows[i].text());
    ASSERT_TRUE(run_to_end(ids[i]));
    const auto& rule = rule_for(rows[i]);
    const auto ended = job(ids[i]);
    EXPECT_EQ(ended.state, rule.state);
    EXPECT_EQ(ended.reason_code, rule.reason);
    EXPECT_EQ(ended.message.empty(), rule.state == State::succeeded);
    EXPECT_TRUE(json::parse(ended.detail).is_object());
    EXPECT_EQ(history_fault(ids[i]), "");
    if (std::string(rule.reason) == "bottle_other_backend") {
      EXPECT_THAT(ended.message, HasSubstr(rows[i].home));
      EXPECT_EQ(json::parse(ended.detail)["found_in"], json({rows[i].home}));
    }
    // No backend but the job's own is called at all, and that one changes nothing unless the job succeeds.
    for (const auto& name : served())
      for (const auto& call : world_of(name).calls) {
        if (!call.starts_with("row-" + std::to_string(i) + " ")) continue;
        EXPECT_EQ(name, rows[i].backend) << call;
        const bool changes = !call.ends_with(" perform admit");
        EXPECT_TRUE(!changes || rule.state == State::succeeded) << call;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, DispatchTable, ::testing::ValuesIn(engines),
                         [](const auto& one) { return std::to_string(one.index); });

TEST(DispatchRules, EachMatchesSomething) {
  for (const auto& rule : rules) {
    bool used = false;
    for (const auto* backend : jobs_backends)
      for (const auto* home : homes)
        for (const auto* engine : engines)
          for (const auto* kind : kinds) used = used || matches(rule, {backend, home, engine, kind});
    EXPECT_TRUE(used) << rule.backend << " " << rule.home << " " << rule.reason;
  }
}

}  // namespace
}  // namespace rebottle::test
