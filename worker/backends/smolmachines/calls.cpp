// Recording, waiting, reading answers. A record is a file, not a row: it must be there before the engine runs, and it
// is for this host alone. Not here: forking (process.cpp).
#include "worker/backends/smolmachines/calls.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t message_max = 2000;
constexpr milliseconds end_patience{5000};  // for a process that was killed

// Ends a call that only looks when its coroutine is abandoned.
class Ending {
 public:
  Ending(ChildProcess& child, bool wanted) : child_(child), wanted_(wanted) {}
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  ~Ending() {
    if (wanted_) child_.end_now();
  }
  void dismiss() { wanted_ = false; }

 private:
  ChildProcess& child_;
  bool wanted_;
};

Answer no_answer(Reach reach, std::string error) {
  Answer out;
  out.reach = reach;
  out.error = std::move(error);
  return out;
}

std::string plain_errors(std::string_view errors) { return last_part(clean_text(errors), message_max); }

struct Record {
  ProcessId process;
  std::string boot_id;
  std::string call;
};

std::optional<Record> read_record(const std::filesystem::path& file) {
  const auto document = json::parse(read_file(file), nullptr, false);
  if (!at(document, "pid").is_number_integer() || !at(document, "start").is_number_unsigned()) return std::nullopt;
  return Record{{at(document, "pid").get<pid_t>(), at(document, "start").get<std::uint64_t>()},
                text(at(document, "boot_id")),
                text(at(document, "call"))};
}

// In place, and always as large: on a full file system nothing new can be made, and the way back needs calls.
bool write_record(const std::filesystem::path& file, std::string content) {
  constexpr std::size_t bytes = 512;
  content.resize(bytes, ' ');
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return false;
  const bool written = ::pwrite(descriptor, content.data(), bytes, 0) == static_cast<ssize_t>(bytes);
  ::close(descriptor);
  return written;
}

}  // namespace

EngineError engine_error(std::string_view errors) {
  EngineError out;
  while (!errors.empty()) {
    const auto end = errors.find('\n');
    const auto line = errors.substr(0, end);
    errors.remove_prefix(end == std::string_view::npos ? errors.size() : end + 1);
    if (!line.starts_with(R"({"error")")) continue;
    const auto document = json::parse(line, nullptr, false);
    const json& error = at(document, "error");
    out.code = text(at(error, "code"));
    if (out.code.empty()) out.code = "SMOLVM_ERROR";
    out.message = shortened(clean_text(text(at(error, "message"))), message_max);
  }
  return out;
}

std::vector<std::string> child_environment(int start_timeout_s) {
  constexpr std::string_view ready = "SMOLVM_AGENT_READY_TIMEOUT_SECS=";
  std::vector<std::string> out = {"NO_COLOR=1"};
  bool ready_set = false;
  for (char** entry = environ; *entry != nullptr; ++entry) {  // NOLINT: POSIX
    const std::string_view value = *entry;
    const bool engines = value.starts_with("SMOLVM_") && !value.starts_with("SMOLVM_MACHINE_NAME=");
    if (!engines && !value.starts_with("PATH=") && !value.starts_with("HOME=")) continue;
    ready_set = ready_set || value.starts_with(ready);
    out.emplace_back(value);
  }
  if (!ready_set) out.push_back(std::string(ready) + std::to_string(start_timeout_s));
  return out;
}

Calls::Calls(std::filesystem::path engine, std::filesystem::path state_dir, std::filesystem::path directory,
             std::vector<std::string> environment)
    : engine_(std::move(engine)),
      state_dir_(std::move(state_dir)),
      directory_(std::move(directory)),
      environment_(std::move(environment)),
      boot_id_(read_file("/proc/sys/kernel/random/boot_id").substr(0, 36)) {}

std::filesystem::path Calls::record_file(std::string_view machine) const {
  return directory_ / (std::string(machine) + ".json");
}

// Survives the death of this process, which is all it is for: after one of the host no call is at work.
bool Calls::record(const Call& call, const ProcessId& process) const {
  const json document = {{"pid", process.pid},
                         {"start", process.start},
                         {"boot_id", boot_id_},
                         {"call", call.words.size() > 1 ? call.words[1] : std::string()}};
  return write_record(record_file(call.machine), document.dump());
}

bool Calls::make_room(std::string_view machine) const {
  const auto file = record_file(machine);
  return ::access(file.c_str(), F_OK) == 0 || write_record(file, "");
}

void Calls::remove_room(std::string_view machine) const {
  std::error_code ignored;
  if (at_work(machine).empty()) std::filesystem::remove(record_file(machine), ignored);
}

void Calls::forget(const Call& call, const ProcessId& process) const {
  if (call.machine.empty()) return;
  const auto file = record_file(call.machine);
  const auto known = read_record(file);
  if (known && known->process.pid == process.pid && known->process.start == process.start) write_record(file, "");
}

std::string Calls::at_work(std::string_view machine) const {
  const auto known = read_record(record_file(machine));
  if (!known || known->boot_id != boot_id_ || !is_alive(known->process)) return {};
  return known->call + " (pid " + std::to_string(known->process.pid) + ")";
}

awaitable<bool> Calls::idle(std::string machine, milliseconds deadline) {
  const auto end = Clock::now() + deadline;
  while (true) {
    const auto known = read_record(record_file(machine));
    if (!known || known->boot_id != boot_id_) co_return true;
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    const auto process = known->process;
    const bool over = co_await wait_for_end(process, left);
    if (!over) co_return false;
    Call done;
    done.machine = machine;
    forget(done, process);
  }
}

awaitable<Answer> Calls::run(Call call) {
  if (!call.machine.empty()) {
    const auto deadline = call.deadline;
    const auto machine = call.machine;
    const bool free = co_await idle(machine, deadline);
    if (!free) co_return no_answer(Reach::busy, "an earlier call still works on " + machine + ": " + at_work(machine));
  }
  auto answer = co_await execute(std::move(call));
  co_return answer;
}

awaitable<Answer> Calls::execute(Call call) {
  if (::access(engine_.c_str(), X_OK) != 0)
    co_return no_answer(Reach::not_started, "there is no executable " + engine_.string());
  Program program;
  program.argv = {engine_.string()};
  program.argv.insert(program.argv.end(), call.words.begin(),
                      call.words.begin() + std::min<std::ptrdiff_t>(2, std::ssize(call.words)));
  program.argv.insert(program.argv.end(), {"--state-dir", state_dir_.string(), "--error-format", "json"});
  if (call.words.size() > 2) program.argv.insert(program.argv.end(), call.words.begin() + 2, call.words.end());
  program.environment = environment_;
  program.input = call.input;
  program.output_max = call.output_max;
  program.stop_at_output_max = call.ended_by != EndedBy::nothing;
  program.file_max = call.file_max;
  ChildProcess child(program, [&](const ProcessId& process) { return call.machine.empty() || record(call, process); });
  if (!child.error().empty()) co_return no_answer(Reach::not_started, child.error());
  Ending ending(child, call.ended_by == EndedBy::caller);
  const auto how = co_await child.wait(call.deadline);
  if (how != ChildProcess::Wait::ended) {
    // What must not be ended stays recorded, and is waited for by whoever comes next.
    if (call.ended_by == EndedBy::nothing)
      co_return no_answer(Reach::timeout, "no answer within its deadline; it is still waited for");
    child.end_now();
    const auto gone = co_await child.wait(end_patience);
    if (gone == ChildProcess::Wait::ended) forget(call, child.id());
    if (how == ChildProcess::Wait::too_much_output)
      co_return no_answer(Reach::too_long, "more output than " + std::to_string(call.output_max) + " bytes");
    auto late = no_answer(Reach::timeout, "no answer within its deadline: " + plain_errors(child.errors()));
    late.output = child.output();
    co_return late;
  }
  ending.dismiss();
  forget(call, child.id());
  Answer answer;
  answer.exit_code = child.exit_code();
  answer.output = child.output();
  const auto errors = child.errors();
  auto told = engine_error(errors);
  answer.error_code = std::move(told.code);
  answer.error = told.message.empty() ? plain_errors(errors) : std::move(told.message);
  answer.reach = child.signalled() ? Reach::ended : Reach::answered;
  co_return answer;
}

Performed failure(const Answer& answer, std::string_view doing) {
  const auto message = "Cannot " + std::string(doing) + ": " + answer.error;
  json detail = {{"error", answer.error}};
  switch (answer.reach) {
    case Reach::not_started: return Performed::failed(Outcome::unreachable, "backend_unreachable", message, detail);
    case Reach::busy: return Performed::failed(Outcome::unreachable, "call_at_work", message, detail);
    case Reach::timeout: return Performed::failed(Outcome::unreachable, "backend_timeout", message, detail);
    case Reach::ended: return Performed::failed(Outcome::unknown, "call_ended", message, detail);
    case Reach::too_slow: return Performed::failed(Outcome::transient, "exec_timeout", message, detail);
    case Reach::too_long: return Performed::failed(Outcome::unknown, "answer_too_long", message, detail);
    case Reach::answered: break;
  }
  detail["code"] = answer.error_code;
  detail["exit_code"] = answer.exit_code;
  // A mistake in the call or in what is asked for stays one; everything else may pass.
  constexpr int usage_error = 2;
  static constexpr std::array<std::string_view, 4> final_codes = {"CONFIG_ERROR", "NOT_FOUND", "KVM_UNAVAILABLE",
                                                                  "HYPERVISOR_UNAVAILABLE"};
  const bool permanent = answer.exit_code == usage_error ||
                         std::ranges::find(final_codes, std::string_view(answer.error_code)) != final_codes.end();
  return Performed::failed(permanent ? Outcome::permanent : Outcome::transient, "engine_refused", message, detail);
}

}  // namespace rebottle::worker::smolmachines
