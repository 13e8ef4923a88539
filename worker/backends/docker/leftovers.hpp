// What a job leaves behind, by name, and its removal: exactly that thing, or nothing.
// Not here: when that is done (the engine).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/job_view.hpp"

namespace rebottle::worker::docker {

inline constexpr std::string_view kind_tag = "image_tag";            // {tag, job?, loaded?}
inline constexpr std::string_view kind_build_cache = "build_cache";  // {mark}

[[nodiscard]] std::vector<schema::Leftover> leftovers_of(const Engine& engine, const JobView& job, State end);
[[nodiscard]] awaitable<Performed> remove_leftover(Engine& engine, schema::Leftover leftover);

}  // namespace rebottle::worker::docker
