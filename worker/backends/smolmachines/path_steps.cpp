// Keeps the snapshot's paths: one tar, written inside the running old machine with its processes held still, fetched,
// and unpacked in the changed one, which is then started again so that its workload begins with them. It is unpacked
// only if it holds nothing else. Not here: which paths (admission.cpp).
#include <algorithm>

#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/guest_script.hpp"
#include "worker/backends/smolmachines/path_archive.hpp"
#include "worker/backends/smolmachines/steps.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using std::chrono::seconds;

// After guest_own_processes. Arguments: the archive to write, its largest size, absolute paths. Holds all processes
// still but init, itself and those it descends from, writes the archive inside the machine, lets them go again however
// it ends, and prints the archive's size. (What an exec prints is cut by the engine after some megabytes, so it is
// fetched as a file.) Paths that are not there are named on stderr, one a line.
constexpr std::string_view save_script = R"sh(
archive=$1
max=$2
shift 2
held=
go_on() { [ -z "$held" ] || kill -CONT $held 2>/dev/null; held=; }
trap go_on EXIT
trap 'exit 75' HUP INT TERM PIPE
for place in /proc/[0-9]*; do
  one=${place#/proc/}
  case "$mine" in *" $one "*) continue ;; esac
  [ -e "$place/exe" ] && kill -STOP "$one" 2>/dev/null && held="$held $one"
done
left=$#
while [ "$left" -gt 0 ]; do
  path=$1
  shift
  left=$((left - 1))
  if [ -e "$path" ] || [ -L "$path" ]; then set -- "$@" ".$path"; else echo "rebottle-missing:$path" >&2; fi
done
code=0
: > "$archive" || exit 74
if [ $# -gt 0 ]; then
  { tar -C / -cf - "$@"; echo $? > "$archive.code"; } | head -c $((max + 1)) > "$archive"
  code=$(cat "$archive.code")
  rm -f "$archive.code"
fi
go_on
size=$(wc -c < "$archive")
[ "$size" -le "$max" ] || exit 76
[ "$code" = 0 ] || exit 74
echo "$size"
)sh";

constexpr std::string_view tidy_script = R"sh(
rm -f "$1" "$1.code"
for place in /proc/[0-9]*; do kill -CONT "${place#/proc/}" 2>/dev/null; done
true
)sh";

// Arguments: the members to unpack; none: all.
constexpr std::string_view restore_script = R"sh(tar -C / -xpf - "$@" && sync)sh";

// The engine's own small files, which a bound on all that the call writes must not meet.
constexpr std::uint64_t file_least = std::uint64_t{64} << 20;

constexpr std::string_view missing_mark = "rebottle-missing:";

std::string guest_archive(const JobView& job) { return "/.rebottle-" + job.context.job_key + ".tar"; }
std::filesystem::path archive_file(const JobView& job) { return job.path_dir() / "paths.tar"; }
std::filesystem::path manifest_file(const JobView& job) { return job.path_dir() / "saved.json"; }

// What was saved, if all of it is still there: null otherwise.
json read_manifest(const JobView& job) {
  auto manifest = json::parse(read_file(manifest_file(job)), nullptr, false);
  if (!manifest.is_object() || text(at(manifest, "machine")) != job.old_machine()) return nullptr;
  std::error_code error;
  const auto size = std::filesystem::file_size(archive_file(job), error);
  if (error || at(manifest, "bytes") != size) return nullptr;
  return manifest;
}

json missing_paths(std::string_view errors) {
  json out = json::array();
  while (!errors.empty()) {
    const auto end = errors.find('\n');
    const auto line = errors.substr(0, end);
    if (line.starts_with(missing_mark)) out.push_back(clean_text(line.substr(missing_mark.size())));
    errors.remove_prefix(end == std::string_view::npos ? errors.size() : end + 1);
  }
  return out;
}

Performed not_written(const std::string& error) {
  return Performed::failed(Outcome::transient, "snapshot_not_written", "The snapshot cannot be written: " + error,
                           {{"error", error}});
}

Performed too_large(const JobView& job) {
  return Performed::failed(
      Outcome::permanent, "snapshot_too_large",
      "The snapshot's paths hold more than the allowed " + std::to_string(job.snapshot_max_bytes()) + " bytes.",
      {{"max_bytes", job.snapshot_max_bytes()}});
}

Performed not_read(const Answer& answer, const JobView& job) {
  constexpr int too_large_code = 76;
  if (!answer.by_command()) return failure(answer, "read the paths of " + job.old_machine());
  if (answer.exit_code == too_large_code) return too_large(job);
  return Performed::failed(
      Outcome::permanent, "snapshot_failed",
      "Reading the paths in the machine ended with code " + std::to_string(answer.exit_code) + ": " + answer.error,
      {{"exit_code", answer.exit_code}, {"output", answer.error}});
}

std::vector<std::string> kept_paths(const JobView& job) {
  std::vector<std::string> out;
  for (const auto& path : at(job.baseline(), "paths")) out.push_back(text(path));
  return out;
}

Performed not_trusted(const std::string& problem) {
  return Performed::failed(
      Outcome::permanent, "snapshot_invalid",
      "What the machine gave as the archive of its paths is not unpacked anywhere: " + problem + ".",
      {{"problem", problem}});
}

// The archive comes from the guest, and is unpacked as root.
awaitable<PathArchive> judge_archive(Engine& engine, const JobView& job, std::filesystem::path archive) {
  PathArchive out;
  std::function<std::string()> work = [&out, archive = std::move(archive), paths = kept_paths(job)] {
    out = read_path_archive(archive, paths);
    return out.problem;
  };
  auto problem = co_await on_disk(engine, std::move(work));
  out.problem = std::move(problem);
  co_return out;
}

Exec shell(const std::string& machine, std::string script, int timeout_s) {
  Exec request;
  request.machine = machine;
  request.command = {"/bin/sh", "-c", std::move(script), "rebottle"};
  request.as_root = true;
  request.runs_on = true;  // whatever it holds still goes on in the end
  request.timeout = seconds(timeout_s);
  return request;
}

awaitable<Performed> save_paths(Engine& engine, const JobView& job) {
  auto request =
      shell(job.old_machine(), std::string(guest_own_processes).append(save_script), engine.config.exec_timeout_s);
  request.command.push_back(guest_archive(job));
  request.command.push_back(std::to_string(job.snapshot_max_bytes()));
  for (auto& path : kept_paths(job)) request.command.push_back(std::move(path));
  const auto read = co_await exec(engine, std::move(request));
  if (!read.succeeded()) co_return not_read(read, job);
  const auto part = archive_file(job).string() + ".part";
  std::error_code error;
  std::filesystem::remove(part, error);
  const auto most = static_cast<std::uint64_t>(job.snapshot_max_bytes());
  const auto copied =
      co_await copy_out(engine, job.old_machine(), guest_archive(job), part, std::max(most, file_least) + 1);
  if (std::filesystem::file_size(part, error) > most && !error) {
    std::filesystem::remove(part, error);
    co_return too_large(job);
  }
  if (!copied.succeeded()) co_return failure(copied, "fetch the paths of " + job.old_machine());
  const auto bytes = std::filesystem::file_size(part, error);
  if (error || std::to_string(bytes) != read.output.substr(0, read.output.find_first_of(" \r\n")))
    co_return Performed::failed(Outcome::transient, "snapshot_incomplete", "The archive of the paths is not whole.",
                                {{"bytes", bytes}, {"expected", clean_text(read.output)}});
  if (bytes != 0) {
    const auto judged = co_await judge_archive(engine, job, part);
    if (!judged.problem.empty()) co_return not_trusted(judged.problem);
  }
  std::function<std::string()> seal = [part, to = archive_file(job)] { return seal_as(part, to); };
  const auto sealed = co_await on_disk(engine, std::move(seal));
  if (!sealed.empty()) co_return not_written(sealed);
  json manifest = {{"machine", job.old_machine()},
                   {"archive", archive_file(job).string()},
                   {"bytes", bytes},
                   {"missing", missing_paths(read.error)}};
  const auto written = co_await write_file(engine, manifest_file(job), manifest.dump());
  if (!written.empty()) co_return not_written(written);
  co_return Performed::done(std::move(manifest));
}

}  // namespace

// As with the record: what was kept before a wait would overwrite what the agent did in it.
awaitable<Observed> observe_save_paths(Engine& /*engine*/, const JobView& /*job*/, Direction /*direction*/) {
  co_return seen_as(World::absent);
}

awaitable<Performed> perform_save_paths(Engine& engine, const JobView& job, Direction /*direction*/) {
  std::error_code error;
  std::filesystem::create_directory(job.path_dir(), error);
  if (error) co_return not_written(error.message());
  auto out = co_await save_paths(engine, job);
  // Whatever came of it, nothing of it stays in the machine, and nothing stays held.
  auto tidy = shell(job.old_machine(), std::string(tidy_script), engine.config.call_timeout_s);
  tidy.command.push_back(guest_archive(job));
  const auto tidied = co_await exec(engine, std::move(tidy));
  if (out.outcome == Outcome::done && !tidied.succeeded()) out.result["tidied"] = false;
  co_return out;
}

// What was put in cannot be told from what the image holds, so only the record says that it was. Undo: down.
awaitable<Observed> observe_restore_paths(Engine& engine, const JobView& job, Direction direction) {
  if (direction == Direction::undo) {
    auto out = co_await observe_start(engine, job, direction);
    co_return out;
  }
  const bool known = job.has_fact(effect::restore_paths);
  co_return Observed{known ? World::present : World::absent, job.fact(effect::restore_paths), {}};
}

awaitable<Performed> perform_restore_paths(Engine& engine, const JobView& job, Direction direction) {
  if (direction == Direction::undo) {
    auto out = co_await bring_down(engine, job.new_machine(), job.stop_timeout_s());
    co_return out;
  }
  const auto manifest = read_manifest(job);
  if (manifest.is_null())
    co_return Performed::failed(Outcome::permanent, "snapshot_gone", "The saved paths are not there any more.",
                                {{"path", job.path_dir().string()}});
  // A try before this one may have ended between the stop and the start below.
  const auto up = co_await bring_up(engine, job.new_machine(), job.old_machine());
  if (up.outcome != Outcome::done) co_return up;
  if (at(manifest, "bytes") != 0) {
    auto request = shell(job.new_machine(), std::string(restore_script), engine.config.exec_timeout_s);
    request.input = archive_file(job);
    auto judged = co_await judge_archive(engine, job, archive_file(job));
    if (!judged.problem.empty()) co_return not_trusted(judged.problem);
    // Some tars take them for patterns: then the names on their own, all of them proved, must do.
    const bool plain = std::ranges::none_of(
        judged.members, [](const auto& name) { return name.find_first_of("*?[\\") != std::string::npos; });
    if (plain)
      for (auto& name : judged.members) request.command.push_back(std::move(name));
    const auto put = co_await exec(engine, std::move(request));
    if (!put.by_command()) co_return failure(put, "put the paths into " + job.new_machine());
    if (!put.succeeded())
      co_return Performed::failed(Outcome::permanent, "restore_failed",
                                  "Putting the paths into the changed machine ended with code " +
                                      std::to_string(put.exit_code) + ": " + put.error,
                                  {{"exit_code", put.exit_code}, {"output", put.error}});
  }
  const auto down = co_await bring_down(engine, job.new_machine(), job.stop_timeout_s());
  if (down.outcome != Outcome::done) co_return down;
  auto out = co_await bring_up(engine, job.new_machine(), job.old_machine());
  if (out.outcome == Outcome::done) out.result["paths"] = at(job.baseline(), "paths");
  co_return out;
}

}  // namespace rebottle::worker::smolmachines
