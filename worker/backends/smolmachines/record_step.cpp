// The last look before the bottle is touched: drift ends the job, and all that was prepared is made durable.
// Not here: the baseline itself (admission.cpp).
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/steps.hpp"
#include "worker/backends/smolmachines/target.hpp"

namespace rebottle::worker::smolmachines {

awaitable<Performed> perform_record(Engine& engine, const JobView& job, Direction /*direction*/) {
  // The reading of paths that a run of the worker before this one began is let end.
  const bool idle = co_await engine.calls.idle(job.old_machine(), std::chrono::seconds(engine.config.exec_timeout_s));
  static_cast<void>(idle);  // find_target says so if it is not
  auto found = co_await find_target(engine, job);
  // The engine was there at the admission: now its silence is something to wait for.
  if (found.refusal.reason_code == "backend_absent") found.refusal.outcome = Outcome::unreachable;
  if (found.refusal.outcome != Outcome::done) co_return found.refusal;
  const json now = fingerprint(found.target.machine);
  const json& before = at(job.baseline(), "fingerprint");
  json diff = json::array();
  for (const auto& [field, value] : now.items())
    if (value != at(before, field)) diff.push_back({{"field", field}, {"before", at(before, field)}, {"now", value}});
  for (const auto& [field, value] : before.items())
    if (!now.contains(field)) diff.push_back({{"field", field}, {"before", value}, {"now", nullptr}});
  if (is_running(found.target.machine) != job.was_running())
    diff.push_back(
        {{"field", "state"}, {"before", at(job.baseline(), "state")}, {"now", at(found.target.machine, "state")}});
  if (!diff.empty())
    co_return Performed::failed(Outcome::stale, "drift",
                                "The machine " + job.old_machine() + " was changed by someone else meanwhile.",
                                {{"diff", diff}});
  // So that the new machine is known after a power cut, too.
  const auto durable = co_await sync_engine_files(engine);
  if (durable.outcome != Outcome::done) co_return durable;
  if (const auto directory = engine.config.work_dir.string(); !engine.calls.make_room(job.old_machine()))
    co_return Performed::failed(Outcome::transient, "work_dir_unusable",
                                "Calls on " + job.old_machine() + " cannot be recorded in " + directory +
                                    "; is there room, and may the service write there?",
                                {{"work_dir", directory}});
  json processes;
  if (job.was_running()) {
    const auto counted = co_await count_processes(engine, job.old_machine());
    if (counted.outcome != Outcome::done) co_return counted;
    processes = at(counted.result, "processes");
  }
  json result = {{"processes", processes},
                 {"last_exit", at(found.target.machine, "last_exit")},
                 {"pid", at(found.target.machine, "pid")}};
  co_return Performed::done(std::move(result));
}

// The step comes here again only after a wait: a freeze, a crash, a pause. A look from before it is too old to act on.
awaitable<Observed> observe_record(Engine& /*engine*/, const JobView& /*job*/, Direction /*direction*/) {
  co_return seen_as(World::absent);
}

}  // namespace rebottle::worker::smolmachines
