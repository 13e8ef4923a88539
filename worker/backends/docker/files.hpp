// Files that survive a crash whole or not at all: written beside their name, synced on the disk thread, renamed.
// Not here: what they hold.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "worker/backends/docker/engine.hpp"

namespace rebottle::worker::docker {

// A file in the making, mode 0600 in a directory of mode 0700. Without `seal` it never gets its name.
class FileWriter {
 public:
  explicit FileWriter(std::filesystem::path path);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter();

  [[nodiscard]] bool write(std::string_view bytes);  // false: see error()
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::string& error() const { return error_; }  // empty: all is well
  // Syncs, renames, syncs the directory. Blocks for as long as the disk takes.
  [[nodiscard]] bool seal();

 private:
  bool fail(std::string_view doing);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  std::int64_t bytes_ = 0;
  std::string error_;
};

// `seal` on the disk thread; the logic thread goes on meanwhile. Returns what went wrong, empty if nothing.
[[nodiscard]] awaitable<std::string> seal_file(Engine& engine, FileWriter& writer);
// A small file at once. Returns what went wrong, empty if nothing.
[[nodiscard]] awaitable<std::string> write_file(Engine& engine, std::filesystem::path path, std::string content);
// The content of a small file; empty if it cannot be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

}  // namespace rebottle::worker::docker
