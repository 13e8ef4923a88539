// The tar of a snapshot's paths, as the guest wrote it: proved to hold nothing but these paths before it is unpacked as
// root. Not here: how it is fetched and put in (path_steps.cpp).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace rebottle::worker::smolmachines {

struct PathArchive {
  std::string problem;               // why it is not to be unpacked; empty: it is fine
  std::vector<std::string> members;  // those of the paths that it holds, called as in it: "./home/agent"
};
// Every entry must be one of `paths` (absolute ones) or lie below one of them, hard links must point there, and nothing
// may lie below a link. Whatever two readers could take for different things is refused. Blocks.
[[nodiscard]] PathArchive read_path_archive(const std::filesystem::path& archive,
                                            const std::vector<std::string>& paths);

}  // namespace rebottle::worker::smolmachines
