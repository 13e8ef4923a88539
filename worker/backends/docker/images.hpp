// Images by what is wanted of them: judged, built under a tag, loaded from a file, found or pulled, exported.
// Not here: for whom (image_steps.cpp for our own bottles, image_builder.cpp for other backends').
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "worker/backends/docker/build.hpp"
#include "worker/backends/docker/image_file.hpp"

namespace rebottle::worker::docker {

// The images that a Dockerfile needs and the engine does not have; problems of those that it has (ONBUILD).
struct BaseImages {
  std::vector<std::string> absent;
  std::vector<std::string> problems;
  Seen unclear;  // set when an image could not be asked for
  bool failed = false;
};
[[nodiscard]] awaitable<BaseImages> judge_images(Engine& engine, std::vector<std::string> references);
[[nodiscard]] std::vector<std::string> onbuild_of(const Engine& engine, const json& image);
// Whether all of these are there, or may be fetched; for a build, also whether it may start from them. Only reads.
[[nodiscard]] awaitable<Performed> judge_needed(Engine& engine, std::vector<std::string> references, bool for_build);
[[nodiscard]] Performed unsupported_change(const std::vector<std::string>& problems);

// The image is set by id, so that a moved name is never followed. Result: {image_id, tag}.
[[nodiscard]] awaitable<Performed> tag_image(Engine& engine, std::string image_id, std::string tag);

// What this job has built under the tag, told by its labels. Result: {image_id, reference}.
[[nodiscard]] awaitable<Observed> observe_built(Engine& engine, const JobContext& job, std::string tag);
// Builds it under the job's labels; `owner` is the backend that it is for, unless it is this one. Missing base images
// are pulled where the configuration allows it. Result: as above.
[[nodiscard]] awaitable<Performed> build_for(Engine& engine, const JobContext& job, Build wanted,
                                             std::string owner = {});

// Result: {image_id, reference}.
[[nodiscard]] awaitable<Performed> find_or_pull(Engine& engine, std::string reference, Print print);

struct FileToLoad {
  ImageFile file;
  std::string name;            // for people
  std::string sha256;          // that its content must have
  std::filesystem::path copy;  // where it may be copied to meanwhile
  std::string tag;             // of the image; the names in the file itself are not used
};
// Result: {image_id, reference, sha256, was_there}.
[[nodiscard]] awaitable<Performed> load_file(Engine& engine, FileToLoad wanted, Print print);

// Writes an image, under the one name `tag`, as a `docker save` archive that is whole when it has the name `to`.
// Result: {file, bytes}.
[[nodiscard]] awaitable<Performed> export_image(Engine& engine, std::string image_id, std::string tag,
                                                std::filesystem::path to);

}  // namespace rebottle::worker::docker
