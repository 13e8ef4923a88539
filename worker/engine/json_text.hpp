// JSON as the text that the database keeps. Not here: parsing.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace rebottle::worker {

// What engines and programs say may be broken UTF-8: that is replaced, never a reason to fail.
[[nodiscard]] inline std::string to_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace rebottle::worker
