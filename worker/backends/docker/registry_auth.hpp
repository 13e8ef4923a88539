// Credentials for registries, from a file in the format of Docker's config.json, read anew for each use.
// Not here: sending them; they are never logged and never kept.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace rebottle::worker::docker {

struct RegistryAuth {
  std::string header;   // the value of X-Registry-Auth; empty where the file has nothing for this registry
  std::string problem;  // why the file cannot be used, for people; empty: all is well
};

// For one image reference, and only for its own registry. No file is configured: an empty path, and no header.
[[nodiscard]] RegistryAuth registry_auth(const std::filesystem::path& file, std::string_view reference);

// The registry's host, with its port; "docker.io" where the reference names none.
[[nodiscard]] std::string registry_of(std::string_view reference);

}  // namespace rebottle::worker::docker
