// How names and labels are derived. Not here: what is done with them.
#include "worker/backends/smolmachines/names.hpp"

#include <algorithm>

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
  std::vector<std::string> out;
  const auto add = [&out](std::string_view key, std::string_view value) {
    out.push_back(std::string("--label=").append(key).append("=").append(value));
  };
  add(label::managed_by, label::us);
  add(label::bottle, job.bottle);
  add(label::rev, std::to_string(rev));
  add(label::job, job.job_key);
  add(label::fence, std::to_string(job.fence));
  add(label::spec, spec_sha.substr(0, spec_digits));
  if (const json& labels = at(old, "labels"); labels.is_object())
    for (const auto& [key, value] : labels.items())
      if (!key.starts_with(label::prefix)) add(key, text(value));
  return out;
}

}  // namespace rebottle::worker::smolmachines
