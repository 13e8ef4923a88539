// The command line, without a shell. Not here: single cases.
#include "tests/podman/podman_case.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;  // NOLINT: POSIX's own

namespace rebottle::tests {

const std::vector<std::string> PodmanCase::by_change = {
    "Id",
    "Created",
    "Image",
    "ImageDigest",
    "ImageName",
    "State\\..*",
    "RestartCount",
    "GraphDriver\\..*",
    "(StaticDir|ResolvConfPath|HostnamePath|HostsPath|OCIConfigPath|ConmonPidFile|PidFile|Mounts|Name)",
    "NetworkSettings\\.(SandboxKey|EndpointID|IPAddress|MacAddress|Gateway|IPPrefixLen)",
    "NetworkSettings\\.Networks\\.[^.]+\\.(IPAddress|MacAddress|Gateway|IPPrefixLen|Aliases)",
    "Config\\.(Image|Hostname|CreateCommand|Env)",
    "Config\\.Annotations\\.io\\.kubernetes\\.cri-o\\..*",
    "Config\\.Labels\\.io\\.(rebottle|buildah)\\..*",
    "HostConfig\\.(Binds|LogConfig\\.Path)",
};

void run_by_podman(const std::filesystem::path& socket, const std::string& name,
                   const std::vector<std::string>& options, const json& command, const std::filesystem::path& output) {
  std::vector<std::string> words = {"podman", "--remote", "--url",  "unix://" + socket.string(),
                                    "run",    "-d",       "--name", name};
  words.insert(words.end(), options.begin(), options.end());
  words.emplace_back(podman_image);
  for (const auto& word : command) words.push_back(word);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, "podman", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = -1;
  if (error == 0) waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0) << "see " << output;
}

std::string PodmanCase::run_by_command(const std::string& name, const std::vector<std::string>& options) {
  run_by_podman(config.socket, name, options, agent_body()["Cmd"], folder / "command.txt");
  return docker::text(docker::at(inspect(name), "Id"));
}

}  // namespace rebottle::tests
