// nlohmann's dump with ASCII only, and the readable form of small objects.
// Not here: parsing of what a person approves (schema/args.hpp).
#include "tools/json_text.hpp"

#include <algorithm>

namespace rebottle::tools {
namespace {

std::string summary_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) return json_line(value);
  std::string result;
  for (const auto& [key, field] : value.items()) {
    if (field.is_null() || field == "" || field == Json::object() || field == Json::array()) continue;
    if (!result.empty()) result += ' ';
    result += key + '=' + (field.is_string() ? field.get<std::string>() : json_line(field));
  }
  return result;
}

}  // namespace

std::string json_line(const Json& value) { return value.dump(-1, ' ', true, Json::error_handler_t::replace); }

std::string json_document(const Json& value) { return value.dump(2, ' ', true, Json::error_handler_t::replace); }

Json json_of_column(std::string_view text) {
  auto value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) return std::string(text);
  return value;
}

std::string json_summary(std::string_view text) { return summary_of(json_of_column(text)); }

std::vector<std::string> json_lines(std::string_view text) {
  const Json value = json_of_column(text);
  std::vector<std::string> lines;
  Json flat = value.is_object() ? Json::object() : value;
  if (value.is_object()) {
    for (const auto& [key, field] : value.items()) {
      if (!field.is_object() || field.empty())
        flat[key] = field;
      else if (std::ranges::all_of(field, [](const Json& entry) { return entry.is_object(); }))
        for (const auto& [name, entry] : field.items()) lines.push_back(key + '.' + name + ": " + summary_of(entry));
      else
        lines.push_back(key + ": " + summary_of(field));
    }
  }
  if (auto first = summary_of(flat); !first.empty()) lines.insert(lines.begin(), std::move(first));
  return lines;
}

}  // namespace rebottle::tools
