// Whether a change is possible on a bottle, found out by reading alone. Not here: the effects around it (steps.hpp).
#pragma once

#include <string>
#include <vector>

#include "worker/backends/docker/carry_over.hpp"
#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/job_view.hpp"
#include "worker/backends/docker/members.hpp"

namespace rebottle::worker::docker {

// A container that is recreated.
struct Target {
  json container;
  json image;
  CarryOver carried;
  std::vector<Share> shares;  // with other members
};

// Reads the bottle's container (by its recorded id once there is one, by configuration before), the members that
// belong to it, and their images. `refusal` is not `done` when the bottle is not there, or when one of those that are
// recreated is in a state that cannot be changed, cannot be taken apart from others, or would lose settings.
struct TargetFound {
  Target target;
  std::vector<Target> dependents;  // in the order of their start
  std::vector<json> sides;         // containers that are only watched
  Performed refusal;               // outcome done: all of it is complete
};
[[nodiscard]] awaitable<TargetFound> find_target(Engine& engine, const JobView& job);

// For an undo: whether what the undone job replaced is all there, parked as it was, and what it put in is in place.
[[nodiscard]] awaitable<Performed> judge_undo(Engine& engine, const JobView& job, const TargetFound& found);
// Whether the Dockerfile of this job has a place to be written to; result: {path, before_sha256, wanted_sha256}, empty
// where none is configured, or nothing is to be written.
[[nodiscard]] Performed judge_override(const Engine& engine, const JobView& job);
// Whether a container is there that find_target would find by the bottle's name; false if the engine does not say.
[[nodiscard]] awaitable<bool> has_container(Engine& engine, std::string bottle);

// Which of the snapshot's paths are kept: those on mounts are skipped, those that cannot be kept are problems.
struct KeptPaths {
  std::vector<std::string> kept;
  json skipped = json::array();  // [{path, why}]
  std::vector<std::string> problems;
};
[[nodiscard]] KeptPaths judge_paths(const std::vector<std::string>& paths, const json& container);

}  // namespace rebottle::worker::docker
