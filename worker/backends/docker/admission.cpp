// The first effect of every job: reads, refuses by name, and records the baseline that a roll-back is measured by.
// Not here: finding the container and judging its settings (target.cpp).
#include "worker/backends/docker/admission.hpp"

#include <algorithm>
#include <array>

#include "worker/backends/docker/build.hpp"
#include "worker/backends/docker/container_check.hpp"
#include "worker/backends/docker/dockerfile.hpp"
#include "worker/backends/docker/image_file.hpp"
#include "worker/backends/docker/images.hpp"
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"
#include "worker/backends/files.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::int64_t spare_bytes = std::int64_t{64} << 20;
constexpr std::size_t short_id_min = 12;

// The image's id or one of its registry digests.
bool image_matches(const json& image, const std::string& digest) {
  if (text(at(image, "Id")) == digest) return true;
  return std::ranges::any_of(at(image, "RepoDigests"), [&](const json& reference) {
    const auto value = text(reference);
    return value == digest || value.ends_with("@" + digest);
  });
}

Performed judge_expectation(const schema::Args& args, const Target& target) {
  json diff = json::array();
  const auto compare = [&diff](std::string_view field, const auto& expected, const std::string& found, bool same) {
    if (expected && !same) diff.push_back({{"field", field}, {"expected", *expected}, {"found", found}});
  };
  const auto id = text(at(target.container, "Id"));
  const auto& expect = args.expect;
  const bool same_id =
      expect.target_id &&
      (*expect.target_id == id || (expect.target_id->size() >= short_id_min && id.starts_with(*expect.target_id)));
  compare("expect.target_id", expect.target_id, id, same_id);
  compare("expect.image_digest", expect.image_digest, text(at(target.image, "Id")),
          expect.image_digest && image_matches(target.image, *expect.image_digest));
  compare("expect.change_sha256", expect.change_sha256, args.change_sha256,
          expect.change_sha256 == std::optional(args.change_sha256));
  if (diff.empty()) return Performed::done();
  return Performed::failed(Outcome::stale, "drift", "The bottle or the change is not what was approved.",
                           {{"diff", diff}});
}

Performed judge_free(const Engine& engine, std::int64_t needed, std::string_view what) {
  const auto directory = engine.config.snapshot_dir.string();
  const auto free = free_bytes(directory);
  if (!free)
    return Performed::failed(Outcome::permanent, "snapshot_dir_unusable",
                             "The snapshot directory " + directory + " cannot be used.", {{"path", directory}});
  if (*free >= needed) return Performed::done();
  return Performed::failed(Outcome::permanent, "disk_space",
                           "Too little space for " + std::string(what) + " in " + directory + ": " +
                               std::to_string(*free) + " bytes free, " + std::to_string(needed) + " needed.",
                           {{"path", directory}, {"free_bytes", *free}, {"needed_bytes", needed}});
}

awaitable<Performed> judge_change(Engine& engine, const JobView& job, const Target& target) {
  std::vector<std::string> references;
  if (std::holds_alternative<schema::Args::ImageFile>(job.context.args.change)) {
    const auto found =
        find_image_file(engine.config.import_dirs, std::get<schema::Args::ImageFile>(job.context.args.change).file);
    if (!found.file.is_open()) co_return found.refusal;
    co_return judge_free(engine, found.file.size() + spare_bytes, "a copy of the image file");
  }
  if (const auto* image = std::get_if<schema::Args::Image>(&job.context.args.change))
    references.push_back(image->reference);
  if (job.builds()) {
    const auto prepared = prepare_dockerfile(job.dockerfile(), job.names.tag_previous, builder_of(engine.config));
    auto problems = prepared.problems;
    std::ranges::move(onbuild_of(engine, target.image), std::back_inserter(problems));
    if (!problems.empty()) co_return unsupported_change(problems);
    references = prepared.images;
  }
  auto judged = co_await judge_needed(engine, std::move(references), job.builds());
  co_return judged;
}

awaitable<Performed> judge_space(Engine& engine, const JobView& job, const Target& target, std::size_t path_count) {
  if (path_count == 0) co_return Performed::done();
  // The writable layer is the part whose size the engine knows; the cap bounds the rest.
  auto id = text(at(target.container, "Id"));
  constexpr bool with_size = true;
  const auto sized = co_await see_container(engine, std::move(id), with_size);
  if (!sized.here()) co_return failure(sized.reply, "ask for the container's size");
  const json& known = at(sized.doc, "SizeRw");
  const auto size = known.is_number() ? known.get<std::int64_t>() : 0;
  const auto cap = job.context.args.snapshot.max_bytes.value_or(engine.config.snapshot_max_bytes);
  co_return judge_free(engine, std::min(size, cap) + spare_bytes, "the snapshot");
}

// The tags that earlier jobs gave to the present image; they are taken away once this job has succeeded.
json earlier_tags(const json& image, const Names& names) {
  json out = json::array();
  for (const auto& tag : at(image, "RepoTags")) {
    const auto value = text(tag);
    const bool ours = value.starts_with(names.repository + ":job-") || value.starts_with(names.repository + ":prev-");
    if (ours && value != names.tag_previous) out.push_back(value);
  }
  return out;
}

json networks_of(const Target& target) {
  json out = json::array();
  for (const auto& [name, endpoint] : at(target.container, "NetworkSettings", "Networks").items()) {
    json network = {{"name", name}, {"id", at(endpoint, "NetworkID")}};
    for (const auto& further : target.carried.further)
      if (further.network == name) network["connect"] = further.settings;
    out.push_back(std::move(network));
  }
  return out;
}

// What is recorded of each container that is recreated.
json baseline_of(const Target& target) {
  const json& container = target.container;
  return {{"container_id", at(container, "Id")},
          {"name", container_name(container)},
          {"image_id", at(container, "Image")},
          {"image", at(container, "Config", "Image")},
          {"running", at(container, "State", "Running") == true},
          {"started_at", at(container, "State", "StartedAt")},
          {"restart_count", at(container, "RestartCount")},
          {"health", text(at(at(container, "State", "Health"), "Status"))},
          {"restart_policy", at(container, "HostConfig", "RestartPolicy")},
          {"stop_timeout_s", at(container, "Config", "StopTimeout")},
          {"networks", networks_of(target)},
          {"fingerprint", fingerprint(container)}};
}

json baseline_of_dependent(const Target& target) {
  json out = baseline_of(target);
  json& shares = out["shares"] = json::array();
  for (const auto& share : target.shares) shares.push_back({{"field", share.field}, {"owner", share.owner}});
  return out;
}

json baseline_of_side(const json& container) {
  return {{"container_id", at(container, "Id")},
          {"name", container_name(container)},
          {"running", at(container, "State", "Running") == true},
          {"health", text(at(at(container, "State", "Health"), "Status"))}};
}

json baseline_of_bottle(const JobView& job, const TargetFound& found, const KeptPaths& paths, const json& current) {
  const Target& agent = found.target;
  const Names names = names_of(job.context.bottle, container_name(agent.container), job.context.job_key,
                               dialect_of(job.engine()).image_prefix);
  json out = baseline_of(agent);
  out["image_user"] = text(at(agent.image, "Config", "User"));
  out["earlier_tags"] = earlier_tags(agent.image, names);
  out["paths"] = paths.kept;
  out["paths_skipped"] = paths.skipped;
  out["current_image_id"] = current;
  json& members = out["members"] = json::array();
  for (const auto& dependent : found.dependents) members.push_back(baseline_of_dependent(dependent));
  json& sides = out["sides"] = json::array();
  for (const auto& side : found.sides) sides.push_back(baseline_of_side(side));
  return out;
}

bool is_under(const std::string& path, const std::string& place) {
  return path == place || path.starts_with(place == "/" ? place : place + "/");
}

struct Place {
  std::string path;
  bool in_memory;
};

std::vector<Place> mounted_places(const json& container) {
  std::vector<Place> out = {{"/proc", true}, {"/sys", true}, {"/dev", true}};
  for (const auto& [path, options] : at(container, "HostConfig", "Tmpfs").items()) out.push_back({path, true});
  for (const auto& mount : at(container, "Mounts"))
    out.push_back({text(at(mount, "Destination")), text(at(mount, "Type")) == "tmpfs"});
  return out;
}

}  // namespace

KeptPaths judge_paths(const std::vector<std::string>& paths, const json& container) {
  KeptPaths out;
  for (const auto& path : paths) {
    bool kept = true;
    // An archive that starts with these bytes would be taken for a compressed one.
    if (path.substr(path.rfind('/') + 1).starts_with("BZh")) {
      out.problems.push_back("snapshot path " + path + ": a name that starts with \"BZh\" cannot be kept");
      kept = false;
    }
    for (const auto& place : mounted_places(container)) {
      if (is_under(path, place.path)) {
        kept = false;
        if (place.in_memory)
          out.problems.push_back("snapshot path " + path + ": " + place.path + " is kept in memory and lost on stop");
        else
          out.skipped.push_back({{"path", path}, {"why", "on the mount " + place.path + ", which stays"}});
      } else if (is_under(place.path, path) && !place.in_memory) {
        kept = false;
        out.problems.push_back("snapshot path " + path + ": it contains the mount " + place.path +
                               "; name the paths beside it");
      }
    }
    if (kept && at(container, "HostConfig", "ReadonlyRootfs") == true) {
      out.problems.push_back("snapshot path " + path + ": the root is read-only, nothing can have been written there");
      kept = false;
    }
    if (kept) out.kept.push_back(path);
  }
  return out;
}

namespace {

awaitable<Performed> judge_job(Engine& engine, const JobView& job, const TargetFound& found, KeptPaths& paths) {
  const auto expected = judge_expectation(job.context.args, found.target);
  if (expected.outcome != Outcome::done) co_return expected;
  const auto possible = co_await judge_change(engine, job, found.target);
  if (possible.outcome != Outcome::done) co_return possible;
  paths = judge_paths(job.context.args.snapshot.paths, found.target.container);
  if (!paths.problems.empty())
    co_return Performed::failed(Outcome::unsupported, "snapshot_path_unsupported", joined(paths.problems) + ".",
                                {{"problems", paths.problems}});
  const auto path_count = paths.kept.size();
  auto space = co_await judge_space(engine, job, found.target, path_count);
  co_return space;
}

}  // namespace

awaitable<Performed> perform_admit(Engine& engine, const JobView& job, Direction /*direction*/) {
  auto found = co_await find_target(engine, job);
  if (found.refusal.outcome != Outcome::done) co_return found.refusal;
  KeptPaths paths;
  auto judged = job.undoes() ? judge_undo(engine, job, found) : judge_job(engine, job, found, paths);
  const auto possible = co_await std::move(judged);
  if (possible.outcome != Outcome::done) co_return possible;

  const auto current = co_await see_image(engine, job.names.tag_current);
  if (current.unclear()) co_return failure(current.reply, "inspect the image " + job.names.tag_current);
  json current_id = current.here() ? at(current.doc, "Id") : json();
  auto baseline = baseline_of_bottle(job, found, paths, current_id);
  // What is to be written may depend on what the baseline says of the image.
  auto known = job.context;
  known.facts[std::string(effect::admit)] = baseline;
  const auto override_now = judge_override(engine, JobView(engine.config, known));
  if (override_now.outcome != Outcome::done) co_return override_now;
  if (!override_now.result.empty()) baseline["override"] = override_now.result;
  co_return Performed::done(std::move(baseline));
}

awaitable<Observed> observe_recorded_admit(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  if (!job.has_fact(effect::admit)) co_return Observed{World::absent, json::object(), {}};
  co_return Observed{World::present, job.baseline(), {}};
}

}  // namespace rebottle::worker::docker
