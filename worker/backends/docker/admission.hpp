// Whether a change is possible on a bottle, found out by reading alone. Not here: the effects around it (steps.hpp).
#pragma once

#include <string>
#include <vector>

#include "worker/backends/docker/carry_over.hpp"
#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/job_view.hpp"

namespace rebottle::worker::docker {

// The bottle's container: by its recorded id once there is one, by configuration before.
struct Target {
  json container;
  json image;
  CarryOver carried;
};

// Reads the bottle's container and its image. `refusal` is not `done` when the bottle is not there, in a state that
// cannot be changed, shares namespaces, or has settings that would be lost.
struct TargetFound {
  Target target;
  Performed refusal;  // outcome done: `target` is complete
};
[[nodiscard]] awaitable<TargetFound> find_target(Engine& engine, const JobView& job);

// Whether a container is there that find_target would find by the bottle's name; false if the engine does not say.
[[nodiscard]] awaitable<bool> has_container(Engine& engine, std::string bottle);

// Which of the snapshot's paths are kept: those on mounts are skipped, those that cannot be kept are problems.
struct KeptPaths {
  std::vector<std::string> kept;
  json skipped = json::array();  // [{path, why}]
  std::vector<std::string> problems;
};
[[nodiscard]] KeptPaths judge_paths(const std::vector<std::string>& paths, const json& container);

// The images that a Dockerfile needs and the engine does not have; problems of those that it has (ONBUILD).
struct BaseImages {
  std::vector<std::string> absent;
  std::vector<std::string> problems;
  Seen unclear;  // set when an image could not be asked for
  bool failed = false;
};
[[nodiscard]] awaitable<BaseImages> judge_images(Engine& engine, std::vector<std::string> references);

}  // namespace rebottle::worker::docker
