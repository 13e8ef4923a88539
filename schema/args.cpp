// The strict parser of args: every key known, every type and range checked, errors by full path.
// Not here: JSON itself (args_json.cpp), whether the backend can do the change.
#include "schema/args.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <regex>
#include <stdexcept>

#include "schema/args_json.hpp"

namespace rebottle::schema {
namespace {

using nlohmann::json;

// Left by the first thing that is wrong, caught in parse_args; nothing else throws or catches it.
struct Wrong {
  ArgsError error;
};
[[noreturn]] void wrong(const std::string& field, const std::string& message) { throw Wrong{{field, message}}; }

constexpr std::int64_t day_s = 86'400;
constexpr std::int64_t hour_s = 3'600;
constexpr std::size_t path_bytes_max = 4096;
constexpr std::size_t list_max = 256;

void check_keys(const json& value, const std::string& field, std::initializer_list<std::string_view> keys) {
  if (!value.is_object()) wrong(field, "is not an object; give one or leave it out");
  for (const auto& [key, unused] : value.items()) {
    if (std::ranges::find(keys, key) != keys.end()) continue;
    std::string allowed;
    for (const auto known : keys) allowed += (allowed.empty() ? "" : ", ") + std::string(known);
    wrong(field + "." + escaped(key), "is an unknown key; allowed are " + allowed);
  }
}

// An object whose keys are all known. A section that is missing reads as empty.
const json& section(const json& parent, const std::string& field, const char* name,
                    std::initializer_list<std::string_view> keys) {
  static const json nothing = json::object();
  const auto found = parent.find(name);
  if (found == parent.end()) return nothing;
  check_keys(*found, field + "." + name, keys);
  return *found;
}

const std::string& text(const json& value, const std::string& field) {
  if (!value.is_string()) wrong(field, "is not a text; correct it");
  const auto& found = value.get_ref<const std::string&>();
  if (found.find_first_not_of(" \t\r\n") == std::string::npos) wrong(field, "is empty; give a text");
  return found;
}

std::optional<std::string> optional_text(const json& parent, const std::string& field, const char* name) {
  const auto found = parent.find(name);
  if (found == parent.end()) return std::nullopt;
  return text(*found, field + "." + name);
}

std::optional<std::int64_t> optional_integer(const json& parent, const std::string& field, const char* name,
                                             std::int64_t least, std::int64_t most) {
  const auto found = parent.find(name);
  if (found == parent.end()) return std::nullopt;
  const auto where = field + "." + name;
  if (!found->is_number_integer()) wrong(where, "is not an integer; correct it");
  const bool fits = !found->is_number_unsigned() || found->get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
  if (!fits || found->get<std::int64_t>() < least || found->get<std::int64_t>() > most)
    wrong(where, "is not between " + std::to_string(least) + " and " + std::to_string(most) + "; correct it");
  return found->get<std::int64_t>();
}

std::optional<int> optional_seconds(const json& parent, const std::string& field, const char* name, std::int64_t least,
                                    std::int64_t most) {
  const auto found = optional_integer(parent, field, name, least, most);
  if (!found) return std::nullopt;
  return static_cast<int>(*found);
}

std::vector<std::string> texts(const json& value, const std::string& field) {
  if (!value.is_array()) wrong(field, "is not an array; correct it");
  if (value.empty()) wrong(field, "is empty; give at least one text");
  if (value.size() > list_max) wrong(field, "has more than " + std::to_string(list_max) + " entries; shorten it");
  std::vector<std::string> found;
  for (std::size_t i = 0; i < value.size(); ++i) found.push_back(text(value[i], field + "[" + std::to_string(i) + "]"));
  return found;
}

// No part is empty, "." or ".."; so the text means the same to everyone who resolves it.
bool is_normal(std::string_view path) {
  while (true) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
}

void check_absolute(const std::string& path, const std::string& field) {
  if (path == "/") wrong(field, "is the root; name the paths to keep");
  if (path.front() != '/' || path.size() > path_bytes_max || !is_normal(path.substr(1)) || has_control(path))
    wrong(field, "is not an absolute path in normal form ('" + escaped(path) +
                     "'); remove '.', '..' and double or trailing slashes");
}

bool is_hex_digest(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// [registry[:port]/]name[:tag][@algorithm:digest], as engines read it; or an image id.
bool is_image_reference(const std::string& reference) {
  static const std::regex grammar(
      "(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))"
      "*"
      "(?::[0-9]+)?/)?"
      "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*"
      "(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
      "(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,128})?",
      std::regex::ECMAScript | std::regex::optimize);
  constexpr std::size_t reference_bytes_max = 512;
  if (reference.size() > reference_bytes_max) return false;
  if (reference.starts_with("sha256:")) return is_hex_digest(std::string_view(reference).substr(7));
  return std::regex_match(reference, grammar);
}

std::string sha256_hex(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("SHA-256 is not available");
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += {digits[digest[i] >> 4U], digits[digest[i] & 15U]};
  return hex;
}

Args::ImageFile image_file(const json& change) {
  const std::string field = "args.change.image";
  const auto& image = section(change, "args.change", "image", {"file", "sha256"});
  const auto file = optional_text(image, field, "file");
  const auto sha256 = optional_text(image, field, "sha256");
  if (!file) wrong(field + ".file", "is missing; name a file of the service's import_dirs");
  if (!sha256) wrong(field + ".sha256", "is missing; give the file's SHA-256");
  if (file->size() > path_bytes_max || !is_normal(*file) || has_control(*file))
    wrong(field + ".file", "is not a plain relative path; name a file of the service's import_dirs");
  if (!is_hex_digest(*sha256)) wrong(field + ".sha256", "is not 64 lower-case hexadecimal digits; correct it");
  return {*file, *sha256};
}

std::vector<std::string> command_lines(const json& value) {
  const std::string field = "args.change.commands";
  auto lines = texts(value, field);
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (lines[i].find_first_of("\r\n") != std::string::npos)
      wrong(field + "[" + std::to_string(i) + "]", "contains a line break; give one shell line per entry");
  return lines;
}

void read_change(const json& root, Args& args) {
  const std::string field = "args.change";
  if (!root.contains("change")) wrong(field, "is missing; give exactly one of dockerfile, image, commands");
  const auto& change = section(root, "args", "change", {"dockerfile", "image", "commands"});
  if (change.size() != 1)
    wrong(field,
          "holds " + std::to_string(change.size()) + " changes; give exactly one of dockerfile, image, commands");
  const auto only = change.begin();
  const auto& name = only.key();
  const auto& value = only.value();
  if (name == "dockerfile") {
    args.change = Args::Dockerfile{text(value, field + ".dockerfile")};
  } else if (name == "commands") {
    args.change = Args::Commands{command_lines(value)};
  } else if (value.is_object()) {
    args.change = image_file(change);
  } else {
    if (!value.is_string()) wrong(field + ".image", "is neither a reference nor {file, sha256}; correct it");
    const auto& reference = text(value, field + ".image");
    if (!is_image_reference(reference))
      wrong(field + ".image",
            "is no image reference ('" + escaped(reference) + "'); give [registry/]name[:tag][@digest]");
    args.change = Args::Image{reference};
  }
  args.change_sha256 = sha256_hex(change.dump());
}

void read_expect(const json& root, Args& args) {
  const auto& expect = section(root, "args", "expect", {"target_id", "image_digest", "change_sha256"});
  args.expect.target_id = optional_text(expect, "args.expect", "target_id");
  args.expect.image_digest = optional_text(expect, "args.expect", "image_digest");
  args.expect.change_sha256 = optional_text(expect, "args.expect", "change_sha256");
  if (args.expect.change_sha256 && !is_hex_digest(*args.expect.change_sha256))
    wrong("args.expect.change_sha256", "is not 64 lower-case hexadecimal digits; correct it");
}

void read_snapshot(const json& root, Args& args) {
  const std::string field = "args.snapshot";
  constexpr std::int64_t snapshot_bytes_max = std::int64_t{1} << 50;
  const auto& snapshot = section(root, "args", "snapshot", {"paths", "restore", "max_bytes"});
  if (const auto paths = snapshot.find("paths"); paths != snapshot.end() && *paths != json::array()) {
    args.snapshot.paths = texts(*paths, field + ".paths");
    for (std::size_t i = 0; i < args.snapshot.paths.size(); ++i)
      check_absolute(args.snapshot.paths[i], field + ".paths[" + std::to_string(i) + "]");
  }
  if (const auto restore = snapshot.find("restore"); restore != snapshot.end()) {
    if (!restore->is_boolean()) wrong(field + ".restore", "is neither true nor false; correct it");
    args.snapshot.restore = restore->get<bool>();
  }
  args.snapshot.max_bytes = optional_integer(snapshot, field, "max_bytes", 1, snapshot_bytes_max);
}

void read_verify(const json& root, Args& args) {
  const auto& verify = section(root, "args", "verify", {"exec", "stable_s", "timeout_s"});
  if (const auto exec = verify.find("exec"); exec != verify.end()) args.verify.exec = texts(*exec, "args.verify.exec");
  args.verify.stable_s = optional_seconds(verify, "args.verify", "stable_s", 0, hour_s);
  args.verify.timeout_s = optional_seconds(verify, "args.verify", "timeout_s", 1, day_s);
}

void read_limits(const json& root, Args& args) {
  const std::string field = "args.limits";
  const auto& limits = section(root, "args", "limits", {"stop_timeout_s", "build_timeout_s", "max_downtime_s"});
  args.limits.stop_timeout_s = optional_seconds(limits, field, "stop_timeout_s", 0, hour_s);
  args.limits.build_timeout_s = optional_seconds(limits, field, "build_timeout_s", 1, day_s);
  args.limits.max_downtime_s = optional_seconds(limits, field, "max_downtime_s", 1, day_s);
}

Args read_args(const json& document) {
  check_keys(document, "args", {"change", "expect", "snapshot", "verify", "limits"});
  Args args;
  read_change(document, args);
  read_expect(document, args);
  read_snapshot(document, args);
  read_verify(document, args);
  read_limits(document, args);
  return args;
}

}  // namespace

std::variant<Args, ArgsError> parse_args(std::string_view text) {
  if (text.size() > args_bytes_max)
    return ArgsError{"args", "is longer than " + std::to_string(args_bytes_max) + " bytes; shorten it"};
  auto parsed = parse_strictly(text, "args");
  if (auto* error = std::get_if<ArgsError>(&parsed)) return std::move(*error);
  try {
    return read_args(std::get<json>(parsed));
  } catch (const Wrong& found) {
    return found.error;
  }
}

std::string_view change_word(const Args& args) {
  constexpr std::array<std::string_view, 4> words{"dockerfile", "image", "image_file", "commands"};
  static_assert(std::variant_size_v<decltype(Args::change)> == words.size());
  return words.at(args.change.index());
}

}  // namespace rebottle::schema
