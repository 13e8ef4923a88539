// One judge per type of value. Not here: what the values mean.
#include "worker/backends/config_keys.hpp"

#include <utility>

namespace rebottle::worker::config {
namespace {

template <class Integer>
Key number(std::string_view name, Integer& target, std::int64_t low, std::int64_t high) {
  return {name, [&target, low, high](const Value& value) -> std::string {
            const auto range = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
            if (!value.json.is_number_integer()) return "must be " + range + ", not of type " + value.type;
            const auto found = value.json.get<std::int64_t>();
            if (found < low || found > high) return "must be " + range + ", not " + std::to_string(found);
            target = static_cast<Integer>(found);
            return {};
          }};
}

}  // namespace

Key whole(std::string_view name, int& target, std::int64_t low, std::int64_t high) {
  return number(name, target, low, high);
}

Key whole(std::string_view name, std::int64_t& target, std::int64_t low, std::int64_t high) {
  return number(name, target, low, high);
}

Key yes_or_no(std::string_view name, bool& target) {
  return {name, [&target](const Value& value) -> std::string {
            if (!value.json.is_boolean()) return "must be true or false, not of type " + value.type;
            target = value.json.get<bool>();
            return {};
          }};
}

Key text(std::string_view name, std::string& target, Check check) {
  return {name, [&target, check = std::move(check)](const Value& value) -> std::string {
            if (!value.json.is_string()) return "must be a text, not of type " + value.type;
            auto found = value.json.get<std::string>();
            if (found.find('\0') != std::string::npos) return "must not hold a NUL";
            if (auto fault = check ? check(found) : std::string(); !fault.empty()) return fault;
            target = std::move(found);
            return {};
          }};
}

Key absolute_path(std::string_view name, std::filesystem::path& target) {
  return {name, [&target](const Value& value) -> std::string {
            if (!value.json.is_string()) return "must be a text, not of type " + value.type;
            const std::filesystem::path path = value.json.get<std::string>();
            if (!path.is_absolute()) return "must be an absolute path";
            target = path;
            return {};
          }};
}

Key absolute_paths(std::string_view name, std::vector<std::filesystem::path>& target) {
  return {name, [&target](const Value& value) -> std::string {
            if (!value.json.is_array()) return "must be a list of absolute paths, not of type " + value.type;
            std::vector<std::filesystem::path> out;
            for (const auto& item : value.json) {
              if (!item.is_string() || !std::filesystem::path(item.get<std::string>()).is_absolute())
                return "must be a list of absolute paths";
              out.emplace_back(item.get<std::string>());
            }
            target = std::move(out);
            return {};
          }};
}

std::string not_empty(const std::string& value) { return value.empty() ? "must not be empty" : ""; }

std::string holds_bottle(const std::string& value) {
  if (value.find("{bottle}") != std::string::npos) return {};
  return "must hold {bottle}, which stands for the bottle's slug";
}

}  // namespace rebottle::worker::config
