// The way back of a change inside the machine: copies of its two disks, made while it is stopped, and put back into it.
// Not here: how a file is copied (disks.cpp).
#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/disks.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {
namespace {

std::filesystem::path manifest_file(const JobView& job) { return job.disk_dir() / "copied.json"; }
// Once it is there the copies are history: the machine has run with its own disks again.
std::filesystem::path restored_file(const JobView& job) { return job.disk_dir() / "restored.json"; }

// What was copied, if all of it is still there: null otherwise.
json read_manifest(const JobView& job) {
  auto manifest = json::parse(read_file(manifest_file(job)), nullptr, false);
  if (!manifest.is_object() || text(at(manifest, "machine")) != job.old_machine()) return nullptr;
  for (const auto& disk : at(manifest, "disks")) {
    std::error_code error;
    const auto size = std::filesystem::file_size(job.disk_dir() / text(at(disk, "name")), error);
    if (error || at(disk, "bytes") != size) return nullptr;
  }
  return manifest;
}

// Nothing may write to the disks meanwhile, and a row that says stopped does not prove that.
awaitable<Performed> prove_down(Engine& engine, const JobView& job) {
  const auto name = job.old_machine();
  const auto stopped = co_await stop_machine(engine, name, job.stop_timeout_s());
  if (!stopped.succeeded()) co_return failure(stopped, "stop the machine " + name);
  const auto now = co_await look_at_rest(engine, name);
  if (now.rest == Rest::down) co_return Performed::done();
  co_return Performed::failed(now.rest == Rest::unknown ? Outcome::unreachable : Outcome::transient, "still_running",
                              "The disks of " + name + " are in use: " + now.detail + ".",
                              {{"machine", name}, {"observed", now.detail}});
}

std::string copy_all(const std::filesystem::path& from, const std::filesystem::path& to,
                     const std::vector<std::string>& names) {
  for (const auto& name : names)
    if (auto error = copy_sparse(from / name, to / name); !error.empty()) return error;
  return {};
}

Performed not_copied(const std::string& error) {
  return Performed::failed(Outcome::transient, "disks_not_copied", "The disks cannot be copied: " + error,
                           {{"error", error}});
}

awaitable<Performed> copy_disks(Engine& engine, const JobView& job, std::filesystem::path data_dir) {
  const auto names = disk_names(data_dir);
  if (names.empty())
    co_return Performed::failed(Outcome::permanent, "disks_unsupported", "The machine's disks are not there any more.",
                                {{"data_dir", data_dir.string()}});
  for (const auto& name : names)
    if (const auto problem = copy_problem(data_dir / name); !problem.empty())
      co_return Performed::failed(Outcome::permanent, "disks_unsupported", "The disks cannot be kept: " + problem + ".",
                                  {{"problem", problem}});
  const auto to = job.disk_dir();
  std::function<std::string()> work = [data_dir, to, names]() -> std::string {
    std::error_code error;
    std::filesystem::create_directory(to, error);
    if (error) return "cannot make " + to.string() + ": " + error.message();
    std::filesystem::permissions(to, std::filesystem::perms::owner_all, error);
    return copy_all(data_dir, to, names);
  };
  const auto error = co_await on_disk(engine, std::move(work));
  if (!error.empty()) co_return not_copied(error);
  json disks = json::array();
  for (const auto& name : names) disks.push_back({{"name", name}, {"bytes", std::filesystem::file_size(to / name)}});
  json manifest = {{"machine", job.old_machine()}, {"disks", disks}};
  const auto written = co_await write_file(engine, manifest_file(job), manifest.dump());
  if (!written.empty()) co_return not_copied(written);
  json result = {{"directory", to.string()}, {"disks", disks}};
  co_return Performed::done(std::move(result));
}

awaitable<Performed> put_back(Engine& engine, const JobView& job, std::filesystem::path data_dir) {
  const auto manifest = read_manifest(job);
  if (manifest.is_null())
    co_return Performed::failed(Outcome::permanent, "copies_gone", "The copies of the disks are not there any more.",
                                {{"directory", job.disk_dir().string()}});
  std::vector<std::string> names;
  for (const auto& disk : at(manifest, "disks")) names.push_back(text(at(disk, "name")));
  for (const auto& name : names)
    if (const auto problem = copy_problem(job.disk_dir() / name); !problem.empty())
      co_return Performed::failed(Outcome::permanent, "copies_unusable",
                                  "The disks cannot be put back: " + problem + ".", {{"problem", problem}});
  std::function<std::string()> work = [data_dir, from = job.disk_dir(), names] {
    return copy_all(from, data_dir, names);
  };
  const auto error = co_await on_disk(engine, std::move(work));
  if (!error.empty()) co_return not_copied(error);
  json note = {{"machine", job.old_machine()}, {"disks", names}};
  const auto written = co_await write_file(engine, restored_file(job), note.dump());
  if (!written.empty()) co_return not_copied(written);
  co_return Performed::done(std::move(note));
}

}  // namespace

awaitable<Observed> observe_copy_disks(Engine& /*engine*/, const JobView& job, Direction direction) {
  const auto manifest = read_manifest(job);
  std::error_code error;
  const bool restored = std::filesystem::exists(restored_file(job), error);
  if (direction == Direction::undo) {
    // Without a whole copy nothing past it was done to the machine, so its disks are the old ones.
    const bool copied = !manifest.is_null() || job.has_fact(effect::copy_disks);
    co_return seen_as(restored || !copied ? World::present : World::absent);
  }
  if (manifest.is_null()) co_return seen_as(World::absent);
  json result = {{"directory", job.disk_dir().string()}, {"disks", at(manifest, "disks")}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_copy_disks(Engine& engine, const JobView& job, Direction direction) {
  // A copy taken again, after the commands ran, would keep what it is meant to undo.
  if (direction == Direction::forward && job.has_fact(effect::copy_disks))
    co_return Performed::failed(Outcome::permanent, "copies_gone", "The copies of the disks are not there any more.",
                                {{"directory", job.disk_dir().string()}});
  const auto down = co_await prove_down(engine, job);
  if (down.outcome != Outcome::done) co_return down;
  auto place = co_await data_dir_of(engine, job.old_machine());
  if (place.path.empty()) co_return failure(place.answer, "find the disks of " + job.old_machine());
  if (direction == Direction::undo) {
    auto out = co_await put_back(engine, job, std::move(place.path));
    co_return out;
  }
  auto out = co_await copy_disks(engine, job, std::move(place.path));
  co_return out;
}

}  // namespace rebottle::worker::smolmachines
