// Stopping and starting, forward and back. One rule above all: of a bottle's machines at most one runs.
// Not here: the disks between a stop and a start (disk_steps.cpp).
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {
namespace {

Performed gone(const std::string& name) {
  return Performed::failed(Outcome::permanent, "machine_gone", "There is no machine " + name + " any more.",
                           {{"machine", name}});
}

}  // namespace

// The disks prove it, not the engine's answer: after a power cut it may refuse for ever to stop what does not run.
awaitable<Performed> bring_down(Engine& engine, std::string name, int timeout_s) {
  const auto stopped = co_await stop_machine(engine, name, timeout_s);
  const auto now = co_await look_at_rest(engine, name);
  if (now.rest == Rest::down) {
    const auto durable = co_await sync_engine_files(engine);
    if (durable.outcome != Outcome::done) co_return durable;
    co_return Performed::done({{"state", at(now.machine, "state")}});
  }
  if (now.rest == Rest::gone) co_return gone(name);
  if (!stopped.succeeded()) co_return failure(stopped, "stop the machine " + name);
  co_return Performed::failed(now.rest == Rest::unknown ? Outcome::unreachable : Outcome::transient, "still_running",
                              "The machine " + name + " still runs after the stop: " + now.detail + ".",
                              {{"machine", name}, {"observed", now.detail}});
}

awaitable<Performed> bring_up(Engine& engine, std::string name, std::string other) {
  if (other != name) {
    const auto beside = co_await look_at_rest(engine, other);
    if (beside.rest == Rest::running)
      co_return Performed::failed(
          Outcome::permanent, "two_agents",
          "Another machine of the bottle runs: " + beside.detail + "; two must not run at once.",
          {{"machine", name}, {"other", other}});
    if (beside.rest == Rest::unknown)
      co_return Performed::failed(Outcome::unreachable, "backend_unreachable",
                                  "Cannot tell whether " + other + " runs: " + beside.detail + ".",
                                  {{"machine", other}});
  }
  const auto started = co_await start_machine(engine, name);
  if (!started.succeeded()) co_return failure(started, "start the machine " + name);
  const auto machines = co_await list_beyond_silence(engine, name);
  const json& machine = machines.find(name);
  if (machines.known && is_running(machine))
    co_return Performed::done({{"pid", at(machine, "pid")}, {"last_exit", at(machine, "last_exit")}});
  co_return Performed::failed(machines.known ? Outcome::transient : Outcome::unreachable, "not_running",
                              "The machine " + name + " does not run after its start.",
                              {{"machine", name}, {"state", state_of(machine)}});
}

// Forward: down. Undo: as it was before us.
awaitable<Observed> observe_stop_old(Engine& engine, const JobView& job, Direction direction) {
  const auto now = co_await look_at_rest(engine, job.old_machine());
  if (now.rest == Rest::unknown) co_return seen_as(World::unknown, now.detail);
  if (now.rest == Rest::gone) co_return seen_as(World::foreign, now.detail);
  if (direction == Direction::undo) {
    const bool running = is_running(now.machine);
    co_return seen_as(running == job.was_running() ? World::present : World::absent);
  }
  if (now.rest == Rest::running) co_return seen_as(World::absent);
  json result = {{"state", at(now.machine, "state")}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_stop_old(Engine& engine, const JobView& job, Direction direction) {
  if (direction == Direction::undo && job.was_running()) {
    auto out = co_await bring_up(engine, job.old_machine(), job.new_machine());
    co_return out;
  }
  auto out = co_await bring_down(engine, job.old_machine(), job.stop_timeout_s());
  co_return out;
}

// The changed machine: another one beside the old, or the same one again.
awaitable<Observed> observe_start(Engine& engine, const JobView& job, Direction direction) {
  const auto now = co_await look_at_rest(engine, job.new_machine());
  if (now.rest == Rest::unknown) co_return seen_as(World::unknown, now.detail);
  if (direction == Direction::undo) co_return seen_as(now.rest == Rest::running ? World::absent : World::present);
  if (now.rest == Rest::gone) co_return seen_as(World::foreign, now.detail);
  if (!is_running(now.machine)) co_return seen_as(World::absent);
  json result = {{"pid", at(now.machine, "pid")}, {"last_exit", at(now.machine, "last_exit")}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_start(Engine& engine, const JobView& job, Direction direction) {
  if (direction == Direction::undo) {
    auto out = co_await bring_down(engine, job.new_machine(), job.stop_timeout_s());
    co_return out;
  }
  const auto now = co_await look_at_rest(engine, job.new_machine());
  // A virtual machine that the engine's table does not know would be killed by the start; a stop ends it in its way.
  if (now.rest == Rest::running && !is_running(now.machine)) {
    const auto cleared = co_await bring_down(engine, job.new_machine(), job.stop_timeout_s());
    if (cleared.outcome != Outcome::done) co_return cleared;
  }
  auto out = co_await bring_up(engine, job.new_machine(), job.old_machine());
  co_return out;
}

}  // namespace rebottle::worker::smolmachines
