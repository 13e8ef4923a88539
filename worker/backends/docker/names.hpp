// The names and labels of everything a job makes: all follow from the bottle, the container's name and the job key,
// so that a repeated step finds its own work. Not here: what is done with them.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "worker/backends/backend.hpp"

namespace rebottle::worker::docker {

namespace label {
inline constexpr std::string_view job = "io.rebottle.job";        // the job key
inline constexpr std::string_view fence = "io.rebottle.fence";    // of the claim that made it
inline constexpr std::string_view step = "io.rebottle.step";      // the effect that made it
inline constexpr std::string_view bottle = "io.rebottle.bottle";  // the slug
inline constexpr std::string_view build = "io.rebottle.build";    // of what the classic builder makes on its way
inline constexpr std::string_view change = "io.rebottle.change";  // the sha256 of the approved change
inline constexpr std::string_view order = "io.rebottle.order";    // a person's: when a member is started, small first
}  // namespace label

// "rebottle/<bottle>" as a valid repository. Different bottles never share one: a slug that is not valid as it
// stands, or that looks like a mapped one, gets a hash of itself.
[[nodiscard]] std::string repository_of(std::string_view bottle);

struct Names {
  std::string container;  // the bottle's own
  std::string parked;     // of the old container while the new one has its place
  std::string created;    // of the new container until it takes the place
  std::string repository;
  std::string tag_previous;  // repository:tag, the image of the old container
  std::string tag_job;       // the image that this job built
  std::string tag_current;   // the image of the last success
};
[[nodiscard]] Names names_of(std::string_view bottle, std::string_view container, std::string_view job_key,
                             std::string_view image_prefix = "");

// What the engine accepts as a container's name.
[[nodiscard]] bool valid_container_name(std::string_view name);

// The four labels that each thing made by an effect carries.
[[nodiscard]] json labels_of(const JobContext& job, std::string_view effect);

// Whether a labels object (or null) says that this job made the thing.
[[nodiscard]] bool made_by(const json& labels, std::string_view job_key);

}  // namespace rebottle::worker::docker
