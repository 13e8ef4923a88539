// Reads, checks, compares. A provisioner's file is trusted like configuration, so it must be as hard to change.
// Not here: writing our own (create_steps.cpp).
#include "worker/backends/smolmachines/spec_source.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"

namespace rebottle::worker::smolmachines {
namespace {

FoundSpec refused(std::string reason, std::string message, json detail) {
  FoundSpec out;
  out.refusal = Performed::failed(Outcome::unsupported, std::move(reason), std::move(message), std::move(detail));
  return out;
}

FoundSpec unknown_spec(const SmolmachinesConfig& config, const JobView& job, const std::string& machine) {
  const auto wanted =
      config.spec_dir.empty() ? std::string() : (config.spec_dir / (job.context.bottle + ".json")).string();
  const auto way_out = wanted.empty()
                           ? "set backends.smolmachines.spec_dir, and have the provisioner write <bottle>.json there"
                           : "have the provisioner write " + wanted;
  return refused("spec_unknown",
                 "How the machine " + machine +
                     " was made is not known, and the engine cannot report it (environment, "
                     "mounts, ports): " +
                     way_out + ". Commands can be approved without it.",
                 {{"machine", machine}, {"spec_file", wanted}});
}

// Why somebody else could have written it; empty if it is root's or ours, and writable by its owner alone.
std::string trust_problem(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return "it cannot be read";
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    return "it belongs to user " + std::to_string(status.st_uid) + "; only root's and this service's own are trusted";
  if ((status.st_mode & S_IWOTH) != 0) return "everyone may write to it";
  if ((status.st_mode & S_IWGRP) != 0) return "its group may write to it";
  return {};
}

FoundSpec parsed(const std::string& file, const std::string& machine_name, const json& machine) {
  auto read = Spec::read(json::parse(read_file(file), nullptr, false));
  if (const auto* problems = std::get_if<std::vector<std::string>>(&read)) {
    std::string all;
    for (const auto& problem : *problems) all += (all.empty() ? "" : "; ") + problem;
    return refused("spec_invalid", file + ": " + all + ".", {{"spec_file", file}, {"problems", *problems}});
  }
  FoundSpec out;
  out.spec = std::move(std::get<Spec>(read));
  out.file = file;
  const auto differences = out.spec->differences(machine);
  if (differences.empty()) {
    out.refusal = Performed::done();
    return out;
  }
  std::string fields;
  for (const auto& one : differences) fields += (fields.empty() ? "" : ", ") + text(at(one, "field"));
  return refused("spec_mismatch",
                 "The machine " + machine_name + " is not what " + file + " says: " + fields +
                     ". Settings would be lost or changed; correct the file.",
                 {{"spec_file", file}, {"machine", machine_name}, {"differences", differences}});
}

}  // namespace

FoundSpec find_spec(const SmolmachinesConfig& config, const JobView& job, const json& machine) {
  const auto name = text(at(machine, "name"));
  std::error_code error;
  if (is_ours(machine, job.context.bottle)) {
    const auto maker = label_of(machine, label::job);
    const auto own = job.spec_file(maker).string();
    auto found =
        valid_machine_name(maker) && std::filesystem::exists(own, error) ? parsed(own, name, machine) : FoundSpec{};
    const auto label = label_of(machine, label::spec);
    if (found.spec && found.spec->sha256().starts_with(label)) return found;
    // Ours is lost or was touched: the provisioner's is the other source, with the same proof against the row.
  }
  if (config.spec_dir.empty()) return unknown_spec(config, job, name);
  const auto file = (config.spec_dir / (job.context.bottle + ".json")).string();
  if (!std::filesystem::exists(file, error)) return unknown_spec(config, job, name);
  if (const auto problem = trust_problem(file); !problem.empty())
    return refused("spec_invalid", file + ": " + problem + ".", {{"spec_file", file}, {"problems", {problem}}});
  return parsed(file, name, machine);
}

}  // namespace rebottle::worker::smolmachines
