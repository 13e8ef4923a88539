// How names are derived. Not here: what is done with them.
#include "worker/backends/docker/names.hpp"

#include <algorithm>

#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::size_t hash_digits = 12;
constexpr std::string_view hash_mark = "__";
constexpr std::size_t repository_max = 128;  // of the engine's 255, which count the registry and the tag, too

bool alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// A path component of a reference: runs of lower-case letters and digits, parted by ".", "_", "__" or dashes.
bool valid_component(std::string_view text) {
  if (text.empty() || text.size() > repository_max || !alphanumeric(text.front()) || !alphanumeric(text.back()))
    return false;
  for (std::size_t i = 0; i < text.size();) {
    if (alphanumeric(text[i])) {
      ++i;
      continue;
    }
    const auto end = std::ranges::find_if(text.substr(i), alphanumeric) - text.begin();
    const auto separator = text.substr(i, static_cast<std::size_t>(end) - i);
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__") return false;
    i = static_cast<std::size_t>(end);
  }
  return true;
}

bool looks_mapped(std::string_view text) {
  constexpr auto suffix = hash_digits + hash_mark.size();
  if (text.size() < suffix || text.substr(text.size() - suffix, hash_mark.size()) != hash_mark) return false;
  return text.substr(text.size() - hash_digits).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string nearest_component(std::string_view text) {
  std::string out;
  for (const char c : lower_case(text)) {
    if (out.size() >= repository_max - hash_digits - hash_mark.size()) break;
    if (alphanumeric(c))
      out += c;
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "bottle" : out;
}

}  // namespace

std::string repository_of(std::string_view bottle) {
  std::string component(bottle);
  if (!valid_component(bottle) || looks_mapped(bottle))
    component = nearest_component(bottle).append(hash_mark).append(sha256_hex(bottle).substr(0, hash_digits));
  return "rebottle/" + component;
}

Names names_of(std::string_view bottle, std::string_view container, std::string_view job_key,
               std::string_view image_prefix) {
  Names names;
  const std::string key(job_key);
  names.container = container;
  names.parked = names.container + ".prev-" + key;
  names.created = names.container + ".new-" + key;
  names.repository = std::string(image_prefix) + repository_of(bottle);
  names.tag_previous = names.repository + ":prev-" + key;
  names.tag_job = names.repository + ":job-" + key;
  names.tag_current = names.repository + ":current";
  return names;
}

bool valid_container_name(std::string_view name) {
  const auto allowed = [](char c) { return alphanumeric(lower_case({&c, 1})[0]) || c == '_' || c == '.' || c == '-'; };
  return name.size() >= 2 && alphanumeric(lower_case(name.substr(0, 1))[0]) && std::ranges::all_of(name, allowed);
}

json labels_of(const JobContext& job, std::string_view effect) {
  json labels = json::object();
  labels[std::string(label::job)] = job.job_key;
  labels[std::string(label::fence)] = std::to_string(job.fence);
  labels[std::string(label::step)] = effect;
  labels[std::string(label::bottle)] = job.bottle;
  return labels;
}

bool made_by(const json& labels, std::string_view job_key) {
  if (!labels.is_object()) return false;
  const auto found = labels.find(std::string(label::job));
  return found != labels.end() && found->is_string() && found->get_ref<const std::string&>() == job_key;
}

}  // namespace rebottle::worker::docker
