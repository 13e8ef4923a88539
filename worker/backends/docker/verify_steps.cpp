// The proofs: that the changed bottle works, and after a roll-back that the old one is no worse than before.
// Not here: commands inside the container (exec.cpp).
#include <algorithm>
#include <map>
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

// Podman leaves health checks to timers of systemd, which not every host has: so they are asked for, as often as the
// container's own interval says.
class HealthChecks {
 public:
  awaitable<void> ask(Engine& engine, const json& container) {
    const json& check = at(container, "Config", "Healthcheck");
    const json& test = at(check, "Test");
    const bool there = test.is_array() && !test.empty() && test[0] != "NONE";
    auto& next = next_[text(at(container, "Id"))];
    if (engine.dialect().runs_health_checks || !there || Clock::now() < next) co_return;
    const auto duration = [&check](std::string_view field) {
      const json& value = at(check, field);
      return value.is_number_integer() ? std::chrono::nanoseconds(value.get<std::int64_t>()) : seconds(30);
    };
    Call call;
    call.method = "GET";
    call.target = "/libpod/containers/" + percent_encode(text(at(container, "Id"))) + "/healthcheck";
    call.deadline =
        seconds(engine.config.call_timeout_s) + std::chrono::duration_cast<milliseconds>(duration("Timeout"));
    // What it found stands in the container's document.
    [[maybe_unused]] const auto answer = co_await engine.client.call(std::move(call));
    next = Clock::now() + std::chrono::duration_cast<Clock::duration>(duration("Interval"));
  }

 private:
  std::map<std::string, Clock::time_point> next_;  // by container
};

// One look at a new container, against the first one.
struct Look {
  std::string reason;  // not empty: it is broken
  std::string message;
  bool healthy = false;
};

Look judge(const JobView& job, const json& container, const std::string& started_at, const json& restart_count) {
  const json& state = at(container, "State");
  const auto name = (job.undoes()     ? "The old container "
                     : job.is_agent() ? "The changed container "
                                      : "The recreated container ") +
                    container_name(container);
  if (container_name(container) != job.names.container)
    return {"renamed", name + " was renamed by someone else; it was " + job.names.container + ".", false};
  const bool restarted = at(container, "RestartCount") != restart_count || at(state, "Restarting") == true ||
                         text(at(state, "StartedAt")) != started_at;
  if (restarted) return {"exited", name + " ended and was restarted.", false};
  if (at(state, "Running") != true)
    return {"exited", name + " ended with exit code " + at(state, "ExitCode").dump() + ".", false};
  if (at(state, "Paused") == true) return {"paused", name + " was paused.", false};
  // An unchanged container need not be healthier than it was.
  if (job.is_unchanged() && text(at(job.model(), "health")) != "healthy") return {{}, {}, true};
  const auto health = health_of(container);
  if (health == "unhealthy") return {"unhealthy", name + " is unhealthy.", false};
  return {{}, {}, health.empty() || health == "none" || health == "healthy"};
}

// A new container that is watched, and how it looked first.
struct Watched {
  JobView job;
  std::string started_at;
  json restart_count;
  std::string health;
};

std::vector<Watched> all_started(const JobView& job) {
  std::vector<Watched> out;
  for (const auto& member : job.members()) {
    const auto view = job.of(member);
    if (!view.is_started()) continue;
    const json& started = view.own_fact(effect::start_new);
    out.push_back({view, text(at(started, "started_at")), at(started, "restart_count"), {}});
  }
  return out;
}

// Done with {healthy}; everything else: it is broken, or could not be asked.
awaitable<Performed> look_at(Engine& engine, Watched& watched, HealthChecks& checks) {
  const auto own = co_await see_new(engine, watched.job);
  if (!own.seen.here()) co_return own.wrong;
  const auto& container = own.seen.doc;
  if (watched.started_at.empty()) {
    watched.started_at = text(at(container, "State", "StartedAt"));
    watched.restart_count = at(container, "RestartCount");
  }
  watched.health = health_of(container);
  auto look = judge(watched.job, container, watched.started_at, watched.restart_count);
  if (!look.reason.empty()) {
    auto out = co_await broken(engine, std::move(look.reason), std::move(look.message), container);
    co_return out;
  }
  if (!look.healthy) co_await checks.ask(engine, container);
  json result = {{"healthy", look.healthy}};
  co_return Performed::done(std::move(result));
}

awaitable<Performed> not_healthy_in_time(Engine& engine, const Watched& watched) {
  const auto own = co_await see_new(engine, watched.job);
  if (!own.seen.here()) co_return own.wrong;
  std::string reason = "not_healthy_in_time";
  auto message = "The container " + watched.job.names.container + " did not become healthy in time.";
  auto out = co_await broken(engine, std::move(reason), std::move(message), own.seen.doc);
  co_return out;
}

// In what side containers are worse than in the baseline, as a list; empty: in nothing. One that was down before is
// no matter.
awaitable<Performed> worse_sides(Engine& engine, const JobView& job) {
  json out = json::array();
  for (const auto& side : at(job.baseline(), "sides")) {
    if (at(side, "running") != true) continue;
    const auto seen = co_await see_container(engine, text(at(side, "container_id")));
    if (seen.unclear()) co_return failure(seen.reply, "inspect the side container " + text(at(side, "name")));
    const json& state = at(seen.doc, "State");
    const bool runs = at(state, "Running") == true && at(state, "Restarting") != true && at(state, "Paused") != true;
    json worse = {{"container", at(side, "name")}, {"container_id", at(side, "container_id")}};
    if (!runs) {
      worse.update(
          {{"field", "Running"}, {"before", true}, {"now", seen.gone() ? json("removed") : at(state, "Status")}});
      out.push_back(std::move(worse));
    } else if (at(side, "health") == "healthy" && health_of(seen.doc) != "healthy") {
      worse.update({{"field", "health"}, {"before", "healthy"}, {"now", health_of(seen.doc)}});
      out.push_back(std::move(worse));
    }
  }
  co_return Performed::done(std::move(out));
}

Performed side_failed(const json& worse) {
  return Performed::failed(
      Outcome::permanent, "side_container_failed",
      "The side container " + text(at(worse.front(), "container")) + " worked before the change and does not any more.",
      {{"worse", worse}});
}

json result_of(const std::vector<Watched>& all, seconds stable) {
  json result = {{"started_at", all.front().started_at}, {"health", all.front().health}, {"stable_s", stable.count()}};
  for (const auto& one : all)
    if (!one.job.is_agent())
      result["members"][one.job.member] = {{"started_at", one.started_at}, {"health", one.health}};
  return result;
}

// Two agents must not run at once, whoever started the other one.
awaitable<Performed> no_old_one_runs(Engine& engine, const JobView& job) {
  const auto members = job.members();
  for (const auto& member : members) {
    const auto view = job.of(member);
    const auto old = co_await see_container(engine, view.old_id());
    if (old.unclear()) co_return failure(old.reply, "inspect the old container " + view.old_id());
    if (at(old.doc, "State", "Running") == true)
      co_return Performed::failed(Outcome::permanent, "other_one_runs",
                                  "Someone else has started the old container: two agents must not run at once.",
                                  {{"container_id", view.old_id()}});
  }
  co_return Performed::done();
}

// Looks again and again until all have been stable and healthy for long enough. Result: {started_at, health, …}.
awaitable<Performed> wait_until_proved(Engine& engine, const JobView& job, Clock::time_point deadline, seconds stable) {
  const auto began = Clock::now();
  auto all = all_started(job);
  HealthChecks checks;
  while (true) {
    const Watched* unhealthy = nullptr;
    for (auto& one : all) {
      auto look = co_await look_at(engine, one, checks);
      if (look.outcome != Outcome::done) co_return look;
      if (unhealthy == nullptr && look.result["healthy"] != true) unhealthy = &one;
    }
    auto sides = co_await worse_sides(engine, job);
    if (sides.outcome != Outcome::done) co_return sides;
    if (unhealthy == nullptr && sides.result.empty() && Clock::now() - began >= stable) {
      const auto alone = co_await no_old_one_runs(engine, job);
      if (alone.outcome != Outcome::done) co_return alone;
      auto result = result_of(all, stable);
      co_return Performed::done(std::move(result));
    }
    if (Clock::now() >= deadline && unhealthy != nullptr) {
      auto out = co_await not_healthy_in_time(engine, *unhealthy);
      co_return out;
    }
    if (Clock::now() >= deadline && !sides.result.empty()) co_return side_failed(sides.result);
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

// In what an old container is worse than in the baseline; empty: in nothing.
json worse_than_before(const JobView& job, const json& container) {
  json out = json::array();
  const auto compare = [&](std::string_view field, const json& before, const json& now) {
    if (before == now) return;
    out.push_back({{"container", job.names.container}, {"field", field}, {"before", before}, {"now", now}});
  };
  const json& state = at(container, "State");
  compare("Name", job.names.container, container_name(container));
  compare("Running", job.was_running(), at(state, "Running") == true && at(state, "Restarting") != true);
  compare("Paused", false, at(state, "Paused") == true);
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

// Done with what the agent is now and, in "worse", everything in which the bottle is not as it was, whether another
// try of the roll-back would mend some of it, and when and how often each was started.
awaitable<Performed> look_at_old_ones(Engine& engine, const JobView& job, HealthChecks& checks) {
  json result = json::object();
  json worse = json::array();
  json starts = json::array();
  bool mend = false;
  const auto members = job.members();
  for (const auto& member : members) {
    const auto view = job.of(member);
    const auto old = co_await see_container(engine, view.old_id());
    if (!old.here()) co_return failure(old.reply, "inspect the old container " + view.names.container);
    auto worse_here = worse_than_before(view, old.doc);
    if (mendable(worse_here, old.doc)) mend = true;
    if (!worse_here.empty()) co_await checks.ask(engine, old.doc);
    for (auto& one : worse_here) worse.push_back(std::move(one));
    starts.push_back({at(old.doc, "State", "StartedAt"), at(old.doc, "RestartCount")});
    if (view.is_agent())
      result = {{"container_id", view.old_id()},
                {"started_at", at(old.doc, "State", "StartedAt")},
                {"health", health_of(old.doc)}};
  }
  auto sides = co_await worse_sides(engine, job);
  if (sides.outcome != Outcome::done) co_return sides;
  for (auto& one : sides.result) worse.push_back(std::move(one));
  result["worse"] = std::move(worse);
  result["mendable"] = mend;
  result["starts"] = std::move(starts);
  co_return Performed::done(std::move(result));
}

}  // namespace

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

awaitable<Performed> perform_verify_new(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto& wanted = job.context.args.verify;
  const seconds stable(wanted.stable_s.value_or(engine.config.stable_s));
  const seconds timeout(wanted.timeout_s.value_or(engine.config.verify_timeout_s));
  const auto deadline = Clock::now() + stable + timeout;
  auto out = co_await wait_until_proved(engine, job, deadline, stable);
  // The command proves the change, which an undo takes back.
  if (out.outcome != Outcome::done || wanted.exec.empty() || job.undoes()) co_return out;
  const auto ran = co_await run_verify_command(engine, job, deadline);
  if (ran.outcome != Outcome::done) co_return ran;
  out.result["exec"] = ran.result;
  // The command itself must not have taken the agent down.
  const auto again = co_await wait_until_proved(engine, job, deadline, seconds(0));
  if (again.outcome != Outcome::done) co_return again;
  co_return out;
}

awaitable<Performed> perform_verify_old(Engine& engine, const JobView& job, Direction /*direction*/) {
  auto began = Clock::now();
  const auto deadline = began + seconds(engine.config.verify_timeout_s);
  const auto members = job.members();
  const bool ran = std::ranges::any_of(members, [&](const auto& member) { return job.of(member).was_running(); });
  const seconds stable(ran ? engine.config.stable_s : 0);
  HealthChecks checks;
  json starts;
  while (true) {
    auto seen = co_await look_at_old_ones(engine, job, checks);
    if (seen.outcome != Outcome::done) co_return seen;
    const json worse = at(seen.result, "worse");
    // One that is started again and again runs at each look.
    if (at(seen.result, "starts") != starts) {
      starts = seen.result["starts"];
      began = Clock::now();
    }
    if (worse.empty() && Clock::now() - began >= stable) {
      seen.result.erase("worse");
      seen.result.erase("mendable");
      seen.result.erase("starts");
      co_return seen;
    }
    // What a roll-back can mend is mended by another try of it: an engine that died may not have brought it up again.
    const bool mend = at(seen.result, "mendable") == true;
    if (Clock::now() >= deadline || mend)
      co_return Performed::failed(mend ? Outcome::transient : Outcome::permanent, "rollback_unproven",
                                  "The old container is back, but not all is as it was.", {{"worse", worse}});
    co_await pause_for(look_again);
  }
}

// What was proved must still be so: until the step's end the agent may die, and an engine or a host start again.
awaitable<Observed> observe_recorded_verify_new(Engine& engine, const JobView& job, Direction /*direction*/) {
  const json& proof = job.fact(effect::verify_new);
  if (!job.has_fact(effect::verify_new)) co_return Observed{World::absent, json::object(), {}};
  auto all = all_started(job);
  HealthChecks checks;
  for (auto& one : all) {
    const json& proved = one.job.is_agent() ? proof : at(proof, "members", one.job.member);
    if (one.started_at.empty()) one.started_at = text(at(proved, "started_at"));
    const auto look = co_await look_at(engine, one, checks);
    if (look.outcome == Outcome::permanent) co_return Observed{World::absent, json::object(), look.message};
    if (look.outcome != Outcome::done) co_return Observed{World::unknown, json::object(), look.message};
  }
  co_return Observed{World::present, proof, {}};
}

awaitable<Observed> observe_recorded_verify_old(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  const bool known = job.has_fact(effect::verify_old);
  co_return Observed{known ? World::present : World::absent, job.fact(effect::verify_old), {}};
}

}  // namespace rebottle::worker::docker
