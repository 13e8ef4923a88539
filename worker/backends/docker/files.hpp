// Crash-safe files, synced on the disk thread while the logic thread goes on.
// Not here: how they are written (worker/backends/files.hpp), what they hold.
#pragma once

#include <filesystem>
#include <string>

#include "worker/backends/docker/engine.hpp"
#include "worker/backends/files.hpp"

namespace rebottle::worker::docker {

using worker::FileWriter;
using worker::read_file;

// `seal` on the disk thread; the logic thread goes on meanwhile. Returns what went wrong, empty if nothing.
[[nodiscard]] awaitable<std::string> seal_file(Engine& engine, FileWriter& writer);
// A small file at once. Returns what went wrong, empty if nothing.
[[nodiscard]] awaitable<std::string> write_file(Engine& engine, std::filesystem::path path, std::string content);

}  // namespace rebottle::worker::docker
