// Builds and pulls: the calls whose answer is a stream of JSON lines with the failure inside (build_progress.hpp).
// Not here: what is built (dockerfile.hpp), whether it is there (image_steps.cpp).
#pragma once

#include <string>

#include "worker/backends/docker/dockerfile.hpp"
#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/job_view.hpp"

namespace rebottle::worker::docker {

// The builder that is configured.
[[nodiscard]] Builder builder_of(const DockerConfig& config);
// What every image on the way to a job's image carries, with the classic builder: the same for the same change, so that
// the builder's cache is used, and told apart from what anyone built on top of ours by the job's label being empty.
[[nodiscard]] std::string build_mark(const JobContext& job);

// Builds the job's Dockerfile under the job's tag and labels, and prints what the builder prints. Missing base images
// are pulled where the configuration allows it; the builder itself never goes to a registry.
[[nodiscard]] awaitable<Performed> build(Engine& engine, const JobView& job);
// Loads an archive of images.
[[nodiscard]] awaitable<Performed> load(Engine& engine, const JobView& job, std::filesystem::path archive);
[[nodiscard]] awaitable<Performed> pull(Engine& engine, const JobView& job, std::string reference);

}  // namespace rebottle::worker::docker
