// Builds and pulls: the calls whose answer is a stream of JSON lines with the failure inside (build_progress.hpp).
// Not here: what is built (dockerfile.hpp), whether it is there (images.hpp).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "worker/backends/docker/build_progress.hpp"
#include "worker/backends/docker/dockerfile.hpp"
#include "worker/backends/docker/engine.hpp"

namespace rebottle::worker::docker {

// The builder that is configured.
[[nodiscard]] Builder builder_of(const DockerConfig& config);
// What every image on the way to a job's image carries, with the classic builder: the same for the same change, so that
// the builder's cache is used, and told apart from what anyone built on top of ours by the job's label being empty.
// `owner` is the backend that the image is for, unless it is this one.
[[nodiscard]] std::string build_mark(const JobContext& job, std::string_view owner = {});

// What a builder is asked for.
struct Build {
  Dockerfile dockerfile;  // prepared, without problems
  std::string tag;        // of the image
  json labels;            // of the image
  std::string mark;       // build_mark()
  int timeout_s = 0;
};
// Takes what the engine says meanwhile.
using Print = ProgressReader::Print;

// The builder never goes to a registry by itself: what the Dockerfile starts from must be there.
[[nodiscard]] awaitable<Performed> build(Engine& engine, Build wanted, Print print);
// Loads an archive of images.
[[nodiscard]] awaitable<Performed> load(Engine& engine, std::filesystem::path archive, Print print);
[[nodiscard]] awaitable<Performed> pull(Engine& engine, std::string reference, Print print);

}  // namespace rebottle::worker::docker
