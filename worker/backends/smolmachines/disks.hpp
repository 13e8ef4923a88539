// A stopped machine's two disks as files: what they are, whether something writes to them, copies of them.
// Blocks for as long as the disk takes, except disk_use. Not here: when (disk_steps.cpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace rebottle::worker::smolmachines {

// overlay.* and storage.*, by file name; empty if the two are not exactly there.
[[nodiscard]] std::vector<std::string> disk_names(const std::filesystem::path& data_dir);

// Whether some process has one of the disks open for writing.
enum class Writers : std::uint8_t {
  none,
  some,
  unknown,   // the system does not tell
  no_disks,  // there is none of a known name
};
struct DiskUse {
  Writers writers = Writers::none;
  std::string disk;  // which one, where it is `some` or `unknown`
};
[[nodiscard]] DiskUse disk_use(const std::filesystem::path& data_dir);

// What keeps the file from being kept by itself: it grows on a disk that may change or is not there, or is no disk.
// Empty: nothing.
[[nodiscard]] std::string copy_problem(const std::filesystem::path& disk);

// Bytes that the file really takes.
[[nodiscard]] std::int64_t real_size(const std::filesystem::path& file);

// Copies a file with its holes, owner, group and mode under a temporary name beside `to`, syncs it and gives it its
// name. Returns what went wrong; empty if nothing.
[[nodiscard]] std::string copy_sparse(const std::filesystem::path& from, const std::filesystem::path& to);

// Puts the files of that name in `from` in the place of those in `to`, durably, and needs no room for both: they are
// renamed, or, on another file system, all of `to` are removed before the first is copied. Those of `from` may be gone
// afterwards. Returns what went wrong; empty if nothing.
[[nodiscard]] std::string move_over(const std::filesystem::path& from, const std::filesystem::path& to,
                                    const std::vector<std::string>& names);

// Makes durable what anybody has written to the file system of `path`. Returns what went wrong; empty if nothing.
[[nodiscard]] std::string sync_file_system(const std::filesystem::path& path);

}  // namespace rebottle::worker::smolmachines
