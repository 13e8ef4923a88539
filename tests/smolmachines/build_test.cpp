// Changes by a Dockerfile or a reference: the scripted engine's machines, images built by a real dockerd, and a record
// of what it was asked for. Not here: what may stand in a Dockerfile (tests/docker/build_test.cpp).
#include <algorithm>
#include <cstdlib>

#include <sys/mount.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "tests/smolmachines/smolmachines_case.hpp"
#include "tests/support/recording_proxy.hpp"
#include "tests/support/run.hpp"
#include "worker/backends/docker/archive.hpp"
#include "worker/backends/docker/docker_module.hpp"
#include "worker/backends/docker/image_builder.hpp"
#include "worker/backends/docker/images.hpp"
#include "worker/backends/docker/probe.hpp"
#include "worker/backends/docker/text.hpp"
#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/smolmachines_module.hpp"

namespace rebottle::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using worker::at;
using worker::text;
namespace docker = worker::docker;

const json adds_a_file = {{"change", {{"dockerfile", "FROM current\nRUN echo built > /root/built\n"}}}};

class Building : public SmolmachinesCase {
 protected:
  void SetUp() override {
    const char* const socket = std::getenv("REBOTTLE_TEST_DOCKER");
    if (socket == nullptr || *socket == '\0') GTEST_SKIP() << "REBOTTLE_TEST_DOCKER names no engine; ctest starts one";
    // Cases on one engine are told apart by it.
    instance_ = "b" + std::to_string(::getpid());
    proxy_ = std::make_unique<RecordingProxy>(folder_ / "docker.sock", socket);
    docker_.socket = folder_ / "docker.sock";
    config_.builder = "docker";
    builder_ = [this] { return docker::make_image_builder(io_.get_executor(), docker_, "docker", "smolmachines"); };
    auto direct = docker_;
    direct.socket = socket;
    looks_.reset(new docker::Engine(docker::make_engine(io_.get_executor(), direct, "looks")));
    backend_ = backend();
    make_bottle();
  }
  void TearDown() override {
    if (!looks_) return;
    for (const auto& tag : tags()) run(io_, docker::erase(*looks_, "/images/" + docker::percent_encode_path(tag)));
  }

  JobDriver driver(json args, std::int64_t job_id = 7) {
    auto made = context(std::move(args), job_id);
    made.print = [this](std::string_view piece) { log_ += piece; };
    return {io_, *backend_, std::move(made)};
  }
  // The names of this case's images.
  std::vector<std::string> tags() {
    std::vector<std::string> out;
    const auto listed = run(io_, docker::see(*looks_, "/images/json"));
    for (const auto& image : listed.doc)
      for (const auto& tag : at(image, "RepoTags"))
        if (text(tag).find(instance_) != std::string::npos) out.push_back(text(tag));
    std::ranges::sort(out);
    return out;
  }
  // An image of ours with a workload, under a name that is no job's.
  std::string known_image() {
    docker::Build wanted;
    wanted.dockerfile = docker::prepare_dockerfile(
        "FROM rebottle-demo/busybox:1\nRUN mkdir /workspace && echo known > /root/known\n"
        "CMD [\"sh\", \"-c\", \"while :; do sleep 1; done\"]\n",
        "");
    wanted.tag = "known-" + instance_ + ":1";
    wanted.labels = json::object();
    wanted.mark = instance_;
    wanted.timeout_s = 60;
    const auto tag = wanted.tag;
    const auto built = run(io_, docker::build(*looks_, std::move(wanted), [](std::string_view) {}));
    EXPECT_EQ(built.outcome, Outcome::done) << built.message;
    return tag;
  }
  // What changed something in Docker, without its version and what follows a question mark.
  std::vector<std::string> asked() {
    std::vector<std::string> out;
    for (const auto& request : proxy_->mutating()) {
      const auto path = request.substr(0, request.find('?'));
      out.push_back(path.substr(0, path.find(' ')) + path.substr(path.find('/', path.find("/v") + 1)));
    }
    return out;
  }
  // The job ended before the stop: the machine has never been touched, and nothing is left.
  void expect_untouched(JobDriver& job) {
    EXPECT_THAT(calls(true), Not(::testing::Contains(HasSubstr("stop"))));
    EXPECT_EQ(state("dev-1"), "running");
    remove_leftovers(job, State::failed);
    EXPECT_THAT(machines(), ElementsAre("dev-1"));
    EXPECT_THAT(files_left(), IsEmpty());
    for (const auto& tag : tags()) EXPECT_THAT(tag, HasSubstr("known-"));
  }

  docker::DockerConfig docker_;
  std::unique_ptr<RecordingProxy> proxy_;
  std::unique_ptr<docker::Engine> looks_;
  std::string log_;
};

TEST_F(Building, ADockerfileMakesAMachineAndTheNextOneBeginsAtItsImage) {
  auto first = driver(adds_a_file);
  auto ended = first.run_all();
  ASSERT_EQ(ended.outcome, Outcome::done) << first.failed_at() << ": " << ended.message;
  EXPECT_EQ(state("dev-1"), "stopped");
  EXPECT_EQ(in_machine("dev-1-r1", "cat /root/built; echo $WHO"), "built\nagent\n");
  EXPECT_THAT(log_, HasSubstr("Step 1/"));
  // The archive of the provisioner's image was found by its content, and is not known to the builder otherwise.
  EXPECT_THAT(asked(), ElementsAre("POST/images/load", "POST/build"));

  current_ = backend_->current(first.context());
  EXPECT_EQ(at(current_, "builder"), "docker");
  remove_leftovers(first, State::succeeded);
  EXPECT_THAT(tags(), ElementsAre(text(at(current_, "image_tag"))));
  EXPECT_THAT(files_left(), ElementsAre("specs/" + first.context().job_key + ".json"));

  auto second = driver({{"change", {{"dockerfile", "FROM current\nRUN echo again > /root/again\n"}}}}, 8);
  ended = second.run_all();
  ASSERT_EQ(ended.outcome, Outcome::done) << second.failed_at() << ": " << ended.message;
  EXPECT_EQ(in_machine("dev-1-r2", "cat /root/built /root/again"), "built\nagain\n");
  const auto one_before = text(at(current_, "image_tag"));
  remove_leftovers(second, State::succeeded);
  EXPECT_THAT(tags(), ElementsAre(text(at(backend_->current(second.context()), "image_tag"))));
  EXPECT_NE(tags().front(), one_before);
  EXPECT_THAT(machines(), ElementsAre("dev-1", "dev-1-r2"));
}

TEST_F(Building, AReferenceIsFoundAndNothingOfDockerIsChanged) {
  const auto image = known_image();
  auto job = driver({{"change", {{"image", image}}}});
  const auto ended = job.run_all();
  ASSERT_EQ(ended.outcome, Outcome::done) << job.failed_at() << ": " << ended.message;
  EXPECT_EQ(in_machine("dev-1-r1", "cat /root/known"), "known\n");
  remove_leftovers(job, State::succeeded);
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_THAT(tags(), ElementsAre(image));
  // What FROM current means from now on: the same image, told by its id.
  current_ = backend_->current(job.context());
  auto next = driver(adds_a_file, 8);
  ASSERT_EQ(next.run_all().outcome, Outcome::done) << next.failed_at();
  EXPECT_EQ(in_machine("dev-1-r2", "cat /root/known /root/built"), "known\nbuilt\n");
  remove_leftovers(next, State::succeeded);
}

TEST_F(Building, AReferenceThatIsNotThere) {
  auto job = driver({{"change", {{"image", "localhost:1/nobody:1"}}}});
  const auto refused = job.run_all();
  EXPECT_EQ(refused.reason_code, "image_absent");
  EXPECT_THAT(refused.message, HasSubstr("pull = false"));
  EXPECT_THAT(asked(), IsEmpty());
  expect_untouched(job);

  docker_.pull = true;
  backend_ = backend();
  auto pulling = driver({{"change", {{"image", "localhost:1/nobody:1"}}}});
  const auto failed = carry_out(pulling, 1);
  EXPECT_EQ(pulling.failed_at(), "resolve_image");
  EXPECT_NE(failed.outcome, Outcome::done);
  EXPECT_THAT(asked(), ElementsAre("POST/images/create"));
  expect_untouched(pulling);
}

TEST_F(Building, ThatFailsIsLoggedAndLeavesTheBottleAlone) {
  auto job = driver({{"change", {{"dockerfile", "FROM current\nRUN echo on the way; exit 7\n"}}}});
  const auto ended = job.run_all();
  EXPECT_EQ(ended.outcome, Outcome::permanent);
  EXPECT_EQ(ended.reason_code, "build_failed");
  EXPECT_EQ(at(ended.detail, "exit_code"), 7);
  EXPECT_THAT(log_, HasSubstr("on the way"));
  expect_untouched(job);
}

TEST_F(Building, OfWhatCannotBeBuiltIsRefused) {
  const std::vector<std::pair<std::string, std::string>> dockerfiles = {
      {"FROM current\nADD http://example.org/x /x\n", "ADD is not accepted"},
      {"FROM --platform=linux/arm64 current\n", "platform"},
      {"FROM nobody-has/this:1\n", "pull = false"}};
  for (const auto& [dockerfile, why] : dockerfiles) {
    auto job = driver({{"change", {{"dockerfile", dockerfile}}}});
    EXPECT_THAT(job.run_all().message, HasSubstr(why));
    EXPECT_EQ(job.failed_at(), "admit");
    expect_untouched(job);
  }
  EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(Building, OnAPresentImageThatNobodyHasIsRefused) {
  std::filesystem::rename(folder_ / "images/old.tar", folder_ / "old.tar");
  auto job = driver(adds_a_file);
  const auto ended = job.run_all();
  EXPECT_EQ(ended.outcome, Outcome::unsupported);
  EXPECT_EQ(ended.reason_code, "change_unsupported");
  EXPECT_THAT(ended.message, HasSubstr("no file of import_dirs"));
  EXPECT_THAT(asked(), IsEmpty());
  expect_untouched(job);
}

TEST_F(Building, AnImageForAnotherProcessorIsRefused) {
  const auto name = "known-" + instance_ + ":2";
  const auto entry = [](const std::string& path, const std::string& content) {
    docker::ArchiveEntry out;
    out.path = path;
    out.content = content;
    return out;
  };
  const auto layer = docker::make_archive({});
  const json config = {{"architecture", "s390x"},
                       {"os", "linux"},
                       {"rootfs", {{"type", "layers"}, {"diff_ids", {"sha256:" + docker::sha256_hex(layer)}}}}};
  const json manifest = json::array({{{"Config", "config.json"}, {"RepoTags", {name}}, {"Layers", {"layer.tar"}}}});
  worker::FileWriter writer(folder_ / "other/image.tar");
  ASSERT_TRUE(writer.write(docker::make_archive({entry("config.json", config.dump()), entry("layer.tar", layer),
                                                 entry("manifest.json", manifest.dump())})) &&
              writer.seal());
  const auto loaded = run(io_, docker::load(*looks_, folder_ / "other/image.tar", [](std::string_view) {}));
  ASSERT_EQ(loaded.outcome, Outcome::done) << loaded.message;
  auto job = driver({{"change", {{"image", name}}}});
  const auto ended = job.run_all();
  EXPECT_EQ(ended.outcome, Outcome::permanent);
  EXPECT_EQ(ended.reason_code, "platform_mismatch");
  EXPECT_THAT(ended.message, HasSubstr("s390x"));
  expect_untouched(job);
}

TEST_F(Building, WithoutItsEngineIsRefusedAndSaidBeforehand) {
  docker_.socket = folder_ / "nowhere.sock";
  backend_ = backend();
  const auto rows = run(io_, backend_->probe());
  EXPECT_TRUE(rows.at(0).supported);  // commands work
  const auto detail = json::parse(rows.at(0).detail);
  EXPECT_EQ(at(detail, "changes"), json({"commands", "image_file"}));
  EXPECT_THAT(text(at(detail, "unsupported_changes", "dockerfile")), HasSubstr("nowhere.sock"));
  EXPECT_EQ(at(detail, "builder", "reason_code"), "builder_absent");
  auto job = driver(adds_a_file);
  const auto ended = job.run_all();
  EXPECT_EQ(ended.outcome, Outcome::unsupported);
  EXPECT_EQ(ended.reason_code, "builder_absent");
  expect_untouched(job);
}

TEST_F(Building, IsTakenUpAgainAfterItsEngineWasAway) {
  auto job = driver(adds_a_file);
  ASSERT_EQ(job.run_until("provide_current").reason_code, "stopped_by_test") << job.failed_at();
  docker_.socket = folder_ / "nowhere.sock";
  const auto away = backend();
  job.use(*away);
  const auto ended = job.run_all();
  EXPECT_EQ(ended.outcome, Outcome::unreachable) << ended.message;
  EXPECT_EQ(state("dev-1"), "running");
  docker_.socket = folder_ / "docker.sock";
  const auto again = backend();
  job.use(*again);
  ASSERT_EQ(job.run_all().outcome, Outcome::done) << job.failed_at();
  remove_leftovers(job, State::succeeded);
}

TEST_F(Building, FindsItsOwnWorkAfterACrashAtEveryEffect) {
  auto job = driver(adds_a_file);
  for (const std::string effect : {"provide_current", "build_image", "export_image"}) {
    ASSERT_EQ(job.run_until(effect).reason_code, "stopped_by_test") << job.failed_at();
    job.forget(effect);
    backend_ = backend();
    job.use(*backend_);
  }
  const auto ended = job.run_all();
  ASSERT_EQ(ended.outcome, Outcome::done) << job.failed_at() << ": " << ended.message;
  EXPECT_EQ(in_machine("dev-1-r1", "cat /root/built"), "built\n");
  EXPECT_EQ(std::ranges::count(asked(), "POST/build"), 1);
  current_ = backend_->current(job.context());
  remove_leftovers(job, State::succeeded);
  EXPECT_THAT(tags(), ElementsAre(text(at(current_, "image_tag"))));
  EXPECT_THAT(files_left(), ElementsAre("specs/" + job.context().job_key + ".json"));
}

TEST_F(Building, WhatAPersonSettledLeavesNothingAtTheBuilder) {
  auto job = driver(adds_a_file);
  ASSERT_EQ(job.run_until("export_image").reason_code, "stopped_by_test") << job.failed_at();
  EXPECT_THAT(tags(), ::testing::Contains(Not(HasSubstr("known-"))));
  remove_leftovers(job, State::resolved);
  for (const auto& tag : tags()) EXPECT_THAT(tag, HasSubstr("known-"));
}

TEST_F(Building, OnAFullDiskEndsBeforeTheStop) {
  std::filesystem::create_directories(config_.work_dir / "images");
  ::chmod(config_.work_dir.c_str(), 0700);
  const auto small = config_.work_dir / "images";
  ASSERT_EQ(::mount("small", small.c_str(), "tmpfs", 0, "size=8m,mode=700"), 0);
  auto job = driver({{"change", {{"image", known_image()}}}});
  const auto ended = job.run_all();
  EXPECT_EQ(ended.outcome, Outcome::permanent);
  EXPECT_EQ(ended.reason_code, "disk_space");
  EXPECT_EQ(job.failed_at(), "export_image");
  expect_untouched(job);
  EXPECT_EQ(::umount2(small.c_str(), MNT_DETACH), 0);
}

TEST_F(Building, IsInThePlanAsItIsInTheHistory) {
  const auto plan = run(io_, backend_->plan(context(adds_a_file)));
  ASSERT_TRUE(plan.possible) << plan.message;
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_THAT(calls(true), IsEmpty());
  auto job = driver(adds_a_file);
  ASSERT_EQ(job.run_all().outcome, Outcome::done) << job.failed_at();
  std::vector<std::string> told = plan.makes;
  told.insert(told.end(), plan.changes.begin(), plan.changes.end());
  for (const auto& effect : job.effects()) {
    if (!effect.mutates) continue;
    EXPECT_EQ(std::ranges::count(told, effect.summary), 1) << effect.summary;
  }
  const auto key = instance_ + "-7";
  EXPECT_THAT(
      plan.makes,
      ElementsAre("load " + (folder_ / "images/old.tar").string() +
                      ", the image of the machine dev-1, into docker as smolmachines/rebottle/dev-1:prev-" + key,
                  "build the image smolmachines/rebottle/dev-1:job-" + key + " by docker",
                  "export the image from docker to " + (config_.work_dir / "images" / key / "image.tar").string(),
                  HasSubstr("create the new machine dev-1-r1")));
  EXPECT_THAT(plan.removes,
              ::testing::Contains("image tag smolmachines/rebottle/dev-1:prev-" + key + ", after success"));
  remove_leftovers(job, State::succeeded);
}

TEST(BuilderKey, IsTheNameOfAnEngineThatBuilds) {
  const auto able = docker::docker_module();
  const auto module = worker::smolmachines::smolmachines_module({able.get()});
  const auto faults_of = [&](const std::string& name) {
    std::string out = "there is no such key";
    for (const auto& key : module->keys())
      if (key.name == "builder") out = key.take({name, "string"});
    for (const auto& clash : module->clashes()) out.append(clash.key).append(" ").append(clash.what);
    return out;
  };
  EXPECT_EQ(faults_of("lxc"), "builder must be the name of an engine that builds images: docker");
  EXPECT_EQ(faults_of("docker"), "");
  EXPECT_EQ(faults_of(""), "");
}

}  // namespace
}  // namespace rebottle::tests
