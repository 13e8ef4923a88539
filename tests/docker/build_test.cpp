// Builds on a real engine: what they print, what they may use, what is left of them. Not here: what follows a build.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/docker/docker_case.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;
using ::testing::HasSubstr;
using ::testing::Not;

class DockerBuild : public DockerCase {
 protected:
  void SetUp() override {
    DockerCase::SetUp();
    if (IsSkipped()) return;
    start_container(bottle, agent_body());
  }
  // The backend, configured anew.
  void configure(const std::function<void(docker::DockerConfig&)>& change) {
    change(config);
    backend = docker::make_docker_backend(io.get_executor(), config);
  }
  JobDriver printing(json change, json more = json::object()) {
    auto context = job(std::move(change), std::move(more));
    log.clear();
    context.print = [this](std::string_view piece) { log += piece; };
    return {io, *backend, std::move(context)};
  }
  JobDriver building(const std::string& dockerfile, json more = json::object()) {
    return printing(json{{"dockerfile", dockerfile}}, std::move(more));
  }
  // All images of the engine, those without a name included.
  std::set<std::string> all_images() {
    std::set<std::string> out;
    for (const auto& image : call("GET", "/images/json?all=1")) out.insert(text(at(image, "Id")));
    return out;
  }
  // A file of the import directory; returns its SHA-256.
  std::string write_import(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories(folder / "imports");
    std::ofstream(folder / "imports" / name, std::ios::binary) << bytes;
    configure([this](auto& to) { to.import_dirs = {folder / "imports"}; });
    return docker::sha256_hex(bytes);
  }
  std::string saved(const std::string& reference) {
    docker::Call one;
    one.method = "GET";
    one.target = "/images/" + reference + "/get";
    one.body_max = std::size_t{64} << 20;
    const auto reply = wait(engine->client.call(std::move(one)));
    EXPECT_TRUE(reply.succeeded()) << reply.message();
    return reply.body;
  }
  void expect_untouched() {
    EXPECT_EQ(at(at(inspect(bottle), "State"), "Running"), true);
    EXPECT_EQ(text(at(inspect(bottle), "Image")), text(at(image(test_image), "Id")));
  }

  std::string log;
};

TEST_F(DockerBuild, OfTheClassicBuilderIsLogged) {
  auto driver = building("FROM current\nRUN echo to-out && echo to-err >&2\n");
  ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done);
  EXPECT_THAT(log, HasSubstr("Step 1/8 : FROM rebottle/" + bottle + ":prev-"));
  EXPECT_THAT(log, HasSubstr("to-out\n"));
  EXPECT_THAT(log, HasSubstr("to-err"));
}

TEST_F(DockerBuild, OfBuildKitIsLoggedAndMayMount) {
  configure([](auto& to) { to.builder = "buildkit"; });
  auto refused = building("FROM current\nRUN --mount=type=cache,target=/c --network=none true\n");
  EXPECT_EQ(refused.run_step(State::prepare).reason_code, "change_unsupported");
  auto driver =
      building("FROM current\nRUN --mount=type=cache,target=/c echo to-out && test -d /c && echo kept > /kept\n");
  const auto done = driver.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << driver.failed_at() << ": " << done.message << log;
  EXPECT_THAT(log, HasSubstr("] RUN --mount=type=cache,target=/c echo to-out"));
  EXPECT_THAT(log, HasSubstr(" to-out\n"));
  EXPECT_EQ(run_inside(bottle, {"cat", "/kept"}), "kept\n");
  EXPECT_EQ(at(at(image("rebottle/" + bottle + ":current"), "Config"), "Labels")["io.rebottle.bottle"], bottle);
}

TEST_F(DockerBuild, IsLoggedWhenItFails) {
  for (const std::string builder : {"classic", "buildkit"}) {
    configure([&builder](auto& to) { to.builder = builder; });
    auto driver = building("FROM current\nRUN echo about to fail && exit 42\n");
    const auto done = driver.run_step(State::prepare);
    EXPECT_EQ(done.reason_code, "build_failed") << builder;
    EXPECT_THAT(log, HasSubstr("about to fail")) << builder;
    EXPECT_THAT(log, HasSubstr("42")) << builder;
    remove_leftovers(driver, State::failed);
  }
  expect_untouched();
}

TEST_F(DockerBuild, IsLoggedWhenItTakesTooLong) {
  for (const std::string builder : {"classic", "buildkit"}) {
    configure([&builder](auto& to) { to.builder = builder; });
    auto driver =
        building("FROM current\nRUN echo going to sleep && sleep 600\n", {{"limits", {{"build_timeout_s", 4}}}});
    const auto done = driver.run_step(State::prepare);
    EXPECT_EQ(done.reason_code, "build_timeout") << builder << done.message;
    EXPECT_THAT(log, HasSubstr("going to sleep")) << builder;
    remove_leftovers(driver, State::failed);
  }
  expect_untouched();
}

TEST_F(DockerBuild, KeepsTheLinesOfTheApprovedDockerfile) {
  auto driver = building("FROM current AS one\nFROM current\nRUN true \\\n  # a comment\n && true\n\nEXPOSE\n");
  const auto done = driver.run_step(State::prepare);
  EXPECT_EQ(done.reason_code, "dockerfile_invalid");
  EXPECT_THAT(done.message, HasSubstr("line 7")) << done.message;
}

TEST_F(DockerBuild, MayUseNoMoreThanIsConfigured) {
  configure([](auto& to) {
    to.build_memory_mib = 64;
    to.build_cpu_percent = 50;
  });
  // The files of cgroup version 1 and 2.
  auto driver = building(
      "FROM current\nRUN cd /sys/fs/cgroup && cat memory/memory.limit_in_bytes memory.max cpu/cpu.cfs_quota_us cpu.max "
      "2>/dev/null; true\n");
  ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done) << log;
  EXPECT_THAT(log, HasSubstr("67108864\n"));
  EXPECT_THAT(log, HasSubstr("50000"));
  remove_leftovers(driver, State::failed);
}

TEST_F(DockerBuild, OfTheSameInputComesFromTheCache) {
  const auto other = bottle + "-twin";
  start_container(other, agent_body());
  const std::string dockerfile = "FROM current\nRUN echo " + bottle + " > /once\n";
  for (const std::string builder : {"classic", "buildkit"}) {
    configure([&builder](auto& to) { to.builder = builder; });
    auto first = building(dockerfile);
    ASSERT_EQ(first.run_step(State::prepare).outcome, Outcome::done) << log;
    auto context = job({{"dockerfile", dockerfile}});
    context.bottle = other;
    context.print = first.context().print;
    log.clear();
    JobDriver second(io, *backend, context);
    ASSERT_EQ(second.run_step(State::prepare).outcome, Outcome::done) << log;
    EXPECT_THAT(log, HasSubstr(builder == "classic" ? "Using cache" : "CACHED")) << log;
    remove_leftovers(second, State::failed);
    remove_leftovers(first, State::failed);
  }
}

TEST_F(DockerBuild, LeavesNothingWhenTheJobFails) {
  const auto before = all_images();
  const std::string fresh = bottle + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
  auto driver = building("FROM current AS one\nRUN echo " + fresh + " > /one\nFROM current\nRUN echo " + fresh +
                         " > /two\nCOPY --from=one /one /\nRUN exit 1\n");
  EXPECT_EQ(driver.run_step(State::prepare).reason_code, "build_failed");
  EXPECT_GT(all_images().size(), before.size()) << "the builder keeps what it got done";
  // What a person made from one of our images is not ours, although it has our labels.
  call("POST",
       "/commit?container=" + bottle + "&changes=" +
           docker::percent_encode("LABEL io.rebottle.build=" + driver.context().job_key.substr(0, 8) + "-" +
                                  driver.context().args.change_sha256.substr(0, 32) + " io.rebottle.job=theirs"));
  const auto with_theirs = all_images();
  remove_leftovers(driver, State::failed);
  const auto after = all_images();
  EXPECT_EQ(after.size(), before.size() + 1);
  for (const auto& id : after)
    if (!before.contains(id)) {
      EXPECT_EQ(at(at(image(id), "Config"), "Labels")["io.rebottle.job"], "theirs");
      (void)wait(docker::erase(*engine, "/images/" + id));
    }
  EXPECT_TRUE(with_theirs.size() > after.size());
  expect_untouched();
}

TEST_F(DockerBuild, LeavesOnlyItsImageWhenTheJobSucceeds) {
  const std::string fresh = bottle + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
  auto driver = building("FROM current AS one\nRUN echo " + fresh + " > /one\nFROM current\nCOPY --from=one /one /\n");
  const auto done = driver.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << driver.failed_at() << ": " << done.message << log;
  remove_leftovers(driver, State::succeeded);
  const auto mark = driver.context().job_key.substr(0, 8) + "-" + driver.context().args.change_sha256.substr(0, 32);
  const json filters = {{"dangling", {"true"}}, {"label", {"io.rebottle.build=" + mark}}};
  EXPECT_EQ(call("GET", "/images/json?filters=" + docker::percent_encode(filters.dump())), json::array());
  EXPECT_EQ(run_inside(bottle, {"cat", "/one"}), fresh + "\n");
}

TEST_F(DockerBuild, ImageFilesGetNoNameOfTheHosts) {
  // The archive calls its image by a name that means another one on this host.
  const auto host_name = "host-own-" + bottle + ":1";
  call("POST", "/commit?container=" + bottle + "&repo=" + host_name.substr(0, host_name.size() - 2) +
                   "&tag=1&changes=" + docker::percent_encode("ENV FROM_FILE=yes"));
  const auto archived = text(at(image(host_name), "Id"));
  const auto sha256 = write_import("x.tar", saved(host_name));
  call("DELETE", "/images/" + host_name);
  EXPECT_EQ(image(archived), json()) << "the file alone has it now";
  const auto own = text(at(image(test_image), "Id"));
  call("POST", "/images/" + own + "/tag?repo=" + host_name.substr(0, host_name.size() - 2) + "&tag=1");

  auto driver = printing(json{{"image", {{"file", "x.tar"}, {"sha256", sha256}}}});
  const auto done = driver.run_all();
  EXPECT_EQ(done.outcome, Outcome::done) << driver.failed_at() << ": " << done.message;
  EXPECT_EQ(text(at(image(host_name), "Id")), own);
  EXPECT_EQ(text(at(inspect(bottle), "Image")), archived);
  EXPECT_THAT(run_inside(bottle, {"env"}), HasSubstr("FROM_FILE=yes"));
  EXPECT_FALSE(std::filesystem::exists(config.snapshot_dir / driver.context().job_key / "image.tar"));
  remove_leftovers(driver, State::succeeded);
  call("DELETE", "/images/" + host_name);
}

TEST_F(DockerBuild, ImageFilesThatAreNotUsedGoAgain) {
  const auto name = "host-own-" + bottle;
  call("POST", "/commit?container=" + bottle + "&repo=" + name + "&tag=1");
  const auto archived = text(at(image(name + ":1"), "Id"));
  const auto sha256 = write_import("x.tar", saved(name + ":1"));
  call("DELETE", "/images/" + name + ":1");
  auto driver = printing(json{{"image", {{"file", "x.tar"}, {"sha256", sha256}}}});
  ASSERT_EQ(driver.run_step(State::prepare).outcome, Outcome::done);
  EXPECT_EQ(text(at(image(archived), "Id")), archived);
  remove_leftovers(driver, State::cancelled);
  EXPECT_EQ(image(archived), json());
  expect_untouched();
}

TEST_F(DockerBuild, ImageFilesThatAreNotWhatWasApprovedAreNotLoaded) {
  const auto before = all_images();
  const auto refusal = [this](const std::string& name, const std::string& sha256) {
    auto driver = printing(json{{"image", {{"file", name}, {"sha256", sha256}}}});
    const auto done = driver.run_step(State::prepare);
    EXPECT_EQ(done.outcome, Outcome::permanent) << name;
    remove_leftovers(driver, State::failed);
    return done.reason_code;
  };
  const auto approved = write_import("x.tar", saved(test_image));
  write_import("x.tar", saved(test_image) + "!");
  EXPECT_EQ(refusal("x.tar", approved), "image_file_changed");
  EXPECT_EQ(refusal("y.tar", write_import("y.tar", std::string(3000, 'x'))), "image_file_invalid");
  // Sound to look at, and nothing that an engine can load.
  auto archive = saved(test_image);
  for (auto at = archive.find("\"Layers\""); at != std::string::npos; at = archive.find("\"Layers\"", at + 1))
    archive.replace(at, 8, "\"Lavers\"");
  EXPECT_EQ(refusal("z.tar", write_import("z.tar", archive)), "image_file_invalid");
  EXPECT_EQ(all_images(), before);
  expect_untouched();
}

}  // namespace
}  // namespace rebottle::tests
