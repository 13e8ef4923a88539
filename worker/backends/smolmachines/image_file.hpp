// args.change.image as a file: found below the configured directories, proved by its digest, copied to where nobody
// else can change it. Not here: what is made of it (create_step.cpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "worker/backends/backend.hpp"
#include "worker/backends/smolmachines/smolmachines_config.hpp"

namespace rebottle::worker::smolmachines {

// Whether it is there, below an import directory, and a file; looks, does not read. Outcome done, unsupported or
// permanent. Result: {image_bytes}. Blocks: such a directory is often on another host.
[[nodiscard]] Performed judge_image_file(const SmolmachinesConfig& config, const schema::Args::ImageFile& file);

// Copies it to `to` if its sha256 is the approved one. Blocks. Returns what went wrong, empty if nothing;
// `other_digest` is set when that is the digest.
[[nodiscard]] std::string import_image_file(const SmolmachinesConfig& config, const schema::Args::ImageFile& file,
                                            const std::filesystem::path& to, std::string& other_digest);

// Of all of a file; empty if it cannot be read. Blocks.
[[nodiscard]] std::string file_sha256(const std::filesystem::path& file);

// Finds files of the import directories by what they hold; each is read once, and again after it was changed. Blocks.
// For one thread.
class ArchiveIndex {
 public:
  // Empty if no file has this sha256.
  [[nodiscard]] std::filesystem::path find(const SmolmachinesConfig& config, std::string_view sha256);

 private:
  struct Known {
    std::uintmax_t size = 0;
    std::filesystem::file_time_type written;
    std::string sha256;
  };
  std::map<std::filesystem::path, Known> known_;
};

}  // namespace rebottle::worker::smolmachines
