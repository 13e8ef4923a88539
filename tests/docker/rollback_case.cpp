// The agent of a rollback on Docker. Not here: Podman's (tests/podman/rollback_case.cpp).
#include "tests/docker/rollback_case.hpp"

namespace rebottle::tests {

Rollback::Rollback() : DockerCase(docker::EngineKind::docker) {}

const std::vector<std::string>& Rollback::by_restart() {
  static const std::vector<std::string> patterns = {
      "State\\..*",
      "RestartCount",
      "NetworkSettings\\.(SandboxID|SandboxKey|EndpointID|IPAddress|MacAddress)",
      "NetworkSettings\\.Networks\\.[^.]+\\.(EndpointID|IPAddress|MacAddress)",
  };
  return patterns;
}

void Rollback::start_agent() {
  create_network(bottle + "-one", "10.202.7.0/24");
  create_network(bottle + "-two");
  auto body = agent_body();
  body["HostConfig"]["NetworkMode"] = bottle + "-one";
  body["HostConfig"]["RestartPolicy"] = {{"Name", "unless-stopped"}};
  body["NetworkingConfig"]["EndpointsConfig"][bottle + "-one"] = {{"IPAMConfig", {{"IPv4Address", "10.202.7.9"}}}};
  const auto id = start_container(bottle, std::move(body));
  json connect = {{"Container", id}};
  call("POST", "/networks/" + bottle + "-two/connect", connect);
  before = inspect(bottle);
}

}  // namespace rebottle::tests
