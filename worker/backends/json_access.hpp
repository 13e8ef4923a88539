// Reading documents of engines without surprises: null, or an empty text, for everything that is not there.
// Not here: judging what is there.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace rebottle::worker {

[[nodiscard]] inline const nlohmann::json& at(const nlohmann::json& document, std::string_view key) {
  static const nlohmann::json null;
  if (!document.is_object()) return null;
  const auto found = document.find(std::string(key));
  return found == document.end() ? null : *found;
}
[[nodiscard]] inline const nlohmann::json& at(const nlohmann::json& document, std::string_view key,
                                              std::string_view inner) {
  return at(at(document, key), inner);
}
[[nodiscard]] inline std::string text(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

}  // namespace rebottle::worker
