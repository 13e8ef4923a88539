// How names and labels are derived. Not here: what is done with them.
#include "worker/backends/smolmachines/names.hpp"

#include <algorithm>
#include <map>

#include "worker/backends/json_access.hpp"

namespace rebottle::worker::smolmachines {
namespace {

constexpr std::size_t name_max = 200;  // with ".json" and the like it must stay a file name

bool alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

std::string label_in(const json& machine, std::string_view key) { return text(at(at(machine, "labels"), key)); }

}  // namespace

bool valid_machine_name(std::string_view name) {
  return !name.empty() && name.size() <= name_max && alphanumeric(name.front()) &&
         std::ranges::all_of(name, [](char c) { return alphanumeric(c) || c == '-' || c == '_'; });
}

std::string revision_name(std::string_view base, std::int64_t rev) {
  return std::string(base) + "-r" + std::to_string(rev);
}

bool is_ours(const json& machine, std::string_view bottle) {
  return label_in(machine, label::managed_by) == label::us && label_in(machine, label::bottle) == bottle;
}

bool made_by(const json& machine, std::string_view job_key) {
  return label_in(machine, label::managed_by) == label::us && label_in(machine, label::job) == job_key;
}

std::vector<std::string> label_options(const JobContext& job, std::int64_t rev, std::string_view spec_sha,
                                       const json& old) {
  std::map<std::string, std::string, std::less<>> labels;
  if (const json& olds = at(old, "labels"); olds.is_object())
    for (const auto& [key, value] : olds.items()) labels[key] = text(value);
  labels[std::string(label::managed_by)] = label::us;
  labels[std::string(label::bottle)] = job.bottle;
  labels[std::string(label::rev)] = std::to_string(rev);
  labels[std::string(label::job)] = job.job_key;
  labels[std::string(label::fence)] = std::to_string(job.fence);
  labels[std::string(label::spec)] = spec_sha.substr(0, spec_digits);
  std::vector<std::string> out;
  for (const auto& [key, value] : labels) out.push_back("--label=" + key + "=" + value);
  return out;
}

}  // namespace rebottle::worker::smolmachines
