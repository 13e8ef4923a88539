// The agent of a rollback on Podman, made by its command line. Not here: Docker's (tests/docker/rollback_case.cpp).
#include "tests/docker/rollback_case.hpp"

#include "tests/podman/podman_case.hpp"

namespace rebottle::tests {

Rollback::Rollback() : DockerCase(docker::EngineKind::podman) {}

const std::vector<std::string>& Rollback::by_restart() {
  static const std::vector<std::string> patterns = {
      "State\\..*",
      "RestartCount",
      "NetworkSettings\\.(SandboxKey|EndpointID|IPAddress|MacAddress|Gateway|IPPrefixLen)",
      "NetworkSettings\\.Networks\\.[^.]+\\.(IPAddress|MacAddress|Gateway|IPPrefixLen)",
  };
  return patterns;
}

void Rollback::start_agent() {
  create_network(bottle + "-net");
  run_by_podman(config.socket, bottle,
                {"--network", bottle + "-net:alias=the-agent", "-v", "/anonymous", "--restart", "unless-stopped"},
                agent_body()["Cmd"], folder / "command.txt");
  before = inspect(bottle);
}

}  // namespace rebottle::tests
