// Tar archives made or read in memory, with libarchive. Not here: the agent's own archives, which stay opaque.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rebottle::worker::docker {

struct ArchiveEntry {
  std::string path;  // relative; a directory without a slash at its end
  enum class Kind : std::uint8_t { file, directory, symlink } kind = Kind::file;
  unsigned mode = 0644;
  std::int64_t user = 0;
  std::int64_t group = 0;
  std::int64_t modified_s = 0;
  std::string content;  // of a file; the target of a symlink
};

[[nodiscard]] std::string make_archive(const std::vector<ArchiveEntry>& entries);

// The header of the first entry, from the first bytes of an archive; empty when there is none to be read.
[[nodiscard]] std::optional<ArchiveEntry> first_entry(std::string_view bytes);

}  // namespace rebottle::worker::docker
