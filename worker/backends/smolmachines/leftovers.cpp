// Names and removals. A machine goes with our record of its settings; the one that the provisioner made is never
// removed. Not here: retries.
#include "worker/backends/smolmachines/leftovers.hpp"

#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {
namespace {

constexpr std::string_view kind_machine = "machine";
constexpr std::string_view kind_path = "kept_files";

schema::Leftover leftover(std::string_view kind, const json& reference) {
  schema::Leftover out;
  out.kind = kind;
  out.reference = reference.dump();
  return out;
}

// The machine of that name that the job `maker` made: another one's may come to be called so.
schema::Leftover machine_of(const JobView& job, const std::string& name, const std::string& maker) {
  return leftover(kind_machine, {{"name", name},
                                 {"bottle", job.context.bottle},
                                 {"job", maker},
                                 {"files", json::array({job.spec_file(maker).string()})}});
}

Performed not_ours(std::string message, const json& detail) {
  return Performed::failed(Outcome::permanent, "not_ours", std::move(message), detail);
}

bool below(const std::filesystem::path& path, const std::filesystem::path& directory) {
  const auto inside = path.lexically_normal().lexically_relative(directory.lexically_normal());
  return path.is_absolute() && !inside.empty() && inside != "." && *inside.begin() != "..";
}

// Blocks.
std::string remove_all(const SmolmachinesConfig& config, const std::vector<std::filesystem::path>& paths) {
  for (const auto& path : paths) {
    if (!below(path, config.work_dir)) return path.string() + " is not in our directory";
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return "cannot remove " + path.string() + ": " + error.message();
  }
  return {};
}

awaitable<Performed> remove_paths(Engine& engine, std::vector<std::filesystem::path> paths) {
  std::function<std::string()> work = [&config = engine.config, paths = std::move(paths)] {
    return remove_all(config, paths);
  };
  const auto error = co_await on_disk(engine, std::move(work));
  if (error.empty()) co_return Performed::done();
  co_return Performed::failed(Outcome::transient, "not_removed", error, {{"error", error}});
}

awaitable<Performed> remove_machine(Engine& engine, json reference) {
  const auto name = text(at(reference, "name"));
  const auto now = co_await look_at_rest(engine, name);
  if (now.rest == Rest::unknown)
    co_return Performed::failed(Outcome::unreachable, "backend_unreachable", now.detail, {{"machine", name}});
  const auto maker = text(at(reference, "job"));
  const bool ours = is_ours(now.machine, text(at(reference, "bottle"))) && !maker.empty();
  if (now.rest != Rest::gone && !ours)
    co_return not_ours("The machine " + name + " does not carry our labels.", {{"machine", name}});
  // Another job was given the name after this one's machine was gone: what is there now may be the bottle.
  if (now.rest != Rest::gone && made_by(now.machine, maker)) {
    // What runs may be in use, whatever was thought when the job ended.
    if (now.rest == Rest::running) co_return not_ours(now.detail + "; it is not deleted.", {{"machine", name}});
    const auto deleted = co_await delete_machine(engine, name);
    if (!deleted.succeeded() && deleted.error_code != "NOT_FOUND")
      co_return failure(deleted, "delete the machine " + name);
  }
  if (now.rest == Rest::gone || made_by(now.machine, maker)) engine.calls.remove_room(name);
  std::vector<std::filesystem::path> files;
  for (const auto& file : at(reference, "files")) files.emplace_back(text(file));
  auto out = co_await remove_paths(engine, std::move(files));
  co_return out;
}

}  // namespace

std::vector<schema::Leftover> leftovers_of(const JobView& job, State end) {
  std::vector<schema::Leftover> out;
  // A person settled it by hand: machines, disks and kept paths are theirs to judge.
  const bool judged_by_hand = end == State::resolved;
  if (job.new_machine().empty()) return out;
  if (!job.makes_machine()) {
    if (!judged_by_hand) out.push_back(leftover(kind_path, {{"path", job.disk_dir().string()}}));
    return out;
  }
  // The engine has unpacked the image; it does not come back for the archive.
  out.push_back(leftover(kind_path, {{"path", job.image_dir().string()}}));
  if (!judged_by_hand) {
    const bool changed = end == State::succeeded;
    const auto old_maker = text(at(at(job.baseline(), "labels"), label::job));
    if (!changed) out.push_back(machine_of(job, job.new_machine(), job.context.job_key));
    if (changed && at(job.baseline(), "ours") == true && !old_maker.empty())
      out.push_back(machine_of(job, job.old_machine(), old_maker));
    out.push_back(leftover(kind_path, {{"path", job.path_dir().string()}}));
  }
  if (job.builder == nullptr) return out;
  const bool same_builder = text(at(job.context.current, "builder")) == job.builder->name();
  const auto superseded = same_builder ? text(at(job.context.current, "image_tag")) : std::string();
  for (auto& one : job.builder->leftovers(job.context, end, superseded)) out.push_back(std::move(one));
  return out;
}

awaitable<Performed> remove_leftover(Engine& engine, const schema::Leftover& leftover) {
  auto reference = json::parse(leftover.reference, nullptr, false);
  if (leftover.kind == kind_machine) {
    auto out = co_await remove_machine(engine, std::move(reference));
    co_return out;
  }
  if (leftover.kind == kind_path) {
    std::vector<std::filesystem::path> paths;
    paths.emplace_back(text(at(reference, "path")));
    auto out = co_await remove_paths(engine, std::move(paths));
    co_return out;
  }
  // What is in the builder's engine has kinds of its own.
  if (engine.builder) {
    auto out = co_await engine.builder->remove(leftover);
    co_return out;
  }
  co_return Performed::failed(Outcome::transient, "builder_absent",
                              "No builder is configured that could remove it; set backends.smolmachines.builder.",
                              {{"kind", leftover.kind}});
}

}  // namespace rebottle::worker::smolmachines
