// Which version of the Engine API is spoken: the newest that both sides know, at least the oldest we were built for.
// Not here: asking the engine (engine_client.hpp).
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace rebottle::worker::docker {

struct ApiVersion {
  int major = 0;
  int minor = 0;
  friend constexpr bool operator==(const ApiVersion&, const ApiVersion&) = default;
  friend constexpr bool operator<(const ApiVersion& left, const ApiVersion& right) {
    return left.major != right.major ? left.major < right.major : left.minor < right.minor;
  }
  [[nodiscard]] std::string text() const { return std::to_string(major) + "." + std::to_string(minor); }
};

inline constexpr ApiVersion api_version_oldest{1, 41};
inline constexpr ApiVersion api_version_newest{1, 47};

// "1.41"; empty for anything else.
[[nodiscard]] inline std::optional<ApiVersion> parse_api_version(std::string_view text) {
  ApiVersion version;
  const char* const end = text.data() + text.size();
  const auto [dot, major_error] = std::from_chars(text.data(), end, version.major);
  if (major_error != std::errc{} || dot == end || *dot != '.') return std::nullopt;
  const auto [rest, minor_error] = std::from_chars(dot + 1, end, version.minor);
  if (minor_error != std::errc{} || rest != end || version.major < 0 || version.minor < 0) return std::nullopt;
  return version;
}

// The version to speak with an engine that speaks up to `server`; empty if it is too old for us.
[[nodiscard]] constexpr std::optional<ApiVersion> negotiate(ApiVersion server) {
  if (server < api_version_oldest) return std::nullopt;
  return server < api_version_newest ? server : api_version_newest;
}

}  // namespace rebottle::worker::docker
