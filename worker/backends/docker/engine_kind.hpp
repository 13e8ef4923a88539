// Which engine answers on a socket. Not here: in what they differ (dialect.hpp).
#pragma once

#include <cstdint>
#include <string_view>

namespace rebottle::worker::docker {

enum class EngineKind : std::uint8_t {
  docker,
  podman,  // tells itself by a header of its own, behind whatever socket it is
};

[[nodiscard]] constexpr std::string_view engine_word(EngineKind kind) {
  return kind == EngineKind::podman ? "Podman" : "Docker";
}

inline constexpr int podman_major_oldest = 4;

}  // namespace rebottle::worker::docker
