// What a section of the configuration file may hold: a table of keys, each of which judges its value and takes it over.
// Not here: reading the file (worker/engine/config.hpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace rebottle::worker::config {

// A value of the file. `type` is TOML's word for it; what JSON has no type for is null.
struct Value {
  nlohmann::json json;
  std::string type;
};

// Takes the value over, or returns what is wrong with it and what it must be.
using Take = std::function<std::string(const Value&)>;
using Check = std::function<std::string(const std::string&)>;

struct Key {
  std::string_view name;
  Take take;
};
using Keys = std::vector<Key>;

// A key whose value does not go with another one, though each may be had by itself.
struct Clash {
  std::string_view key;
  std::string what;
};

constexpr int day_s = 86'400;

// All of them write into `target`, which outlives the key.
[[nodiscard]] Key whole(std::string_view name, int& target, std::int64_t low, std::int64_t high);
[[nodiscard]] Key whole(std::string_view name, std::int64_t& target, std::int64_t low, std::int64_t high);
[[nodiscard]] Key yes_or_no(std::string_view name, bool& target);
[[nodiscard]] Key text(std::string_view name, std::string& target, Check check = {});
[[nodiscard]] Key absolute_path(std::string_view name, std::filesystem::path& target);
[[nodiscard]] Key absolute_paths(std::string_view name, std::vector<std::filesystem::path>& target);

// Checks for text().
[[nodiscard]] std::string not_empty(const std::string& value);
[[nodiscard]] std::string holds_bottle(const std::string& value);  // {bottle}, for the bottle's slug

}  // namespace rebottle::worker::config
