// The proofs: that the changed machine works, and after a roll-back that the old one is no worse than before. A state
// of "running" proves little: a damaged disk boots read-only, so writing is part of it.
// Not here: starting and stopping (switch_steps.cpp).
#include <algorithm>

#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/steps.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr milliseconds look_again{500};
constexpr std::size_t output_kept = 4000;
constexpr int not_writable = 96;

// Writes to the root disk and removes it again.
constexpr std::string_view write_script = R"sh(
probe=/.rebottle-probe.$$
{ echo probe > "$probe" && sync && rm "$probe"; } || exit 96
)sh";

awaitable<Performed> broken(Engine& engine, std::string name, std::string reason, std::string message, json detail) {
  auto log = co_await last_log_lines(engine, name);
  detail["machine"] = name;
  detail["log"] = std::move(log);
  co_return Performed::failed(Outcome::permanent, std::move(reason), std::move(message), std::move(detail));
}

// The machine runs with one and the same process for so long. Result: {pid, stable_s}.
awaitable<Performed> watch(Engine& engine, std::string name, seconds stable) {
  const auto began = Clock::now();
  json pid;
  json last_exit;
  while (true) {
    const auto machines = co_await list_beyond_silence(engine, name);
    if (!machines.known) co_return failure(machines.answer, "look at the machine " + name);
    const json machine = machines.find(name);
    if (pid.is_null()) {
      pid = at(machine, "pid");
      last_exit = at(machine, "last_exit");
    }
    if (!is_running(machine) || at(machine, "pid") != pid || at(machine, "last_exit") != last_exit) {
      std::string reason = "exited";
      std::string message = "The machine " + name + " did not keep running: it is " +
                            (machine.is_null() ? "gone" : state_of(machine)) + ".";
      json detail = {{"state", at(machine, "state")},
                     {"state_reason", at(machine, "state_reason")},
                     {"pid", at(machine, "pid")},
                     {"pid_before", pid},
                     {"last_exit", at(machine, "last_exit")}};
      auto out = co_await broken(engine, name, std::move(reason), std::move(message), std::move(detail));
      co_return out;
    }
    if (Clock::now() - began >= stable) {
      json result = {{"pid", pid}, {"stable_s", stable.count()}};
      co_return Performed::done(std::move(result));
    }
    co_await pause_for(look_again);
  }
}

awaitable<Performed> prove_writable(Engine& engine, std::string name, seconds timeout) {
  Exec request;
  request.machine = name;
  request.command = {"/bin/sh", "-c", std::string(write_script)};
  request.as_root = true;
  request.timeout = timeout;
  const auto wrote = co_await exec(engine, std::move(request));
  if (wrote.succeeded()) co_return Performed::done();
  if (!wrote.by_command()) co_return failure(wrote, "write inside the machine " + name);
  std::string reason = wrote.exit_code == not_writable ? "read_only" : "probe_failed";
  std::string message = "Nothing can be written to the root disk of " + name + ": " + wrote.error;
  json detail = {{"exit_code", wrote.exit_code}, {"output", wrote.error}};
  auto out = co_await broken(engine, name, std::move(reason), std::move(message), std::move(detail));
  co_return out;
}

// A machine runs on when its workload has ended. Where one ran before, one must run now.
awaitable<Performed> prove_workload(Engine& engine, const JobView& job, std::string name) {
  const json& before = at(job.fact(effect::record), "processes");
  if (!before.is_number_integer() || before == 0) co_return Performed::done();
  const auto counted = co_await count_processes(engine, name);
  if (counted.outcome != Outcome::done) co_return counted;
  if (at(counted.result, "processes") != 0) co_return Performed::done();
  std::string reason = "workload_gone";
  std::string message = "The machine " + name + " runs, but its workload has ended.";
  json detail = {{"processes_before", before}, {"processes", 0}};
  auto out = co_await broken(engine, name, std::move(reason), std::move(message), std::move(detail));
  co_return out;
}

awaitable<Performed> run_verify_command(Engine& engine, const JobView& job, seconds timeout) {
  Exec request;
  request.machine = job.new_machine();
  request.command = job.context.args.verify.exec;
  request.timeout = timeout;
  const auto ran = co_await exec(engine, std::move(request));
  const auto output = last_part(clean_text(ran.output + ran.error), output_kept);
  json result = {{"command", job.context.args.verify.exec}, {"exit_code", ran.exit_code}, {"output", output}};
  if (ran.succeeded()) co_return Performed::done(std::move(result));
  if (ran.reach == Reach::timeout || ran.reach == Reach::too_slow)
    co_return Performed::failed(Outcome::permanent, "exec_timeout", "verify.exec did not end in time.",
                                std::move(result));
  if (!ran.by_command()) co_return failure(ran, "run verify.exec");
  co_return Performed::failed(Outcome::permanent, "exec_failed",
                              "verify.exec ended with exit code " + std::to_string(ran.exit_code) + ".",
                              std::move(result));
}

}  // namespace

awaitable<Performed> perform_verify_new(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto& wanted = job.context.args.verify;
  const seconds stable(wanted.stable_s.value_or(engine.config.stable_s));
  const seconds timeout(wanted.timeout_s.value_or(engine.config.verify_timeout_s));
  auto out = co_await watch(engine, job.new_machine(), stable);
  if (out.outcome != Outcome::done) co_return out;
  const auto writable = co_await prove_writable(engine, job.new_machine(), timeout);
  if (writable.outcome != Outcome::done) co_return writable;
  const auto alive = co_await prove_workload(engine, job, job.new_machine());
  if (alive.outcome != Outcome::done) co_return alive;
  if (wanted.exec.empty()) co_return out;
  const auto ran = co_await run_verify_command(engine, job, timeout);
  if (ran.outcome != Outcome::done) co_return ran;
  out.result["exec"] = ran.result;
  // The command itself must not have taken the machine down.
  const auto again = co_await watch(engine, job.new_machine(), seconds(0));
  if (again.outcome != Outcome::done) co_return again;
  co_return out;
}

awaitable<Performed> perform_verify_old(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto name = job.old_machine();
  if (!job.was_running()) {
    const auto now = co_await look_at_rest(engine, name);
    if (now.rest == Rest::down) co_return Performed::done({{"machine", name}, {"state", state_of(now.machine)}});
    co_return Performed::failed(now.rest == Rest::unknown ? Outcome::unreachable : Outcome::permanent,
                                "rollback_unproven",
                                "The machine " + name + " is not stopped as it was: " + now.detail + ".",
                                {{"machine", name}, {"observed", now.detail}});
  }
  const seconds stable(engine.config.stable_s);
  const seconds timeout(engine.config.verify_timeout_s);
  auto out = co_await watch(engine, name, stable);
  if (out.outcome == Outcome::done) {
    const auto writable = co_await prove_writable(engine, name, timeout);
    if (writable.outcome != Outcome::done) out = writable;
  }
  if (out.outcome == Outcome::done) {
    const auto alive = co_await prove_workload(engine, job, name);
    if (alive.outcome != Outcome::done) out = alive;
  }
  if (out.outcome == Outcome::permanent) out.reason_code = "rollback_unproven";
  if (out.outcome == Outcome::done) out.result["machine"] = name;
  co_return out;
}

awaitable<Observed> observe_verify_new(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  const bool known = job.has_fact(effect::verify_new);
  co_return Observed{known ? World::present : World::absent, job.fact(effect::verify_new), {}};
}

awaitable<Observed> observe_verify_old(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  const bool known = job.has_fact(effect::verify_old);
  co_return Observed{known ? World::present : World::absent, job.fact(effect::verify_old), {}};
}

}  // namespace rebottle::worker::smolmachines
