// The approved commands, run once: a mark is made durable before the first line and after the last one, so that a
// second try never runs anything again. Not here: what is put back if they failed (disk_steps.cpp).
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/steps.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using std::chrono::seconds;

constexpr std::size_t output_kept = 8000;

// Arguments: the directory of the marks, the lines. mkdir is the begin mark: it succeeds once.
constexpr std::string_view run_script = R"sh(
marks=$1
shift
mkdir -p "${marks%/*}" && mkdir "$marks" || exit 1
sync
for line in "$@"; do
  /bin/sh -c "$line" >> "$marks/output" 2>&1
  code=$?
  [ "$code" -eq 0 ] && continue
  echo "$code" > "$marks/end"
  sync
  tail -c 8000 "$marks/output"
  exit "$code"
done
tail -c 8000 "$marks/output"
echo 0 > "$marks/end" && sync
)sh";

// Says what the marks say: "none", "begun", or the code of the end.
constexpr std::string_view look_script = R"sh(
if [ -s "$1/end" ]; then cat "$1/end"; elif [ -d "$1" ]; then echo begun; else echo none; fi
)sh";

Exec shell(const JobView& job, std::string_view script, int timeout_s) {
  Exec request;
  request.machine = job.new_machine();
  request.command = {"/bin/sh", "-c", std::string(script), "rebottle", job.mark_dir()};
  request.as_root = true;
  request.timeout = seconds(timeout_s);
  return request;
}

// "none", "begun", a code; empty, with the answer, if the machine does not say.
struct Marks {
  std::string word;
  Answer answer;
};
awaitable<Marks> read_marks(Engine& engine, const JobView& job) {
  auto request = shell(job, look_script, engine.config.call_timeout_s);
  Marks out;
  auto answer = co_await exec(engine, std::move(request));
  out.answer = std::move(answer);
  if (out.answer.succeeded()) out.word = out.answer.output.substr(0, out.answer.output.find_first_of(" \r\n"));
  co_return out;
}

Performed failed_commands(const std::string& code, const std::string& output) {
  return Performed::failed(Outcome::permanent, "commands_failed", "A command ended with code " + code + ".",
                           {{"exit_code", code}, {"output", output}});
}

Performed unknown_end(const JobView& job, const std::string& why) {
  return Performed::failed(Outcome::permanent, "commands_unknown",
                           "The commands were begun, and whether they all ran is not known: " + why +
                               ". They are not run again; the machine gets its old disks back.",
                           {{"marks", job.mark_dir()}, {"evidence", why}});
}

}  // namespace

awaitable<Observed> observe_run_commands(Engine& engine, const JobView& job, Direction /*direction*/) {
  if (job.has_fact(effect::run_commands)) co_return Observed{World::present, job.fact(effect::run_commands), {}};
  // A worker before us may have begun them: its call is let end.
  const auto name = job.new_machine();
  const bool idle = co_await engine.calls.idle(name, seconds(engine.config.exec_timeout_s));
  if (!idle) co_return seen_as(World::unknown, "a call still works on " + name + ": " + engine.calls.at_work(name));
  const auto machines = co_await list_machines(engine);
  if (!machines.known) co_return seen_as(World::unknown, machines.answer.error);
  if (!is_running(machines.find(name))) co_return seen_as(World::absent);
  const auto marks = co_await read_marks(engine, job);
  // Anything else than the end of all of them is for perform to judge.
  if (marks.word != "0") co_return seen_as(World::absent);
  json result = {{"marks", job.mark_dir()}, {"exit_code", 0}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_run_commands(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto* commands = std::get_if<schema::Args::Commands>(&job.context.args.change);
  if (commands == nullptr)
    co_return Performed::failed(Outcome::permanent, "change_unsupported", "There are no commands.");
  const auto before = co_await read_marks(engine, job);
  if (before.word.empty()) co_return failure(before.answer, "look for the marks of the commands");
  if (before.word == "begun") co_return unknown_end(job, "the begin mark is there, the end mark is not");
  if (before.word != "none" && before.word != "0") co_return failed_commands(clean_text(before.word), "");
  auto request = shell(job, run_script, engine.config.exec_timeout_s);
  request.runs_on = true;
  for (const auto& line : commands->lines) request.command.push_back(line);
  const auto ran = co_await exec(engine, std::move(request));
  const auto output = last_part(clean_text(ran.output + ran.error), output_kept);
  if (ran.succeeded()) {
    json result = {{"marks", job.mark_dir()}, {"exit_code", 0}, {"output", output}};
    co_return Performed::done(std::move(result));
  }
  // The marks say what an answer that is lost, or a code that may not be a command's, leaves open.
  const auto after = co_await read_marks(engine, job);
  if (after.word.empty()) co_return unknown_end(job, after.answer.error);
  if (after.word == "begun") co_return unknown_end(job, output);
  if (after.word == "none" && !ran.by_command()) co_return failure(ran, "run the commands");
  if (after.word == "none")
    co_return Performed::failed(Outcome::permanent, "commands_unmarked",
                                "No mark can be left in the machine, so nothing was run: " + output,
                                {{"marks", job.mark_dir()}, {"output", output}});
  if (after.word != "0") co_return failed_commands(clean_text(after.word), output);
  json result = {{"marks", job.mark_dir()}, {"exit_code", 0}, {"output", output}};
  co_return Performed::done(std::move(result));
}

}  // namespace rebottle::worker::smolmachines
