// JSON text read strictly: what one reader sees, every reader sees. Duplicate keys, bad UTF-8, NUL and great depth
// are errors with the path to the place. Not here: what the values mean (args.cpp, worker/engine/requests.cpp).
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include <nlohmann/json.hpp>

#include "schema/args.hpp"

namespace rebottle::schema {

inline constexpr std::size_t json_depth_max = 32;

// `root` is the name that paths in errors begin with: "args".
[[nodiscard]] std::variant<nlohmann::json, ArgsError> parse_strictly(std::string_view text, const std::string& root);

// For messages: at most 40 characters, everything but printable ASCII escaped.
[[nodiscard]] std::string escaped(std::string_view text);

}  // namespace rebottle::schema
