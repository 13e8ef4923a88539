// The verbs, and the looks that more than one step needs. Not here: what follows from them.
#include "worker/backends/smolmachines/engine.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/disks.hpp"
#include "worker/backends/smolmachines/guest_script.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr milliseconds look_again{500};  // at a machine that is silent
constexpr milliseconds margin{15'000};   // of a call's deadline beyond what the engine was told
constexpr std::size_t log_bytes = 4000;
constexpr std::size_t exec_output_max = std::size_t{16} << 20;

Call reading(std::vector<std::string> words, const Engine& engine) {
  Call call;
  call.words = std::move(words);
  call.deadline = seconds(engine.config.call_timeout_s);
  return call;
}

// Never ended before the engine answers.
Call changing(std::vector<std::string> words, std::string machine, int timeout_s) {
  Call call;
  call.words = std::move(words);
  call.machine = std::move(machine);
  call.deadline = seconds(timeout_s);
  call.ended_by = EndedBy::nothing;
  return call;
}

bool answers_at_all(const Answer& answer) { return answer.succeeded(); }

}  // namespace

const json& Machines::find(std::string_view name) const {
  static const json null;
  for (const auto& row : rows)
    if (text(at(row, "name")) == name) return row;
  return null;
}

awaitable<Machines> list_machines(Engine& engine) {
  auto call = reading({"machine", "ls", "--json"}, engine);
  Machines out;
  auto answer = co_await engine.calls.run(std::move(call));
  out.answer = std::move(answer);
  if (!answers_at_all(out.answer)) co_return out;
  out.rows = json::parse(out.answer.output, nullptr, false);
  out.known = out.rows.is_array() && std::ranges::all_of(out.rows, [](const json& row) {
                return !text(at(row, "name")).empty() && !text(at(row, "state")).empty();
              });
  if (out.known) co_return out;
  out.rows = json::array();
  out.answer.reach = Reach::ended;
  out.answer.error = "the list of machines is not what it should be: " + shortened(clean_text(out.answer.output), 200);
  co_return out;
}

awaitable<Machines> list_beyond_silence(Engine& engine, std::string name) {
  const auto end = Clock::now() + seconds(engine.config.call_timeout_s);
  while (true) {
    auto machines = co_await list_machines(engine);
    if (!is_silent(machines.find(name)) || Clock::now() >= end) co_return machines;
    co_await pause_for(look_again);
  }
}

awaitable<Answer> ask_version(Engine& engine) {
  auto call = reading({"--version"}, engine);
  auto answer = co_await engine.calls.run(std::move(call));
  co_return answer;
}

awaitable<Answer> create_machine(Engine& engine, std::string name, std::vector<std::string> options) {
  std::vector<std::string> words = {"machine", "create", "--name", name};
  words.insert(words.end(), std::make_move_iterator(options.begin()), std::make_move_iterator(options.end()));
  // An image archive is read and unpacked by it.
  auto call = changing(std::move(words), std::move(name), engine.config.exec_timeout_s);
  auto answer = co_await engine.calls.run(std::move(call));
  co_return answer;
}

awaitable<Answer> start_machine(Engine& engine, std::string name) {
  auto call = changing({"machine", "start", "--name", name}, name, engine.config.start_timeout_s);
  auto answer = co_await engine.calls.run(std::move(call));
  co_return answer;
}

awaitable<Answer> stop_machine(Engine& engine, std::string name, int timeout_s) {
  Answer answer;
  for (int time = 0; time < 2; ++time) {
    auto call = changing({"machine", "stop", "--name", name, "--timeout", std::to_string(timeout_s)}, name,
                         timeout_s + engine.config.start_timeout_s);
    auto one = co_await engine.calls.run(std::move(call));
    answer = std::move(one);
    if (!answer.succeeded()) break;
  }
  co_return answer;
}

awaitable<Answer> delete_machine(Engine& engine, std::string name) {
  auto call = changing({"machine", "delete", "--force", "--name", name}, name, engine.config.start_timeout_s);
  auto answer = co_await engine.calls.run(std::move(call));
  co_return answer;
}

awaitable<Answer> exec(Engine& engine, Exec request) {
  Call call;
  call.words = {"machine",   "exec",
                "--name",    request.machine,
                "--timeout", std::to_string(std::chrono::ceil<seconds>(request.timeout).count()) + "s"};
  if (request.as_root) call.words.insert(call.words.end(), {"--user", "0:0"});
  if (!request.input.empty()) call.words.emplace_back("--interactive");
  call.words.emplace_back("--");
  call.words.insert(call.words.end(), request.command.begin(), request.command.end());
  call.machine = std::move(request.machine);
  call.deadline = request.timeout + margin;
  call.input = std::move(request.input);
  call.output_max = exec_output_max;
  if (request.runs_on) call.ended_by = EndedBy::deadline;
  auto answer = co_await engine.calls.run(std::move(call));
  // The engine says so in words, with a code that a command could also end with.
  constexpr int out_of_time = 124;
  if (answer.by_command() && answer.exit_code == out_of_time &&
      answer.error.find("timed out after") != std::string::npos)
    answer.reach = Reach::too_slow;
  co_return answer;
}

awaitable<Answer> copy_out(Engine& engine, std::string machine, std::string from, std::string to,
                           std::uint64_t bytes_max) {
  Call call;
  call.words = {"machine", "cp", machine + ":" + from, std::move(to)};
  call.machine = std::move(machine);
  call.deadline = seconds(engine.config.exec_timeout_s);
  call.file_max = bytes_max;
  auto answer = co_await engine.calls.run(std::move(call));
  co_return answer;
}

awaitable<Performed> count_processes(Engine& engine, std::string machine) {
  // A process without an executable is one of the kernel's, or ended.
  static constexpr std::string_view script = R"sh(
count=0
for place in /proc/[0-9]*; do
  case "$mine" in *" ${place#/proc/} "*) continue ;; esac
  [ -e "$place/exe" ] && count=$((count + 1))
done
echo "$count"
)sh";
  Exec request;
  request.machine = machine;
  request.command = {"/bin/sh", "-c", std::string(guest_own_processes).append(script)};
  request.as_root = true;
  request.timeout = seconds(engine.config.call_timeout_s);
  const auto asked = co_await exec(engine, std::move(request));
  if (!asked.by_command()) co_return failure(asked, "look at the processes of " + machine);
  int count = -1;
  const auto* const end = asked.output.data() + asked.output.size();
  const auto parsed = std::from_chars(asked.output.data(), end, count);
  if (asked.exit_code == 0 && parsed.ec == std::errc()) co_return Performed::done({{"processes", count}});
  json detail = {{"machine", machine}, {"exit_code", asked.exit_code}, {"output", asked.error}};
  constexpr int not_executable = 126;
  constexpr int not_found = 127;
  if (asked.exit_code == not_executable || asked.exit_code == not_found)
    co_return Performed::failed(
        Outcome::permanent, "shell_missing",
        "Nothing can be asked inside the machine " + machine + ", which needs /bin/sh: " + asked.error,
        std::move(detail));
  co_return Performed::failed(Outcome::transient, "processes_unknown",
                              "The processes of the machine " + machine + " could not be counted: it ended with code " +
                                  std::to_string(asked.exit_code) + ". " + asked.error,
                              std::move(detail));
}

awaitable<DataDir> data_dir_of(Engine& engine, std::string name) {
  auto call = reading({"machine", "data-dir", "--name", std::move(name)}, engine);
  DataDir out;
  auto answer = co_await engine.calls.run(std::move(call));
  out.answer = std::move(answer);
  if (!out.answer.succeeded()) co_return out;
  auto line = out.answer.output.substr(0, out.answer.output.find('\n'));
  const std::filesystem::path path = line;
  // Nothing outside the state directory is ever copied or replaced.
  const auto inside = path.lexically_normal().lexically_relative(engine.config.engine_state_dir.lexically_normal());
  const bool below = path.is_absolute() && !inside.empty() && *inside.begin() != "..";
  if (below) out.path = path.lexically_normal();
  if (!below) out.answer.error = "the data directory is not below " + engine.config.engine_state_dir.string();
  co_return out;
}

awaitable<std::string> last_log_lines(Engine& engine, std::string name) {
  auto call = reading({"machine", "logs", "--name", std::move(name), "--tail", "20"}, engine);
  const auto answer = co_await engine.calls.run(std::move(call));
  if (!answer.succeeded()) co_return std::string();
  co_return last_part(clean_text(answer.output), log_bytes);
}

std::string state_of(const json& machine) { return text(at(machine, "state")); }
bool is_running(const json& machine) { return state_of(machine) == "running"; }
bool is_silent(const json& machine) { return state_of(machine) == "unreachable"; }
bool is_down(const json& machine) {
  static constexpr std::array<std::string_view, 3> down = {"stopped", "created", "failed"};
  return std::ranges::find(down, std::string_view(state_of(machine))) != down.end();
}
std::string label_of(const json& machine, std::string_view key) { return text(at(at(machine, "labels"), key)); }

awaitable<AtRest> look_at_rest(Engine& engine, std::string name) {
  AtRest out;
  const auto at_work = engine.calls.at_work(name);
  if (!at_work.empty()) {
    out.detail = "a call still works on " + name + ": " + at_work;
    co_return out;
  }
  const auto machines = co_await list_beyond_silence(engine, name);
  if (!machines.known) {
    out.detail = machines.answer.error;
    co_return out;
  }
  out.machine = machines.find(name);
  if (out.machine.is_null()) {
    out.rest = Rest::gone;
    out.detail = "there is no machine " + name;
    co_return out;
  }
  if (!is_down(out.machine)) {
    out.rest = Rest::running;
    out.detail = name + " is " + state_of(out.machine);
    co_return out;
  }
  const auto place = co_await data_dir_of(engine, name);
  if (place.path.empty()) {
    out.detail = "the data directory of " + name + ": " + place.answer.error;
    co_return out;
  }
  const auto use = disk_use(place.path);
  switch (use.writers) {
    case Writers::none: out.rest = Rest::down; break;
    case Writers::some:
      out.rest = Rest::running;
      out.detail = "a virtual machine of " + name + " still has " + use.disk + " open";
      break;
    case Writers::unknown:
      out.detail = "whether a virtual machine of " + name + " still has " + use.disk + " open cannot be told; the " +
                   "service must run as the owner of the disks, or with CAP_LEASE";
      break;
    case Writers::no_disks:
      // They are made at the first start.
      if (state_of(out.machine) == "created") out.rest = Rest::down;
      out.detail = "whether a virtual machine of " + name + " still runs cannot be told: in " + place.path.string() +
                   " there is no disk of a known name (overlay, storage)";
      break;
  }
  co_return out;
}

awaitable<void> pause_for(milliseconds duration) {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, duration);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace rebottle::worker::smolmachines
