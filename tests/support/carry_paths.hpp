// Reads and writes inspect documents by the paths of the carry-over table. Not here: what the rows say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace rebottle::tests {

using nlohmann::json;

// Everything that a container's document holds at `path`: more than one value where the path passes a list or a map.
[[nodiscard]] std::vector<json> values_at(const json& container, std::string_view path);

// Puts `value` there: into the first element of each list, under the first key of each map; both are made if need be.
void put_at(json& container, std::string_view path, json value);

}  // namespace rebottle::tests
