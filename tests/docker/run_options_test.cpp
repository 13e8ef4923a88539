// Containers as people make them, with the options of `docker run`, through a change: inspect tells the same as before.
// Not here: fields one by one (matrix_test.cpp); more than one member, failures.
#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/docker/docker_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DockerRunOptions : public DockerCase {
 protected:
  void docker_cli(const std::string& arguments) {
    const auto command = "docker -H unix://" + config.socket.string() + " " + arguments + " >/dev/null 2>" +
                         (folder / "docker-cli").string();
    ASSERT_EQ(std::system(command.c_str()), 0) << command << "; see " << folder / "docker-cli";
  }
  void docker_run(const std::string& options, const std::string& image = test_image,
                  const std::string& command = "sleep 1000") {
    docker_cli("run -d --init --name " + bottle + " " + options + " " + image + " " + command);
  }
  // Changes the bottle and returns what inspect tells differently, but for what every change brings.
  std::vector<std::string> changed_by_a_job(std::vector<std::string> allowed = {}) {
    const auto before = inspect(bottle);
    auto one = driver({{"dockerfile", good_dockerfile}}, {{"verify", {{"stable_s", 0}}}});
    const auto done = one.run_all();
    EXPECT_EQ(done.outcome, Outcome::done) << one.failed_at() << ": " << done.message << done.detail;
    remove_leftovers(one, State::succeeded);
    allowed.insert(allowed.end(), changed_by_every_job.begin(), changed_by_every_job.end());
    return differences(before, inspect(bottle), allowed);
  }
  void remove() { docker_cli("rm -f " + bottle); }
};

TEST_F(DockerRunOptions, ComeOutOfAChangeAsTheyWentIn) {
  const auto host = folder.string();
  const auto volume = bottle + "-volume";
  for (const auto& options : {
           "-it -e UNSET -e EMPTY= -e A=1 -e PATH=/bin:/own -l a=b -l empty= --hostname 0123456789ab "
           "--domainname example.test --no-healthcheck --entrypoint '' --stop-timeout 0 --stop-signal SIGKILL "
           "--restart unless-stopped --log-driver none -p 127.0.0.1:18080-18082:80-82 -p 18053:53/udp "
           "--dns 192.0.2.1 --add-host h:host-gateway --cpus 0.5 -m 64m --memory-swap 64m --pids-limit -1 "
           "--ulimit nofile=100:200 -v " +
               volume + ":/data/ -v " + host + ":/data/host:ro,private --mount type=volume,src=" + volume +
               "-2,dst=/data/deep,volume-nocopy",
           std::string("--network none --read-only --tmpfs /tmp:size=1m,mode=1777 --security-opt no-new-privileges "
                       "--security-opt systempaths=unconfined --cap-drop ALL "
                       "--mount type=tmpfs,destination=/home/agent"),
           std::string("--network host --pid host --ipc host --uts host --userns host --cgroupns host"),
           std::string("--network host --hostname chosen"),
       }) {
    SCOPED_TRACE(options);
    docker_run(options);
    EXPECT_THAT(changed_by_a_job(), IsEmpty());
    remove();
  }
}

TEST_F(DockerRunOptions, PortsLeftToTheEngineAreChosenAnew) {
  docker_run("-P --expose 90 -p 91");
  EXPECT_THAT(changed_by_a_job({"NetworkSettings\\.Ports\\..*"}), IsEmpty());
  EXPECT_EQ(at(inspect(bottle), "NetworkSettings", "Ports").size(), 2U);
}

TEST_F(DockerRunOptions, SeveralNetworksWithAliasesAndStaticAddresses) {
  create_network(bottle + "-one", "10.201.10.0/24");
  create_network(bottle + "-two", "10.201.11.0/24");
  create_network(bottle + "-three", "10.201.12.0/24");
  docker_run("--network " + bottle + "-one --ip 10.201.10.9 --network-alias a --network-alias b --hostname chosen");
  docker_cli("network connect --ip 10.201.11.9 --alias c --link-local-ip 169.254.34.68 " + bottle + "-two " + bottle);
  docker_cli("network connect --driver-opt com.example.option=x " + bottle + "-three " + bottle);
  const auto before = inspect(bottle);
  EXPECT_THAT(changed_by_a_job({"NetworkSettings\\.Networks\\.[^.]+-three\\.(IPAMConfig|MacAddress)"}), IsEmpty());
  const auto aliases = [&](const json& container, const std::string& network) {
    std::vector<std::string> out;
    for (const auto& alias : at(at(container, "NetworkSettings", "Networks"), bottle + network)["Aliases"])
      if (text(alias) != text(at(container, "Id")).substr(0, 12)) out.push_back(text(alias));
    return out;
  };
  const auto after = inspect(bottle);
  for (const auto* const network : {"-one", "-two", "-three"})
    EXPECT_EQ(aliases(before, network), aliases(after, network)) << network;
}

TEST_F(DockerRunOptions, AnonymousVolumesBelowAndAboveOtherMountsKeepTheirData) {
  docker_run("-v /data -v " + bottle + "-named:/data/named -v /data/named/deep/ --mount type=volume,dst=/mounted");
  run_inside(bottle, {"sh", "-c", "for d in /data /data/named /data/named/deep /mounted; do echo $d > $d/file; done"});
  const auto names = [this] {
    json out = json::object();
    const auto container = inspect(bottle);
    for (const auto& mount : at(container, "Mounts")) out[text(at(mount, "Destination"))] = at(mount, "Name");
    return out;
  };
  const auto before = names();
  EXPECT_THAT(changed_by_a_job({"Config\\.Volumes", "HostConfig\\.Binds", "HostConfig\\.Mounts", "Mounts"}), IsEmpty());
  EXPECT_EQ(names(), before);
  for (const auto* const place : {"/data", "/data/named", "/data/named/deep", "/mounted"})
    EXPECT_EQ(run_inside(bottle, {"cat", std::string(place) + "/file"}), std::string(place) + "\n");
}

TEST_F(DockerRunOptions, EmptyAnonymousVolumesAreNotFilledWhileTheOldOneRunsNorLater) {
  docker_run("-v /one --mount type=volume,dst=/two -v " + bottle + "-named:/three:nocopy");
  run_inside(bottle, {"sh", "-c", "chown 1000:1000 /one /two /three && chmod 700 /one /two /three"});
  const auto look = [this] {
    return run_inside(bottle, {"sh", "-c", "for d in /one /two /three; do stat -c '%n %u:%g %a' $d; ls -A $d; done"});
  };
  const auto before = look();
  auto one = driver({{"dockerfile", "FROM current\nRUN for d in /one /two /three; do mkdir $d; echo x > $d/x; done\n"}},
                    {{"verify", {{"stable_s", 0}}}});
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  EXPECT_EQ(look(), before);
  const auto done = one.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << one.failed_at() << ": " << done.message << done.detail;
  EXPECT_EQ(look(), before);
}

// What a person says against the image holds against the next image too.
TEST_F(DockerRunOptions, SaidAgainstTheImageHoldAgainstTheNextOne) {
  const auto image = "rebottle/" + bottle + ":with-defaults";
  const auto made = text(at(call("POST", "/containers/create?name=" + bottle + "-base", agent_body()), "Id"));
  call("POST", "/commit?container=" + made + "&repo=rebottle/" + bottle + "&tag=with-defaults",
       {{"Entrypoint", {"/bin/false"}},
        {"Cmd", {"--image"}},
        {"Env", {"PATH=/usr/local/bin:/bin", "UNSET=image"}},
        {"Labels", {{"image", "1"}}},
        {"Healthcheck", {{"Test", {"CMD", "false"}}, {"Interval", 100000000}, {"Retries", 1}}}});
  docker_run("--entrypoint '' --no-healthcheck -e UNSET -l image=2", image);
  EXPECT_THAT(changed_by_a_job(), IsEmpty());
  EXPECT_EQ(run_inside(bottle, {"sh", "-c", "echo ${UNSET-unset}"}), "unset\n");
  remove();

  // The image's own entrypoint, given by hand, is given without the image's command.
  docker_run("--entrypoint /bin/false --restart no", image, "");
  const auto before = inspect(bottle);
  EXPECT_TRUE(at(before, "Config", "Cmd").is_null());
  auto one = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  const auto created = inspect(text(at(one.context().facts, "create_new", "container_id")));
  EXPECT_EQ(at(created, "Config", "Entrypoint"), at(before, "Config", "Entrypoint"));
  EXPECT_EQ(at(created, "Config", "Cmd"), at(before, "Config", "Cmd"));
}

}  // namespace
}  // namespace rebottle::tests
