// The proofs: that the changed container works, and after a roll-back that the old one is no worse than before.
// Not here: commands inside the container (exec.cpp).
#include <algorithm>
#include <set>

#include "worker/backends/docker/exec.hpp"
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr milliseconds look_again{200};

std::string health_of(const json& container) { return text(at(at(container, "State", "Health"), "Status")); }

json last_probe(const json& container) {
  const json& log = at(at(container, "State", "Health"), "Log");
  if (!log.is_array() || log.empty()) return nullptr;
  return {{"exit_code", at(log.back(), "ExitCode")},
          {"output", last_part(clean_text(text(at(log.back(), "Output"))), 1000)}};
}

awaitable<Performed> broken(Engine& engine, std::string reason, std::string message, json container) {
  const json& state = at(container, "State");
  json detail = {{"status", at(state, "Status")},
                 {"exit_code", at(state, "ExitCode")},
                 {"error", at(state, "Error")},
                 {"oom_killed", at(state, "OOMKilled")},
                 {"started_at", at(state, "StartedAt")},
                 {"finished_at", at(state, "FinishedAt")},
                 {"restart_count", at(container, "RestartCount")}};
  if (auto probe = last_probe(container); !probe.is_null()) detail["health_probe"] = std::move(probe);
  auto log = co_await last_log_lines(engine, std::move(container));
  detail["log"] = std::move(log);
  co_return Performed::failed(Outcome::permanent, std::move(reason), std::move(message), std::move(detail));
}

// One look at the changed container, against the first one.
struct Look {
  std::string reason;  // not empty: it is broken
  std::string message;
  bool healthy = false;
};

Look judge(const json& container, const std::string& wanted, const std::string& started_at, const json& restart_count) {
  const json& state = at(container, "State");
  const auto name = container_name(container);
  if (name != wanted) return {"renamed", "The changed container was renamed to " + name + " by someone else.", false};
  const bool restarted = at(container, "RestartCount") != restart_count || at(state, "Restarting") == true ||
                         text(at(state, "StartedAt")) != started_at;
  if (restarted) return {"exited", "The changed container " + name + " ended and was restarted.", false};
  if (at(state, "Running") != true)
    return {"exited", "The changed container " + name + " ended with exit code " + at(state, "ExitCode").dump() + ".",
            false};
  if (at(state, "Paused") == true) return {"paused", "The changed container " + name + " was paused.", false};
  const auto health = health_of(container);
  if (health == "unhealthy") return {"unhealthy", "The changed container " + name + " is unhealthy.", false};
  return {{}, {}, health.empty() || health == "none" || health == "healthy"};
}

// Looks again and again until the container has been stable and healthy for long enough. Result: {started_at, health}.
awaitable<Performed> wait_until_proved(Engine& engine, const JobView& job, Clock::time_point deadline, seconds stable) {
  const auto began = Clock::now();
  std::string started_at = text(at(job.fact(effect::start_new), "started_at"));
  json restart_count = at(job.fact(effect::start_new), "restart_count");
  while (true) {
    const auto own = co_await see_new(engine, job);
    if (!own.seen.here()) co_return own.wrong;
    const auto& container = own.seen.doc;
    if (started_at.empty()) {
      started_at = text(at(container, "State", "StartedAt"));
      restart_count = at(container, "RestartCount");
    }
    auto look = judge(container, job.names.container, started_at, restart_count);
    if (!look.reason.empty()) {
      auto out = co_await broken(engine, std::move(look.reason), std::move(look.message), container);
      co_return out;
    }
    if (look.healthy && Clock::now() - began >= stable) {
      const auto old = co_await see_container(engine, job.old_id());
      if (old.unclear()) co_return failure(old.reply, "inspect the old container");
      if (at(old.doc, "State", "Running") == true)
        co_return Performed::failed(Outcome::permanent, "other_one_runs",
                                    "Someone else has started the old container: two agents must not run at once.",
                                    {{"container_id", job.old_id()}});
      json result = {{"started_at", started_at}, {"health", health_of(container)}, {"stable_s", stable.count()}};
      co_return Performed::done(std::move(result));
    }
    if (Clock::now() >= deadline) {
      std::string reason = "not_healthy_in_time";
      std::string message = "The changed container did not become healthy in time.";
      auto out = co_await broken(engine, std::move(reason), std::move(message), container);
      co_return out;
    }
    co_await pause_for(look_again);
  }
}

awaitable<Performed> run_verify_command(Engine& engine, const JobView& job, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
  auto command = job.context.args.verify.exec;
  const auto ran = co_await run_in_container(engine, job.new_id(), std::move(command), std::max(left, look_again));
  if (ran.outcome != Outcome::done) co_return ran;
  if (at(ran.result, "exit_code") == 0) co_return ran;
  co_return Performed::failed(Outcome::permanent, "exec_failed",
                              "verify.exec ended with exit code " + at(ran.result, "exit_code").dump() + ".",
                              ran.result);
}

// What is worse than the baseline; empty: nothing.
json worse_than_before(const JobView& job, const json& container) {
  json out = json::array();
  const auto compare = [&out](std::string_view field, const json& before, const json& now) {
    if (before != now) out.push_back({{"field", field}, {"before", before}, {"now", now}});
  };
  const json& state = at(container, "State");
  compare("Name", job.names.container, container_name(container));
  compare("Running", job.was_running(), at(state, "Running") == true && at(state, "Restarting") != true);
  std::set<std::string> before;
  std::set<std::string> now;
  for (const auto& network : at(job.baseline(), "networks")) before.insert(text(at(network, "name")));
  for (const auto& [name, endpoint] : at(container, "NetworkSettings", "Networks").items()) now.insert(name);
  compare("networks", before, now);
  compare("restart policy", at(at(job.baseline(), "restart_policy"), "Name"),
          at(container, "HostConfig", "RestartPolicy").value("Name", json()));
  const auto health = health_of(container);
  if (text(at(job.baseline(), "health")) == "healthy") compare("health", "healthy", health);
  return out;
}

// Whether the undoing effects would find something to do. A container between two restarts is waited for.
bool mendable(const json& worse, const json& container) {
  return at(container, "State", "Restarting") != true && std::ranges::any_of(worse, [](const json& one) {
           const auto field = text(at(one, "field"));
           return field == "Name" || field == "Running" || field == "restart policy";
         });
}

}  // namespace

awaitable<Performed> perform_verify_new(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto& wanted = job.context.args.verify;
  const seconds stable(wanted.stable_s.value_or(engine.config.stable_s));
  const seconds timeout(wanted.timeout_s.value_or(engine.config.verify_timeout_s));
  const auto deadline = Clock::now() + stable + timeout;
  auto out = co_await wait_until_proved(engine, job, deadline, stable);
  if (out.outcome != Outcome::done || wanted.exec.empty()) co_return out;
  const auto ran = co_await run_verify_command(engine, job, deadline);
  if (ran.outcome != Outcome::done) co_return ran;
  out.result["exec"] = ran.result;
  // The command itself must not have taken the agent down.
  const auto again = co_await wait_until_proved(engine, job, deadline, seconds(0));
  if (again.outcome != Outcome::done) co_return again;
  co_return out;
}

awaitable<Performed> perform_verify_old(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto began = Clock::now();
  const auto deadline = began + seconds(engine.config.verify_timeout_s);
  const seconds stable(job.was_running() ? engine.config.stable_s : 0);
  while (true) {
    const auto old = co_await see_container(engine, job.old_id());
    if (!old.here()) co_return failure(old.reply, "inspect the old container");
    const auto worse = worse_than_before(job, old.doc);
    if (worse.empty() && Clock::now() - began >= stable) {
      json result = {{"container_id", job.old_id()},
                     {"started_at", at(old.doc, "State", "StartedAt")},
                     {"health", health_of(old.doc)}};
      co_return Performed::done(std::move(result));
    }
    // What a roll-back can mend is mended by another try of it: an engine that died may not have brought it up again.
    const bool mend = mendable(worse, old.doc);
    if (Clock::now() >= deadline || mend)
      co_return Performed::failed(mend ? Outcome::transient : Outcome::permanent, "rollback_unproven",
                                  "The old container is back, but not as it was.", {{"worse", worse}});
    co_await pause_for(look_again);
  }
}

awaitable<Observed> observe_recorded_verify_new(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  const bool known = job.has_fact(effect::verify_new);
  co_return Observed{known ? World::present : World::absent, job.fact(effect::verify_new), {}};
}

awaitable<Observed> observe_recorded_verify_old(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  const bool known = job.has_fact(effect::verify_old);
  co_return Observed{known ? World::present : World::absent, job.fact(effect::verify_old), {}};
}

}  // namespace rebottle::worker::docker
