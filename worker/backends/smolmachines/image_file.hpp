// args.change.image as a file: found below the configured directories, proved by its digest, copied to where nobody
// else can change it. Not here: what is made of it (create_step.cpp).
#pragma once

#include "worker/backends/backend.hpp"
#include "worker/backends/smolmachines/smolmachines_config.hpp"

namespace rebottle::worker::smolmachines {

// Whether it is there, below an import directory, and a file; looks, does not read. Outcome done, unsupported or
// permanent.
[[nodiscard]] Performed judge_image_file(const SmolmachinesConfig& config, const schema::Args::ImageFile& file);

// Its bytes; 0 if the change is no such file.
[[nodiscard]] std::int64_t image_file_size(const SmolmachinesConfig& config, const schema::Args& args);

// Copies it to `to` if its sha256 is the approved one. Blocks. Returns what went wrong, empty if nothing;
// `other_digest` is set when that is the digest.
[[nodiscard]] std::string import_image_file(const SmolmachinesConfig& config, const schema::Args::ImageFile& file,
                                            const std::filesystem::path& to, std::string& other_digest);

// Of all of a file; empty if it cannot be read. Blocks.
[[nodiscard]] std::string file_sha256(const std::filesystem::path& file);

}  // namespace rebottle::worker::smolmachines
