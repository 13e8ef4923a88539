// The paths, token by token: a field's name, "[]" or "*". Not here: their meaning for the carry-over.
#include "tests/support/carry_paths.hpp"

#include <span>

namespace rebottle::tests {
namespace {

std::vector<std::string> tokens_of(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const auto dot = path.find('.');
    auto token = path.substr(0, dot);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    const bool is_list = token.ends_with("[]");
    if (is_list) token.remove_suffix(2);
    out.emplace_back(token);
    if (is_list) out.emplace_back("[]");
  }
  if (!out.empty() && out.front() == "Endpoint") {
    out.erase(out.begin());
    out.insert(out.begin(), {"NetworkSettings", "Networks", "*"});
  }
  return out;
}

void collect(const json& value, std::span<const std::string> tokens, std::vector<json>& out) {
  if (tokens.empty()) {
    out.push_back(value);
    return;
  }
  const auto rest = tokens.subspan(1);
  if (tokens.front() == "[]" || tokens.front() == "*") {
    for (const auto& inner : value) collect(inner, rest, out);
  } else if (value.is_object() && value.contains(tokens.front())) {
    collect(value[tokens.front()], rest, out);
  }
}

json& place_in(json& value, std::span<const std::string> tokens) {
  if (tokens.empty()) return value;
  const auto rest = tokens.subspan(1);
  const auto& token = tokens.front();
  if (token == "[]") {
    if (!value.is_array() || value.empty()) value = json::array({json()});
    return place_in(value.front(), rest);
  }
  if (token != "*") return place_in(value[token], rest);
  if (!value.is_object() || value.empty()) value = {{"key", json()}};
  return place_in(value.begin().value(), rest);
}

}  // namespace

std::vector<json> values_at(const json& container, std::string_view path) {
  std::vector<json> out;
  collect(container, tokens_of(path), out);
  return out;
}

void put_at(json& container, std::string_view path, json value) {
  place_in(container, tokens_of(path)) = std::move(value);
}

}  // namespace rebottle::tests
