// The table of effects: stable names, right flags, the same list for the same job. Not here: the effects.
#include "worker/backends/docker/effect_table.hpp"

#include <set>

#include <gmock/gmock.h>
#include <boost/asio/io_context.hpp>

#include "worker/backends/docker/docker_backend.hpp"

namespace rebottle::worker::docker {
namespace {

using ::testing::ElementsAre;

class EffectTable : public ::testing::Test {
 protected:
  EffectTable() {
    job.job_key = "ab-1";
    job.bottle = "agent";
    job.args.change = schema::Args::Dockerfile{"FROM current\n"};
    backend = make_docker_backend(io.get_executor(), config);
  }
  std::vector<std::string> names(State step) {
    std::vector<std::string> out;
    for (const auto& effect : backend->effects(job, step)) out.push_back(effect.name);
    return out;
  }
  boost::asio::io_context io;
  DockerConfig config;
  JobContext job;
  std::unique_ptr<Backend> backend;
};

TEST_F(EffectTable, NamesAreStable) {
  job.args.snapshot.paths = {"/x"};
  EXPECT_THAT(names(State::prepare),
              ElementsAre("admit", "pin_image", "build_image", "create_new", "connect_networks"));
  EXPECT_THAT(names(State::snapshot), ElementsAre("record"));
  EXPECT_THAT(names(State::stop), ElementsAre("disarm", "stop_old"));
  EXPECT_THAT(names(State::apply), ElementsAre("save_paths", "park_old", "take_name", "restore_paths"));
  EXPECT_THAT(names(State::restart), ElementsAre("start_new"));
  EXPECT_THAT(names(State::verify), ElementsAre("verify_new", "tag_current"));
  EXPECT_THAT(names(State::rollback), ElementsAre("verify_old"));
}

TEST_F(EffectTable, DependsOnTheApprovalAlone) {
  EXPECT_THAT(names(State::apply), ElementsAre("park_old", "take_name"));
  job.args.snapshot.paths = {"/x"};
  job.args.snapshot.restore = false;
  EXPECT_THAT(names(State::apply), ElementsAre("save_paths", "park_old", "take_name"));
  job.args.change = schema::Args::Image{"x:1"};
  EXPECT_THAT(names(State::prepare),
              ElementsAre("admit", "pin_image", "resolve_image", "create_new", "connect_networks"));
}

TEST_F(EffectTable, FindingAnImageMutatesOnlyWhereItMayBeFetched) {
  job.args.change = schema::Args::Image{"x:1"};
  EXPECT_FALSE(backend->effects(job, State::prepare)[2].mutates);
  config.pull = true;
  backend = make_docker_backend(io.get_executor(), config);
  EXPECT_TRUE(backend->effects(job, State::prepare)[2].mutates);
}

TEST_F(EffectTable, TheFirstEffectOnlyReadsAndDowntimeBeginsAndEndsOnce) {
  const auto rows = effect_rows();
  EXPECT_EQ(rows.front().name, "admit");
  EXPECT_FALSE(rows.front().mutates);
  EXPECT_EQ(std::ranges::count_if(rows, [](const auto& row) { return row.begins_downtime; }), 1);
  EXPECT_EQ(std::ranges::count_if(rows, [](const auto& row) { return row.ends_downtime; }), 1);
  std::set<std::string_view> seen;
  for (const auto& row : rows) {
    EXPECT_TRUE(seen.insert(row.name).second) << row.name;
    EXPECT_EQ(&effect_row(row.name), &row);
    // What comes before the stop is never undone: it becomes a leftover.
    EXPECT_FALSE(row.undoable && (row.step == State::prepare || row.step == State::snapshot)) << row.name;
    EXPECT_TRUE(row.mutates || !row.undoable) << row.name;
  }
}

TEST_F(EffectTable, EachMemberHasEffectsOfItsOwnOnceTheAdmissionKnowsIt) {
  job.args.snapshot.paths = {"/x"};
  job.facts["admit"] = {{"name", "agent"}, {"members", {{{"name", "proxy"}}, {{"name", "tap"}}}}};
  EXPECT_THAT(names(State::prepare), ElementsAre("admit", "pin_image", "pin_image:proxy", "pin_image:tap",
                                                 "build_image", "create_new", "create_new:proxy", "create_new:tap",
                                                 "connect_networks", "connect_networks:proxy", "connect_networks:tap"));
  EXPECT_THAT(names(State::stop),
              ElementsAre("disarm", "disarm:proxy", "disarm:tap", "stop_old:tap", "stop_old:proxy", "stop_old"));
  EXPECT_THAT(names(State::apply), ElementsAre("save_paths", "park_old", "park_old:proxy", "park_old:tap", "take_name",
                                               "take_name:proxy", "take_name:tap", "restore_paths"));
  EXPECT_THAT(names(State::restart), ElementsAre("start_new", "start_new:proxy", "start_new:tap"));
  EXPECT_THAT(names(State::verify), ElementsAre("verify_new", "tag_current"));
  EXPECT_EQ(backend->effects(job, State::apply)[2].summary, "rename proxy to proxy.prev-ab-1");
}

TEST_F(EffectTable, DowntimeIsFromTheFirstStopToTheLastStartOfThoseThatRun) {
  job.facts["admit"] = {{"name", "agent"},
                        {"members", {{{"name", "proxy"}, {"running", true}}, {{"name", "tap"}, {"running", false}}}}};
  std::vector<std::string> begins;
  std::vector<std::string> ends;
  for (const auto step : {State::prepare, State::snapshot, State::stop, State::apply, State::restart, State::verify})
    for (const auto& effect : backend->effects(job, step)) {
      if (effect.begins_downtime) begins.push_back(effect.name);
      if (effect.ends_downtime) ends.push_back(effect.name);
    }
  EXPECT_THAT(begins, ElementsAre("stop_old:proxy"));
  EXPECT_THAT(ends, ElementsAre("start_new:proxy"));
}

TEST_F(EffectTable, TwoNamesOfOneBottleAreOneTarget) {
  EXPECT_EQ(backend->target_of("agent"), "docker:agent");
  config.container = "bottle-{bottle}";
  EXPECT_EQ(make_docker_backend(io.get_executor(), config)->target_of("x"), "docker:bottle-x");
  config.label = "bot";
  EXPECT_EQ(make_docker_backend(io.get_executor(), config, "podman")->target_of("x"), "podman:label bot=x");
}

TEST_F(EffectTable, NothingIsLeftBeforeTheAdmission) {
  EXPECT_TRUE(backend->leftovers(job, State::rejected_unsupported).empty());
}

TEST_F(EffectTable, LeftoversAreNamedByTheJob) {
  job.facts["admit"] = {{"container_id", "old"}, {"name", "agent"}, {"earlier_tags", {"rebottle/agent:job-ab-0"}}};
  const auto kinds = [&](State end) {
    std::vector<std::string> out;
    for (const auto& leftover : backend->leftovers(job, end)) out.push_back(leftover.kind + " " + leftover.reference);
    return out;
  };
  EXPECT_THAT(kinds(State::succeeded),
              ElementsAre(R"(parked_container {"container_id":"old","name":"agent.prev-ab-1"})",
                          R"(image_tag {"tag":"rebottle/agent:job-ab-0"})", R"(build_cache {"mark":"ab-"})",
                          R"(image_tag {"tag":"rebottle/agent:prev-ab-1"})", R"(snapshot_files {"directory":"ab-1"})"));
  EXPECT_THAT(
      kinds(State::failed),
      ElementsAre(
          R"(created_container {"container_id":"","job":"ab-1","name":"agent.new-ab-1","settled":false,"step":"create_new"})",
          R"(image_tag {"job":"ab-1","tag":"rebottle/agent:job-ab-1"})", R"(build_cache {"mark":"ab-"})",
          R"(image_tag {"tag":"rebottle/agent:prev-ab-1"})", R"(snapshot_files {"directory":"ab-1"})"));
  EXPECT_EQ(kinds(State::resolved).size(), 4U) << "a settlement by hand keeps the files";
}

TEST_F(EffectTable, AnUndoMakesNothingAndPutsInWhatWasParked) {
  job.job_key = "ab-2";
  const json before = {{"name", "agent"}, {"container_id", "old"}, {"running", true}, {"members", json::array()}};
  job.undoes = Undone{"ab-1", {{"admit", before}}};
  job.facts["admit"] = before;
  job.facts["admit"]["container_id"] = "changed";
  EXPECT_THAT(names(State::prepare), ElementsAre("admit", "pin_image"));
  EXPECT_THAT(names(State::apply), ElementsAre("park_old", "take_name"));
  EXPECT_EQ(backend->effects(job, State::apply)[1].summary, "rename agent.prev-ab-1 to agent");
  EXPECT_EQ(backend->current(job)["container_id"], "old");
}

TEST_F(EffectTable, WhatAnUndoLeavesGoesAtOnce) {
  config.keep_old_s = 60;
  backend = make_docker_backend(io.get_executor(), config);
  job.job_key = "ab-2";
  job.undoes = Undone{"ab-1", {{"admit", {{"container_id", "old"}, {"name", "agent"}}}}};
  job.facts["admit"] = {{"container_id", "changed"}, {"name", "agent"}};
  std::vector<std::string> left;
  for (const auto& leftover : backend->leftovers(job, State::succeeded)) {
    EXPECT_EQ(leftover.not_before, 0) << leftover.kind;
    EXPECT_FALSE(leftover.way_back) << leftover.kind;
    left.push_back(leftover.kind + " " + leftover.reference);
  }
  // Of the undone job's, only what is of no use to what is back in its place.
  EXPECT_THAT(left, ElementsAre(R"(parked_container {"container_id":"changed","name":"agent.prev-ab-2"})",
                                R"(image_tag {"tag":"rebottle/agent:prev-ab-2"})",
                                R"(image_tag {"tag":"rebottle/agent:prev-ab-1"})", R"(build_cache {"mark":"ab-"})",
                                R"(snapshot_files {"directory":"ab-1"})", R"(snapshot_files {"directory":"ab-2"})"));
}

}  // namespace
}  // namespace rebottle::worker::docker
