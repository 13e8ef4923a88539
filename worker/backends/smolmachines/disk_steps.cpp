// The way back of a change inside the machine: copies of its two disks, made while it is stopped, and put back into it.
// Not here: how a file is copied (disks.cpp).
#include <algorithm>

#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/disks.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {
namespace {

// The list of the copies is one file, whose name says how far they are: a rename needs no room, and a file system that
// the commands have filled has none.
constexpr std::string_view copied = "copied.json";        // all of them are there
constexpr std::string_view restoring = "restoring.json";  // those that are missing are disks of the machine again
constexpr std::string_view restored = "restored.json";    // all are: what lies here is history

std::filesystem::path list_file(const JobView& job, std::string_view name) { return job.disk_dir() / name; }

bool is_copied(const JobView& job, const json& disk) {
  std::error_code error;
  const auto size = std::filesystem::file_size(job.disk_dir() / text(at(disk, "name")), error);
  return !error && at(disk, "bytes") == size;
}

// What was copied, if the list has that name: null otherwise.
json read_list(const JobView& job, std::string_view name) {
  auto list = json::parse(read_file(list_file(job, name)), nullptr, false);
  return list.is_object() && text(at(list, "machine")) == job.old_machine() ? list : json();
}

// All of it is still there, and nothing of it was put back.
json read_copies(const JobView& job) {
  auto list = read_list(job, copied);
  const bool whole = std::ranges::all_of(at(list, "disks"), [&job](const json& disk) { return is_copied(job, disk); });
  return whole ? list : json();
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
  json list = {{"machine", job.old_machine()}, {"disks", disks}};
  const auto written = co_await write_file(engine, list_file(job, copied), list.dump());
  if (!written.empty()) co_return not_copied(written);
  json result = {{"directory", to.string()}, {"disks", disks}};
  co_return Performed::done(std::move(result));
}

Performed copies_gone(const JobView& job) {
  return Performed::failed(Outcome::permanent, "copies_gone", "The copies of the disks are not there any more.",
                           {{"directory", job.disk_dir().string()}});
}

awaitable<std::string> rename_list(Engine& engine, const JobView& job, std::string_view from, std::string_view to) {
  std::function<std::string()> work = [from = list_file(job, from), to = list_file(job, to)] {
    return seal_as(from, to);
  };
  auto error = co_await on_disk(engine, std::move(work));
  co_return error;
}

// May be begun again wherever it was cut off.
awaitable<Performed> put_back(Engine& engine, const JobView& job, std::filesystem::path data_dir) {
  auto list = read_copies(job);
  const bool begins = !list.is_null();
  if (!begins) list = read_list(job, restoring);
  if (list.is_null()) co_return copies_gone(job);
  std::vector<std::string> names;
  for (const auto& disk : at(list, "disks"))
    if (is_copied(job, disk)) names.push_back(text(at(disk, "name")));
  for (const auto& name : names)
    if (const auto problem = copy_problem(job.disk_dir() / name); !problem.empty())
      co_return Performed::failed(Outcome::permanent, "copies_unusable",
                                  "The disks cannot be put back: " + problem + ".", {{"problem", problem}});
  if (begins) {
    const auto error = co_await rename_list(engine, job, copied, restoring);
    if (!error.empty()) co_return not_copied(error);
  }
  std::function<std::string()> work = [from = job.disk_dir(), data_dir, names] {
    return move_over(from, data_dir, names);
  };
  const auto error = co_await on_disk(engine, std::move(work));
  if (!error.empty()) co_return not_copied(error);
  const auto ended = co_await rename_list(engine, job, restoring, restored);
  if (!ended.empty()) co_return not_copied(ended);
  co_return Performed::done(std::move(list));
}

}  // namespace

awaitable<Observed> observe_copy_disks(Engine& /*engine*/, const JobView& job, Direction direction) {
  const auto copies = read_copies(job);
  if (direction == Direction::undo) {
    // Without a whole copy nothing past it was done to the machine, so its disks are the old ones.
    const bool touched = !copies.is_null() || !read_list(job, restoring).is_null() || job.has_fact(effect::copy_disks);
    const bool back = !read_list(job, restored).is_null();
    co_return seen_as(back || !touched ? World::present : World::absent);
  }
  if (copies.is_null()) co_return seen_as(World::absent);
  json result = {{"directory", job.disk_dir().string()}, {"disks", at(copies, "disks")}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_copy_disks(Engine& engine, const JobView& job, Direction direction) {
  // A copy taken again, after the commands ran, would keep what it is meant to undo.
  if (direction == Direction::forward && job.has_fact(effect::copy_disks)) co_return copies_gone(job);
  // Nothing may write to the disks meanwhile, and a row that says stopped does not prove that.
  const auto down = co_await bring_down(engine, job.old_machine(), job.stop_timeout_s());
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
