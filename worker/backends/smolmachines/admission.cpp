// The first effect of every job: reads, refuses by name, and records the baseline that a roll-back is measured by.
// Not here: which machine it is (target.cpp), how it was made (spec_source.cpp).
#include <algorithm>
#include <array>
#include <stdexcept>

#include <sys/random.h>
#include <sys/stat.h>

#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/disks.hpp"
#include "worker/backends/smolmachines/image_file.hpp"
#include "worker/backends/smolmachines/spec_source.hpp"
#include "worker/backends/smolmachines/steps.hpp"
#include "worker/backends/smolmachines/target.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

constexpr std::int64_t spare_bytes = std::int64_t{64} << 20;

Performed unsupported(std::string reason, std::string message, json detail) {
  return Performed::failed(Outcome::unsupported, std::move(reason), std::move(message), std::move(detail));
}

// "local:<sha256>" of an archive, or "reference@sha256:<digest>".
bool image_matches(const std::string& image, const std::string& digest) {
  constexpr std::string_view local = "local:";
  return image == digest || (image.starts_with(local) && digest == "sha256:" + image.substr(local.size())) ||
         image.ends_with("@" + digest);
}

Performed judge_expectation(const schema::Args& args, const json& machine) {
  json diff = json::array();
  const auto compare = [&diff](std::string_view field, const auto& expected, const std::string& found, bool same) {
    if (expected && !same) diff.push_back({{"field", field}, {"expected", *expected}, {"found", found}});
  };
  const auto name = text(at(machine, "name"));
  const auto image = text(at(machine, "image"));
  const auto& expect = args.expect;
  compare("expect.target_id", expect.target_id, name, expect.target_id == name);
  compare("expect.image_digest", expect.image_digest, image,
          expect.image_digest && image_matches(image, *expect.image_digest));
  compare("expect.change_sha256", expect.change_sha256, args.change_sha256, expect.change_sha256 == args.change_sha256);
  if (diff.empty()) return Performed::done();
  return Performed::failed(Outcome::stale, "drift", "The bottle or the change is not what was approved.",
                           {{"diff", diff}});
}

// The image that the machine was made from, as far as the builder could know it.
awaitable<PresentImage> find_present_image(Engine& engine, const JobView& job, std::string image) {
  constexpr std::string_view local = "local:";
  const json& current = job.context.current;
  PresentImage out;
  if (text(at(current, "image")) == image && text(at(current, "builder")) == engine.config.builder &&
      !text(at(current, "image_id")).empty()) {
    out.reference = text(at(current, "image_id"));
  } else if (image.starts_with(local)) {
    out.sha256 = image.substr(local.size());
    std::function<std::string()> work = [&engine, sha256 = out.sha256] {
      return engine.archives.find(engine.config, sha256).string();
    };
    auto found = co_await on_thread(engine.reading, std::move(work));
    out.archive = std::move(found);
  } else if (!image.starts_with("local-dir:")) {
    out.reference = std::move(image);
  }
  co_return out;
}

// By the builder. Result: what is needed of the present image.
awaitable<Performed> judge_build(Engine& engine, const JobView& job, std::string image) {
  const std::string what(schema::change_word(job.context.args));
  if (!engine.builder)
    co_return unsupported("change_unsupported",
                          "A change by " + what +
                              " needs an engine that builds images, and none is configured "
                              "(backends.smolmachines.builder). Approve an image file of import_dirs, or commands.",
                          {{"change", what}, {"missing", "builder"}});
  PresentImage present;
  if (job.needs_current()) {
    auto found = co_await find_present_image(engine, job, image);
    present = std::move(found);
  }
  auto judged = co_await engine.builder->admit(job.context, present);
  if (text(at(judged.detail, "missing")) == "current_image") {
    judged.detail["image"] = image;
    judged.message += " The machine's is " + image + ", and no file of import_dirs has that content.";
  }
  co_return judged;
}

awaitable<Performed> judge_change(Engine& engine, const JobView& job, std::string image) {
  const auto& change = job.context.args.change;
  if (std::holds_alternative<schema::Args::Commands>(change)) co_return Performed::done();
  if (const auto* file = std::get_if<schema::Args::ImageFile>(&change)) {
    Performed found;
    std::function<std::string()> work = [&config = engine.config, &found, file = *file] {
      found = judge_image_file(config, file);
      return std::string();
    };
    const auto none = co_await on_thread(engine.reading, std::move(work));
    static_cast<void>(none);
    co_return found;
  }
  auto judged = co_await judge_build(engine, job, std::move(image));
  co_return judged;
}

bool is_under(const std::string& path, const std::string& place) {
  return path == place || path.starts_with(place == "/" ? place : place + "/");
}

struct Paths {
  json kept = json::array();
  json skipped = json::array();
  std::vector<std::string> problems;
};

// The guest's end of "HOST:GUEST[:ro]"; a volume without a host is on the machine's own disk, and does not stay.
std::string mount_point(const std::string& volume) {
  const auto colon = volume.find(':');
  if (colon == std::string::npos) return {};
  const bool remote = volume.starts_with("s3://");
  const auto begin = remote ? volume.find(':', colon + 1) : colon;
  if (begin == std::string::npos) return {};
  return volume.substr(begin + 1, volume.find(':', begin + 1) - begin - 1);
}

Paths judge_paths(const std::vector<std::string>& paths, const Spec& spec) {
  static constexpr std::array<std::string_view, 6> in_memory = {"/proc", "/sys", "/dev", "/tmp", "/run", "/var/run"};
  std::vector<std::string> mounts;
  for (const auto& volume : at(spec.document(), "volume"))
    if (auto place = mount_point(text(volume)); !place.empty()) mounts.push_back(std::move(place));
  Paths out;
  for (const auto& path : paths) {
    bool kept = true;
    for (const auto place : in_memory)
      if (is_under(path, std::string(place))) {
        out.problems.push_back("snapshot path " + path + ": " + std::string(place) +
                               " is kept in memory and lost on stop");
        kept = false;
        break;
      }
    for (const auto& place : mounts) {
      if (is_under(path, place)) {
        out.skipped.push_back({{"path", path}, {"why", "on the mount " + place + ", which stays"}});
        kept = false;
      } else if (is_under(place, path)) {
        out.problems.push_back("snapshot path " + path + ": it contains the mount " + place +
                               "; name the paths beside it");
        kept = false;
      }
    }
    if (kept) out.kept.push_back(path);
  }
  return out;
}

Performed judge_space_in(const std::string& directory, std::int64_t bytes) {
  const auto free = free_bytes(directory);
  if (!free)
    return Performed::failed(Outcome::permanent, "work_dir_unusable", "The directory " + directory + " cannot be used.",
                             {{"path", directory}});
  const auto needed = bytes + spare_bytes;
  if (*free >= needed) return Performed::done();
  return Performed::failed(Outcome::permanent, "disk_space",
                           "Too little space in " + directory + ": " + std::to_string(*free) + " bytes free, " +
                               std::to_string(needed) + " needed.",
                           {{"path", directory}, {"free_bytes", *free}, {"needed_bytes", needed}});
}

// For so many bytes of ours, and so many of the engine's own: often on the same file system.
Performed judge_space(const SmolmachinesConfig& config, std::int64_t ours, std::int64_t engines) {
  struct stat mine {};
  struct stat other {};
  const bool same = ::stat(config.work_dir.c_str(), &mine) == 0 &&
                    ::stat(config.engine_state_dir.c_str(), &other) == 0 && mine.st_dev == other.st_dev;
  auto out = judge_space_in(config.work_dir.string(), same ? ours + engines : ours);
  if (out.outcome == Outcome::done && !same) out = judge_space_in(config.engine_state_dir.string(), engines);
  return out;
}

// Nothing in the machine can have known it.
std::string drawn_word() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("the system gives no random bytes");
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const auto byte : bytes) {
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

// In the same machine: its disks are what is kept, and they must be ones that can be copied by themselves.
awaitable<Performed> admit_in_place(Engine& engine, std::string machine) {
  const auto place = co_await data_dir_of(engine, machine);
  if (place.path.empty()) co_return failure(place.answer, "find the disks of " + machine);
  const auto names = disk_names(place.path);
  if (names.empty())
    co_return unsupported(
        "disks_unsupported",
        "The machine " + machine + " does not have the two disks that are known: overlay and storage.",
        {{"machine", machine}, {"data_dir", place.path.string()}});
  std::int64_t bytes = 0;
  for (const auto& name : names) {
    const auto problem = copy_problem(place.path / name);
    if (!problem.empty())
      co_return unsupported("disks_unsupported", "The disks of " + machine + " cannot be kept: " + problem + ".",
                            {{"machine", machine}, {"problem", problem}});
    bytes += real_size(place.path / name);
  }
  // The changed disks make room for the copies, but a machine whose disks have no room to grow does not come up.
  auto space = judge_space(engine.config, bytes, 0);
  if (space.outcome != Outcome::done) co_return space;
  json result = {{"data_dir", place.path.string()}, {"disks", names}, {"disk_bytes", bytes}};
  co_return Performed::done(std::move(result));
}

// A machine beside it: made from the same settings, so they must be known.
Performed admit_beside(const Engine& engine, const JobView& job, const Target& target, std::int64_t bytes) {
  const auto found = find_spec(engine.config, job, target.machine);
  if (!found.spec) return found.refusal;
  if (found.refusal.outcome != Outcome::done) return found.refusal;
  const auto paths = judge_paths(job.context.args.snapshot.paths, *found.spec);
  if (!paths.problems.empty()) {
    return unsupported("snapshot_path_unsupported", joined(paths.problems) + ".", {{"problems", paths.problems}});
  }
  if (!paths.kept.empty() && !is_running(target.machine))
    return unsupported("snapshot_unsupported",
                       "The machine " + text(at(target.machine, "name")) +
                           " is stopped, and paths can only be read from a running one. Start it, or approve without "
                           "snapshot.paths.",
                       {{"machine", at(target.machine, "name")}, {"state", at(target.machine, "state")}});
  const auto new_machine = revision_name(job.base(), target.next_rev);
  if (!valid_machine_name(new_machine))
    return unsupported("name_too_long", "\"" + new_machine + "\" would be too long for a machine's name.",
                       {{"machine", new_machine}});
  // The engine keeps the archive and unpacks it.
  auto space = judge_space(engine.config, bytes, 2 * bytes);
  if (space.outcome != Outcome::done) return space;
  return Performed::done({{"new_machine", new_machine},
                          {"new_rev", target.next_rev},
                          {"spec_file", found.file},
                          {"spec_sha256", found.spec->sha256()},
                          {"paths", paths.kept},
                          {"paths_skipped", paths.skipped}});
}

}  // namespace

awaitable<Performed> perform_admit(Engine& engine, const JobView& job, Direction /*direction*/) {
  auto found = co_await find_target(engine, job);
  if (found.refusal.outcome != Outcome::done) co_return found.refusal;
  const auto& target = found.target;
  const auto possible = co_await judge_change(engine, job, text(at(target.machine, "image")));
  if (possible.outcome != Outcome::done) co_return possible;
  const auto expected = judge_expectation(job.context.args, target.machine);
  if (expected.outcome != Outcome::done) co_return expected;
  const auto name = text(at(target.machine, "name"));
  Performed out;
  if (job.makes_machine()) {
    const json& bytes = at(possible.result, "image_bytes");
    out = admit_beside(engine, job, target, bytes.is_null() ? 0 : bytes.get<std::int64_t>());
  } else {
    auto in_place = co_await admit_in_place(engine, name);
    out = std::move(in_place);
    out.result["new_machine"] = name;
    out.result["new_rev"] = target.rev;
    out.result["mark"] = drawn_word();
  }
  if (out.outcome != Outcome::done) co_return out;
  // Whatever is done to a running machine needs a shell in it.
  if (is_running(target.machine)) {
    auto counted = co_await count_processes(engine, name);
    if (counted.reason_code == "shell_missing") counted.outcome = Outcome::unsupported;  // nothing was done yet
    if (counted.outcome != Outcome::done) co_return counted;
  }
  out.result.update(possible.result);
  out.result["machine"] = name;
  out.result["rev"] = target.rev;
  out.result["ours"] = is_ours(target.machine, job.context.bottle);
  out.result["running"] = is_running(target.machine);
  out.result["state"] = at(target.machine, "state");
  out.result["image"] = at(target.machine, "image");
  out.result["labels"] = at(target.machine, "labels");
  out.result["fingerprint"] = fingerprint(target.machine);
  co_return out;
}

awaitable<Observed> observe_admit(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  const bool known = job.has_fact(effect::admit);
  co_return Observed{known ? World::present : World::absent, job.baseline(), {}};
}

}  // namespace rebottle::worker::smolmachines
