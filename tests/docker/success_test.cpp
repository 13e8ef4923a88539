// Whole jobs that succeed on a real engine, and what they carry over. Not here: what goes wrong.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/docker/docker_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

class DockerSuccess : public DockerCase {
 protected:
  // A container with about everything that is to be carried over.
  json full_body(const std::string& network) {
    auto body = agent_body();
    body["Env"] = {"TOKEN=secret", "EMPTY="};
    body["User"] = "root";
    body["WorkingDir"] = "/home/agent";
    body["Labels"] = {{"com.example.team", "blue"}};
    body["Domainname"] = "example.test";
    body["StopSignal"] = "SIGTERM";
    body["StopTimeout"] = 4;
    body["ExposedPorts"] = {{"80/tcp", json::object()}};
    body["Volumes"] = {{"/anonymous", json::object()}};
    body["Healthcheck"] = {{"Test", {"CMD", "true"}}, {"Interval", 200000000}, {"Retries", 3}};
    body["HostConfig"] = {
        {"Init", true},
        {"NetworkMode", network},
        {"Binds", {bottle + "-named:/named"}},
        {"Mounts",
         {{{"Type", "volume"}, {"Target", "/mounted"}},
          {{"Type", "bind"}, {"Source", folder.string()}, {"Target", "/host"}, {"ReadOnly", true}}}},
        {"Tmpfs", {{"/in-memory", "size=1m"}}},
        {"PortBindings", {{"80/tcp", {{{"HostIp", "127.0.0.1"}, {"HostPort", "0"}}}}}},
        {"RestartPolicy", {{"Name", "on-failure"}, {"MaximumRetryCount", 3}}},
        {"Memory", 64 << 20},
        {"NanoCpus", 500000000},
        {"PidsLimit", 100},
        {"CapAdd", {"NET_ADMIN"}},
        {"CapDrop", {"MKNOD"}},
        {"SecurityOpt", {"no-new-privileges"}},
        {"Ulimits", {{{"Name", "nofile"}, {"Soft", 1000}, {"Hard", 2000}}}},
        {"Dns", {"192.0.2.1"}},
        {"ExtraHosts", {"db:192.0.2.9"}},
        {"ShmSize", 1 << 20},
        {"LogConfig", {{"Type", "json-file"}, {"Config", {{"max-size", "1m"}}}}},
        {"Sysctls", {{"net.ipv4.ip_unprivileged_port_start", "80"}}},
    };
    body["NetworkingConfig"]["EndpointsConfig"][network] = {{"IPAMConfig", {{"IPv4Address", "10.201.7.9"}}},
                                                            {"Aliases", {"the-agent"}}};
    return body;
  }

  std::string start_full() {
    create_network(bottle + "-one", "10.201.7.0/24");
    create_network(bottle + "-two");
    const auto id = start_container(bottle, full_body(bottle + "-one"));
    json connect = {{"Container", id}, {"EndpointConfig", {{"Aliases", {"also-the-agent"}}}}};
    call("POST", "/networks/" + bottle + "-two/connect", connect);
    return id;
  }

  json aliases(const json& container, const std::string& network) {
    json out = json::array();
    const auto short_id = text(at(container, "Id")).substr(0, 12);
    for (const auto& alias : at(at(container, "NetworkSettings", "Networks"), network).value("Aliases", json()))
      if (text(alias) != short_id) out.push_back(alias);
    return out;
  }

  std::string volume_at(const json& container, const std::string& destination) {
    for (const auto& mount : at(container, "Mounts"))
      if (text(at(mount, "Destination")) == destination) return text(at(mount, "Name"));
    return {};
  }
};

TEST_F(DockerSuccess, CarriesEverythingOverAndChangesTheImageAlone) {
  const auto old_id = start_full();
  run_inside(bottle, {"sh", "-c", "echo kept > /anonymous/file; echo kept > /named/file; echo kept > /mounted/file"});
  const auto before = inspect(bottle);
  auto changed = driver({{"dockerfile", good_dockerfile}});
  const auto done = changed.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << changed.failed_at() << ": " << done.message << done.detail;

  const auto after = inspect(bottle);
  EXPECT_NE(text(at(after, "Id")), old_id);
  auto allowed = changed_by_every_job;
  // Anonymous volumes can only go over by name; a port chosen by the engine is chosen anew.
  allowed.insert(allowed.end(), {"Config\\.Volumes", "HostConfig\\.Binds", "HostConfig\\.Mounts", "Mounts",
                                 "NetworkSettings\\.Ports", "NetworkSettings\\.Networks\\.[^.]+-two\\.MacAddress"});
  EXPECT_EQ(differences(before, after, allowed), std::vector<std::string>());
  for (const auto* const network : {"-one", "-two"})
    EXPECT_EQ(aliases(before, bottle + network), aliases(after, bottle + network));
  for (const auto* const place : {"/anonymous", "/named", "/mounted"}) {
    EXPECT_EQ(volume_at(before, place), volume_at(after, place));
    EXPECT_EQ(run_inside(bottle, {"cat", std::string(place) + "/file"}), "kept\n");
  }
  EXPECT_EQ(run_inside(bottle, {"hello"}), "hello\n");
  EXPECT_EQ(text(at(at(after, "Config", "Labels"), "io.rebottle.job")), changed.context().job_key);

  remove_leftovers(changed, State::succeeded);
  EXPECT_EQ(container_names(), std::vector<std::string>{bottle});
  EXPECT_EQ(own_tags(), (std::vector<std::string>{"rebottle/" + bottle + ":current",
                                                  "rebottle/" + bottle + ":job-" + changed.context().job_key}));
  EXPECT_EQ(run_inside(bottle, {"cat", "/anonymous/file"}), "kept\n") << "the volume went with the parked container";
  EXPECT_TRUE(std::filesystem::is_empty(config.snapshot_dir));
  EXPECT_FALSE(image(test_image).is_null()) << "an image that is not ours is gone";
}

TEST_F(DockerSuccess, ASecondJobReplacesLabelsTagsAndVolumesOfTheFirst) {
  start_full();
  auto first = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(first.run_all().outcome, Outcome::done);
  remove_leftovers(first, State::succeeded);
  const auto before = inspect(bottle);
  auto second = driver({{"commands", {"echo two > /two", "test \"$(cat /two)\" = two"}}});
  const auto done = second.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << second.failed_at() << ": " << done.message << done.detail;
  remove_leftovers(second, State::succeeded);
  const auto after = inspect(bottle);
  auto allowed = changed_by_every_job;
  allowed.insert(allowed.end(), {"NetworkSettings\\.Ports", "NetworkSettings\\.Networks\\.[^.]+-two\\.MacAddress"});
  EXPECT_EQ(differences(before, after, allowed), std::vector<std::string>());
  EXPECT_EQ(at(before, "Config", "Labels").size(), at(after, "Config", "Labels").size());
  EXPECT_EQ(own_tags(), (std::vector<std::string>{"rebottle/" + bottle + ":current",
                                                  "rebottle/" + bottle + ":job-" + second.context().job_key}));
  EXPECT_EQ(run_inside(bottle, {"cat", "/two"}), "two\n");
  EXPECT_EQ(run_inside(bottle, {"hello"}), "hello\n");
}

TEST_F(DockerSuccess, KeepsTheSnapshotPathsEvenWhatTheStopHandlerWrote) {
  start_container(bottle, agent_body());
  run_inside(bottle, {"sh", "-c",
                      "mkdir -p /data/deep/er/below && chmod 750 /data/deep && chown 1000:1000 /data/deep && "
                      "echo deep > /data/deep/er/file && echo lost > /data/beside && ln -s file /data/deep/er/link && "
                      "chown 1000:1000 /data/deep/er/file && chmod 640 /data/deep/er/file && cd /data/deep/er/below && "
                      "ln -s ../../../../etc/hosts out && ln -s /etc/hosts absolute && ln -s ../../beside up && "
                      "ln ../file hard && echo long > $(printf %0200d 7) && ln $(printf %0200d 7) long && "
                      "ln -s $(printf %0200d 7) to-long && echo umlaut > grün && mkfifo pipe"});
  json snapshot = {{"paths", {"/home/agent", "/data/deep/er", "/nowhere"}}};
  auto changed = driver({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}});
  const auto done = changed.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << changed.failed_at() << ": " << done.message << done.detail;
  EXPECT_EQ(at(changed.context().facts, "save_paths", "missing"), json::array({"/nowhere"}));
  EXPECT_EQ(run_inside(bottle, {"cat", "/home/agent/last-words"}), "last words\n");
  EXPECT_EQ(run_inside(bottle, {"cat", "/data/deep/er/link"}), "deep\n");
  EXPECT_EQ(run_inside(bottle, {"stat", "-c", "%u:%g %a", "/data/deep/er/file"}), "1000:1000 640\n");
  EXPECT_EQ(run_inside(bottle, {"stat", "-c", "%u:%g %a", "/data/deep"}), "1000:1000 750\n");
  EXPECT_EQ(run_inside(bottle, {"sh", "-c", "ls /data"}), "deep\n");
  // Engines refuse an archive with a link that leads out of the directory where it is put.
  EXPECT_EQ(
      run_inside(bottle, {"sh", "-c", "cd /data/deep/er/below && for i in out absolute up; do readlink $i; done"}),
      "../../../../etc/hosts\n/etc/hosts\n../../beside\n");
  EXPECT_EQ(run_inside(bottle, {"sh", "-c", "cd /data/deep/er/below && cat hard long to-long grün && test -p pipe"}),
            "deep\nlong\nlong\numlaut\n");
  EXPECT_EQ(run_inside(bottle, {"stat", "-c", "%h", "/data/deep/er/file"}), "2\n");
  const auto kept = config.snapshot_dir / changed.context().job_key / "0.tar";
  EXPECT_EQ(std::filesystem::status(kept).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(DockerSuccess, WithoutRestoreTheFilesAreOnlyKept) {
  start_container(bottle, agent_body());
  run_inside(bottle, {"sh", "-c", "echo x > /home/agent/file"});
  json snapshot = {{"paths", {"/home/agent/file"}}, {"restore", false}};
  auto changed = driver({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}});
  ASSERT_EQ(changed.run_all().outcome, Outcome::done);
  EXPECT_EQ(run_inside(bottle, {"sh", "-c", "ls /home/agent"}), "starts\n");
  EXPECT_TRUE(std::filesystem::exists(config.snapshot_dir / changed.context().job_key / "0.tar"));
}

TEST_F(DockerSuccess, AnImageThatIsThereCanBeTheChange) {
  start_container(bottle, agent_body());
  auto first = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(first.run_all().outcome, Outcome::done);
  remove_leftovers(first, State::succeeded);
  auto second = driver({{"image", test_image}});
  const auto done = second.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << second.failed_at() << ": " << done.message;
  remove_leftovers(second, State::succeeded);
  EXPECT_EQ(text(at(inspect(bottle), "Image")), text(at(image(test_image), "Id")));
  EXPECT_EQ(own_tags(), std::vector<std::string>{"rebottle/" + bottle + ":current"});
}

TEST_F(DockerSuccess, VerifyRunsTheCommandAndKeepsItsOutput) {
  start_container(bottle, agent_body());
  json verify = {{"exec", {"sh", "-c", "hello; echo to stderr >&2"}}};
  auto changed = driver({{"dockerfile", good_dockerfile}}, {{"verify", verify}});
  ASSERT_EQ(changed.run_all().outcome, Outcome::done);
  const auto ran = at(changed.context().facts, "verify_new", "exec");
  EXPECT_EQ(at(ran, "exit_code"), 0);
  // Both streams whole, in the order of their arrival, which is not that of the writing.
  EXPECT_THAT(text(at(ran, "output")), testing::AnyOf("hello\nto stderr\n", "to stderr\nhello\n"));
}

TEST_F(DockerSuccess, TheBottleCanBeFoundByALabel) {
  auto body = agent_body();
  body["Labels"] = {{"bot.bottle", bottle}};
  const auto name = bottle + "-agent";
  start_container(name, std::move(body));
  config.label = "bot.bottle";
  backend = another_backend();
  auto first = driver({{"dockerfile", good_dockerfile}});
  const auto done = first.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << first.failed_at() << ": " << done.message;
  // The parked container carries the same label, and is not taken for the bottle.
  auto second = driver({{"commands", {"true"}}});
  const auto again = second.run_step(State::prepare);
  ASSERT_EQ(again.outcome, Outcome::done) << second.failed_at() << ": " << again.message;
  EXPECT_EQ(at(second.context().facts, "admit", "container_id"),
            at(first.context().facts, "create_new", "container_id"));
}

TEST_F(DockerSuccess, TheRecordHoldsTheDocumentsForTheServiceAlone) {
  start_container(bottle, agent_body());
  auto changed = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(changed.run_step(State::prepare).outcome, Outcome::done);
  ASSERT_EQ(changed.run_step(State::snapshot).outcome, Outcome::done);
  const std::filesystem::path file = text(at(changed.context().facts, "record", "file"));
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::ifstream in(file);
  const auto documents = json::parse(in);
  EXPECT_EQ(text(at(documents, "container", "Id")), text(at(inspect(bottle), "Id")));
  EXPECT_EQ(text(at(documents, "image", "Id")), text(at(image(test_image), "Id")));
  EXPECT_EQ(at(documents, "networks").size(), 1U);
}

}  // namespace
}  // namespace rebottle::tests
