// Finds and judges. Which machine is meant is said by our record, by labels and by the configured name, and all that
// speak must agree. Not here: settings (spec_source.cpp).
#include "worker/backends/smolmachines/target.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/host.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

Performed stale(std::string reason, std::string message, json detail) {
  return Performed::failed(Outcome::stale, std::move(reason), std::move(message), std::move(detail));
}
Performed unsupported(std::string reason, std::string message, json detail) {
  return Performed::failed(Outcome::unsupported, std::move(reason), std::move(message), std::move(detail));
}

const json& find(const json& rows, std::string_view name) {
  static const json null;
  for (const auto& row : rows)
    if (text(at(row, "name")) == name) return row;
  return null;
}

std::int64_t number_in(const std::string& digits) {
  std::int64_t out = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size() ? out : 0;
}

// A revision that no machine carries, by label or by name.
std::int64_t free_revision(const JobView& job, const json& rows, std::int64_t present) {
  std::int64_t rev = present;
  for (const auto& row : rows)
    if (is_ours(row, job.context.bottle) && !made_by(row, job.context.job_key))
      rev = std::max(rev, number_in(label_of(row, label::rev)));
  do ++rev;
  while (!find(rows, revision_name(job.base(), rev)).is_null());
  return rev;
}

json shown(const json& machine) {
  return {{"name", at(machine, "name")}, {"state", at(machine, "state")}, {"labels", at(machine, "labels")}};
}

Performed ambiguous(const JobView& job, const std::string& why, const json& first, const json& second) {
  return stale("bottle_ambiguous",
               "Which machine is the bottle " + job.context.bottle + " is not certain: " + why +
                   ". Stop or delete the one that is not, by the engine's own means.",
               {{"machines", {shown(first), shown(second)}}});
}

// The labels of a machine that we made, against what we recorded when we did.
Performed judge_record(const JobView& job, const json& machine) {
  const json& recorded = job.context.current;
  if (at(recorded, "made") != true) return Performed::done();
  const auto name = text(at(machine, "name"));
  const bool same = is_ours(machine, job.context.bottle) &&
                    label_of(machine, label::job) == text(at(recorded, "job")) &&
                    text(at(recorded, "spec_sha256")).starts_with(label_of(machine, label::spec));
  if (same) return Performed::done();
  return stale("bottle_ambiguous",
               "The machine " + name +
                   " does not carry the labels with which rebottle made it: it was made anew by "
                   "someone else.",
               {{"machine", shown(machine)}, {"recorded", recorded}});
}

// Only two states lead back to what was: running, and stopped in good order.
Performed judge_state(const json& machine) {
  const auto name = text(at(machine, "name"));
  const auto state = state_of(machine);
  if (state == "running" || state == "stopped" || state == "created") return Performed::done();
  // One late answer of a busy machine makes it unreachable, too.
  return Performed::failed(
      is_silent(machine) ? Outcome::transient : Outcome::unsupported, "target_state_unsupported",
      "The machine " + name + " is " + shortened(clean_text(state), 40) + "; bring it to running or stopped first.",
      {{"machine", name}, {"state", state}, {"state_reason", at(machine, "state_reason")}});
}

Performed judge_make(const json& machine, const json& rows) {
  const auto name = text(at(machine, "name"));
  const auto refuse = [&](std::string_view field, std::string_view why) {
    return unsupported("target_make_unsupported", "The machine " + name + " " + std::string(why) + ".",
                       {{"machine", name}, {"field", field}, {"value", at(machine, field)}});
  };
  if (text(at(machine, "restart_policy")) != "never")
    return refuse("restart_policy", "has a restart policy, which undoes a stop");
  if (at(machine, "ephemeral") == true) return refuse("ephemeral", "is removed when it stops: no way back");
  if (at(machine, "branchable") == true)
    return refuse("branchable", "is a source of branches, whose disks grow on its own");
  if (at(machine, "branchpoint_held") == true) return refuse("branchpoint_held", "holds a branch point");
  if (!at(machine, "parent_machine").is_null())
    return refuse("parent_machine", "is a branch, whose disks grow on those of another machine");
  if (!at(machine, "health_cmd").is_null())
    return refuse("health_cmd", "has a health check, which cannot be carried over");
  for (const auto& other : rows)
    if (text(at(other, "parent_machine")) == name)
      return refuse("name", "has the branch " + text(at(other, "name")) + ", whose disks grow on its own");
  return Performed::done();
}

}  // namespace

TargetFound choose_target(const JobView& job, const json& rows) {
  TargetFound out;
  const auto name = job.old_machine();
  if (!valid_machine_name(name)) {
    out.refusal =
        stale(std::string(bottle_not_found), "\"" + shortened(clean_text(name), 80) + "\" can be no machine's name.",
              {{"machine", clean_text(name)}});
    return out;
  }
  const json& machine = find(rows, name);
  json ours = json::array();
  for (const auto& row : rows)
    // What this very job has made is no candidate.
    if (is_ours(row, job.context.bottle) && text(at(row, "name")) != name && !made_by(row, job.context.job_key))
      ours.push_back(row);
  if (machine.is_null()) {
    json candidates = json::array();
    for (const auto& row : ours) candidates.push_back(shown(row));
    out.refusal = stale(std::string(bottle_not_found), "There is no machine " + name + ".",
                        {{"machine", name}, {"others_of_the_bottle", candidates}});
    return out;
  }
  for (const auto& row : ours) {
    const auto other = text(at(row, "name"));
    if (!is_down(row)) {
      out.refusal = ambiguous(job, other + " is " + state_of(row) + " beside " + name, machine, row);
      return out;
    }
    // Without a record a stopped machine beside another stopped one could be the one that was in use.
    if (at(job.context.current, "machine").is_null() && !is_running(machine)) {
      out.refusal =
          ambiguous(job, "both " + name + " and " + other + " are stopped, and nothing is recorded", machine, row);
      return out;
    }
  }
  out.refusal = judge_record(job, machine);
  if (out.refusal.outcome == Outcome::done) out.refusal = judge_state(machine);
  if (out.refusal.outcome == Outcome::done) out.refusal = judge_make(machine, rows);
  if (out.refusal.outcome != Outcome::done) return out;
  out.target.machine = machine;
  out.target.rev = is_ours(machine, job.context.bottle) ? number_in(label_of(machine, label::rev)) : 0;
  out.target.next_rev = free_revision(job, rows, out.target.rev);
  return out;
}

awaitable<TargetFound> find_target(Engine& engine, const JobView& job) {
  TargetFound out;
  out.refusal = judge_host(engine.config);
  if (out.refusal.outcome != Outcome::done) co_return out;
  if (const auto server = running_server(engine.config); server != 0) {
    out.refusal = unsupported("serve_running",
                              "`smolvm serve` runs on this state directory (pid " + std::to_string(server) +
                                  "): it restarts machines and sweeps their directories. Stop it first.",
                              {{"pid", server}, {"engine_state_dir", engine.config.engine_state_dir.string()}});
    co_return out;
  }
  const auto name = job.old_machine();
  const auto at_work = valid_machine_name(name) ? engine.calls.at_work(name) : std::string();
  if (!at_work.empty()) {
    out.refusal = Performed::failed(Outcome::unreachable, "call_at_work",
                                    "An earlier call still works on " + name + ": " + at_work + ".",
                                    {{"machine", name}, {"call", at_work}});
    co_return out;
  }
  const auto machines = co_await list_machines(engine);
  if (machines.answer.reach == Reach::timeout) {
    out.refusal = failure(machines.answer, "list the machines");
    co_return out;
  }
  if (!machines.known) {
    // Before anything is touched an engine that is not there is a refusal, not something to wait for.
    out.refusal = unsupported("backend_absent", "The engine does not list its machines: " + machines.answer.error,
                              {{"engine", engine.config.engine.string()}, {"answer", machines.answer.error}});
    co_return out;
  }
  out = choose_target(job, machines.rows);
  co_return out;
}

json fingerprint(const json& machine) {
  static constexpr std::array<std::string_view, 8> passing = {
      "state", "state_reason", "pid", "last_exit", "restart_count", "cpu_percent", "memory_used_mib", "uptime_secs"};
  json out = machine;
  for (const auto field : passing) out.erase(std::string(field));
  return out;
}

}  // namespace rebottle::worker::smolmachines
