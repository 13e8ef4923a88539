// Files that survive a crash whole or not at all: written beside their name, synced, renamed. Shared by all backends.
// Not here: what they hold, and on which thread they are synced.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace rebottle::worker {

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

// A file without a name, gone with its last descriptor, however that comes about.
class ScratchFile {
 public:
  explicit ScratchFile(const std::filesystem::path& directory);
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile();

  [[nodiscard]] bool write(std::string_view bytes);                  // false: see error()
  [[nodiscard]] const std::string& error() const { return error_; }  // empty: all is well
  // The descriptor, to be read from the start; the caller's from now on.
  [[nodiscard]] int take();

 private:
  int descriptor_ = -1;
  std::string error_;
};

// Syncs a file that somebody else wrote as `from`, and gives it its name `to` in the same directory. Blocks. Returns
// what went wrong, empty if nothing.
[[nodiscard]] std::string seal_as(const std::filesystem::path& from, const std::filesystem::path& to);
// Makes a rename in it durable; false with errno set where that failed.
[[nodiscard]] bool sync_directory(const std::filesystem::path& directory);
// How much an ordinary user may still write there; empty if the directory cannot be asked.
[[nodiscard]] std::optional<std::int64_t> free_bytes(const std::filesystem::path& directory);
// The content of a small file; empty if it cannot be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

}  // namespace rebottle::worker
