// The switch of one member and its way back: the old container is disarmed, stopped and parked, the new one takes its
// place and starts. Every undo is the mirror of its effect. Not here: their order (effect_table.cpp).
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

Observed present_if(bool there) { return seen_as(there ? World::present : World::absent); }

json no_restart() { return {{"Name", "no"}, {"MaximumRetryCount", 0}}; }

bool is_running(const json& container) {
  return at(container, "State", "Running") == true || at(container, "State", "Restarting") == true;
}

bool same_policy(const json& left, const json& right) {
  const auto name = [](const json& policy) {
    const auto value = text(at(policy, "Name"));
    return value.empty() ? std::string("no") : value;
  };
  const auto retries = [](const json& policy) {
    const json& value = at(policy, "MaximumRetryCount");
    return value.is_number() ? value.get<int>() : 0;
  };
  return name(left) == name(right) && retries(left) == retries(right);
}

// The old container is the user's own, known by its id alone.
struct OldContainer {
  Seen seen;
  Performed wrong;
  Observed observed;
};

awaitable<OldContainer> see_old(Engine& engine, const JobView& job) {
  OldContainer out;
  auto seen = co_await see_container(engine, job.old_id());
  out.seen = std::move(seen);
  if (out.seen.unclear()) {
    out.wrong = failure(out.seen.reply, "inspect the container " + job.names.container);
    out.observed = unclear(out.seen);
  } else if (out.seen.gone()) {
    const std::string message = "The old container " + job.old_id() + " is not there any more.";
    out.wrong = Performed::failed(Outcome::permanent, "container_gone", message, {{"container_id", job.old_id()}});
    out.observed = seen_as(World::foreign, message);
  }
  co_return out;
}

awaitable<Performed> set_restart_policy(Engine& engine, std::string id, json policy) {
  json body = {{"RestartPolicy", policy}};
  std::string target = "/containers/" + percent_encode(id) + "/update";
  const auto reply = co_await post_json(engine, std::move(target), std::move(body));
  if (!reply.succeeded()) co_return failure(reply, "set the restart policy of " + id);
  // An agent that nobody restarts, or a parked one that comes back, would be noticed only after the engine's next
  // start.
  const auto seen = co_await see_container(engine, id);
  if (!seen.here()) co_return failure(seen.reply, "inspect the container " + id);
  if (same_policy(at(seen.doc, "HostConfig", "RestartPolicy"), policy)) co_return Performed::done();
  co_return Performed::failed(Outcome::transient, "policy_not_set", "The engine did not set the restart policy.",
                              {{"container_id", id}});
}

// 304 says that it was so already.
awaitable<Performed> start(Engine& engine, std::string id) {
  std::string target = "/containers/" + percent_encode(id) + "/start";
  const auto reply = co_await post(engine, std::move(target));
  if (reply.succeeded() || reply.is(304)) co_return Performed::done();
  auto out = failure(reply, "start the container " + id);
  // 403: the address of a container that has just stopped is not free yet.
  if (reply.is(403)) out.outcome = Outcome::transient;
  const auto final_cause = engine.dialect().final_start_failures;
  const auto cause = text(at(json::parse(reply.body, nullptr, false), "cause"));
  if (!final_cause.empty() && cause.starts_with(final_cause)) out.outcome = Outcome::permanent;
  if (reply.answered()) out.reason_code = "start_failed";
  co_return out;
}

awaitable<Performed> stop(Engine& engine, std::string id, int timeout_s) {
  Call call;
  call.method = "POST";
  call.target = "/containers/" + percent_encode(id) + "/stop?t=" + std::to_string(timeout_s);
  call.deadline = std::chrono::seconds(timeout_s + engine.config.call_timeout_s);
  const auto reply = co_await engine.client.call(std::move(call));
  if (reply.succeeded() || reply.is(304)) co_return Performed::done();
  co_return failure(reply, "stop the container " + id);
}

awaitable<Performed> rename(Engine& engine, std::string id, std::string name) {
  std::string target = "/containers/" + percent_encode(id) + "/rename?name=" + percent_encode(name);
  const auto reply = co_await post(engine, std::move(target));
  if (!reply.succeeded()) co_return failure(reply, "rename the container " + id + " to " + name);
  json result = {{"container_id", id}, {"name", name}};
  co_return Performed::done(std::move(result));
}

int stop_timeout_s(const Engine& engine, const JobView& job) {
  if (job.context.args.limits.stop_timeout_s) return *job.context.args.limits.stop_timeout_s;
  const json& own = at(job.baseline(), "stop_timeout_s");
  const int seconds = own.is_number_integer() ? own.get<int>() : -1;
  return seconds >= 0 ? seconds : engine.config.stop_timeout_s;  // a negative one means: for ever
}

// Where a container stands that is to go from one name to another.
awaitable<Observed> observe_rename(Engine& engine, json container, std::string from, std::string to) {
  const auto name = container_name(container);
  if (name == to) {
    json result = {{"container_id", at(container, "Id")}, {"name", name}};
    co_return Observed{World::present, std::move(result), {}};
  }
  if (name != from) co_return seen_as(World::foreign, "the container is called " + name);
  const auto in_the_way = co_await see_container_named(engine, to);
  if (in_the_way.unclear()) co_return unclear(in_the_way);
  if (in_the_way.here())
    co_return seen_as(World::foreign, "the name " + to + " belongs to " + text(at(in_the_way.doc, "Id")));
  co_return seen_as(World::absent);
}

// The namespaces of a container that has ended cannot be joined: its end is the reason, not what the engine says.
awaitable<Performed> judge_owners(Engine& engine, const JobView& job) {
  for (const auto& share : at(job.baseline(), "shares")) {
    const auto owner = job.of(text(at(share, "owner")));
    const auto own = co_await see_new(engine, owner);
    if (!own.seen.here()) co_return own.wrong;
    const json& state = at(own.seen.doc, "State");
    const bool restarted = at(state, "Restarting") == true || at(own.seen.doc, "RestartCount") != 0;
    if (!job.is_started() || (at(state, "Running") == true && !restarted)) continue;
    std::string reason = "exited";
    auto message =
        "The container " + owner.names.container + " ended before " + job.names.container + " could join it.";
    auto out = co_await broken(engine, std::move(reason), std::move(message), own.seen.doc);
    co_return out;
  }
  co_return Performed::done();
}

Performed two_agents(const std::string& running) {
  return Performed::failed(Outcome::transient, "other_one_runs",
                           "The container " + running + " runs: the old and the new one must not run at once.",
                           {{"container_id", running}});
}

}  // namespace

// disarm: engines start a stopped container again after a restart of theirs, if its policy says "always".

awaitable<Observed> observe_disarm(Engine& engine, const JobView& job, Direction direction) {
  const auto old = co_await see_old(engine, job);
  if (!old.seen.here()) co_return old.observed;
  const json wanted = direction == Direction::forward ? no_restart() : at(job.baseline(), "restart_policy");
  co_return present_if(same_policy(at(old.seen.doc, "HostConfig", "RestartPolicy"), wanted));
}

awaitable<Performed> perform_disarm(Engine& engine, const JobView& job, Direction direction) {
  const auto old = co_await see_old(engine, job);
  if (!old.seen.here()) co_return old.wrong;
  json policy = direction == Direction::forward ? no_restart() : at(job.baseline(), "restart_policy");
  auto out = co_await set_restart_policy(engine, job.old_id(), std::move(policy));
  co_return out;
}

awaitable<Observed> observe_stop_old(Engine& engine, const JobView& job, Direction direction) {
  const auto old = co_await see_old(engine, job);
  if (!old.seen.here()) co_return old.observed;
  const bool running = is_running(old.seen.doc);
  if (direction == Direction::undo) co_return present_if(running == job.was_running());
  if (running) co_return seen_as(World::absent);
  json result = {{"exit_code", at(old.seen.doc, "State", "ExitCode")},
                 {"finished_at", at(old.seen.doc, "State", "FinishedAt")}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_stop_old(Engine& engine, const JobView& job, Direction direction) {
  const auto old = co_await see_old(engine, job);
  if (!old.seen.here()) co_return old.wrong;
  if (direction == Direction::undo && job.was_running()) {
    const auto changed = co_await see_container(engine, job.new_id());
    if (changed.here() && is_running(changed.doc)) co_return two_agents(job.new_id());
    auto out = co_await start(engine, job.old_id());
    co_return out;
  }
  const int timeout_s = stop_timeout_s(engine, job);
  const auto stopped = co_await stop(engine, job.old_id(), timeout_s);
  if (stopped.outcome != Outcome::done) co_return stopped;
  const auto observed = co_await observe_stop_old(engine, job, direction);
  if (observed.world == World::present) co_return Performed::done(observed.result);
  co_return Performed::failed(Outcome::transient, "still_running", "The container still runs after the stop.",
                              {{"container_id", job.old_id()}, {"observed", observed.detail}});
}

awaitable<Observed> observe_park_old(Engine& engine, const JobView& job, Direction direction) {
  const auto old = co_await see_old(engine, job);
  if (!old.seen.here()) co_return old.observed;
  // Back it goes to its own name, whatever it is called now: it is known by its id.
  const bool forward = direction == Direction::forward;
  auto from = forward ? job.names.container : container_name(old.seen.doc);
  auto to = forward ? job.names.parked : job.names.container;
  auto out = co_await observe_rename(engine, old.seen.doc, std::move(from), std::move(to));
  co_return out;
}

awaitable<Performed> perform_park_old(Engine& engine, const JobView& job, Direction direction) {
  const auto old = co_await see_old(engine, job);
  if (!old.seen.here()) co_return old.wrong;
  auto name = direction == Direction::forward ? job.names.parked : job.names.container;
  auto out = co_await rename(engine, job.old_id(), std::move(name));
  co_return out;
}

awaitable<Observed> observe_take_name(Engine& engine, const JobView& job, Direction direction) {
  const auto own = co_await see_new(engine, job);
  if (own.seen.unclear()) co_return unclear(own.seen);
  const bool forward = direction == Direction::forward;
  if (!own.seen.here() && own.wrong.reason_code == "container_gone" && !forward) co_return seen_as(World::present);
  if (!own.seen.here()) co_return seen_as(World::foreign, own.wrong.message);
  // Taken back is the name, not the other one's: any other will do.
  if (!forward && container_name(own.seen.doc) != job.names.container) co_return seen_as(World::present);
  auto from = forward ? job.names.created : job.names.container;
  auto to = forward ? job.names.container : job.names.created;
  auto out = co_await observe_rename(engine, own.seen.doc, std::move(from), std::move(to));
  co_return out;
}

awaitable<Performed> perform_take_name(Engine& engine, const JobView& job, Direction direction) {
  const auto own = co_await see_new(engine, job);
  if (!own.seen.here()) co_return own.wrong;
  auto name = direction == Direction::forward ? job.names.container : job.names.created;
  auto out = co_await rename(engine, job.new_id(), std::move(name));
  co_return out;
}

// start_new: the restart policy comes with it, since an engine revives even a never-started container with "always".

awaitable<Observed> observe_start_new(Engine& engine, const JobView& job, Direction direction) {
  const auto own = co_await see_new(engine, job);
  if (own.seen.unclear()) co_return unclear(own.seen);
  const bool gone = own.wrong.reason_code == "container_gone";
  if (!own.seen.here() && gone && direction == Direction::undo) co_return seen_as(World::present);
  if (!own.seen.here()) co_return seen_as(World::foreign, own.wrong.message);
  const json& policy = at(own.seen.doc, "HostConfig", "RestartPolicy");
  const bool running = is_running(own.seen.doc);
  const bool disarmed = !engine.dialect().updates_policy || same_policy(policy, no_restart());
  if (direction == Direction::undo) co_return present_if(!running && disarmed);
  const bool right_state = running || !job.is_started();
  if (!right_state || !same_policy(policy, at(job.model(), "restart_policy"))) co_return seen_as(World::absent);
  json result = {{"started_at", at(own.seen.doc, "State", "StartedAt")},
                 {"restart_count", at(own.seen.doc, "RestartCount")}};
  co_return Observed{World::present, std::move(result), {}};
}

namespace {

// An engine whose policies cannot be taken off may start a container again that had just ended by itself when it was
// told to stop: it is told until it has heard it.
awaitable<Performed> stop_for_good(Engine& engine, const JobView& job) {
  constexpr int tries = 50;
  constexpr milliseconds between{100};
  for (int i = 0; i < tries; ++i) {
    const int timeout_s = stop_timeout_s(engine, job);
    const auto stopped = co_await stop(engine, job.new_id(), timeout_s);
    if (engine.dialect().updates_policy) co_return stopped;
    const auto seen = co_await see_container(engine, job.new_id());
    if (seen.unclear()) co_return failure(seen.reply, "inspect the changed container");
    if (seen.gone() || !is_running(seen.doc)) co_return Performed::done();
    co_await pause_for(between);
  }
  co_return Performed::failed(Outcome::transient, "still_running", "The changed container is started again and again.",
                              {{"container_id", job.new_id()}});
}

}  // namespace

awaitable<Performed> perform_start_new(Engine& engine, const JobView& job, Direction direction) {
  const auto own = co_await see_new(engine, job);
  if (!own.seen.here()) co_return own.wrong;
  const bool forward = direction == Direction::forward;
  if (forward) {
    const auto old = co_await see_container(engine, job.old_id());
    if (old.unclear()) co_return failure(old.reply, "inspect the old container");
    if (old.here() && is_running(old.doc)) co_return two_agents(job.old_id());
    const auto owners = co_await judge_owners(engine, job);
    if (owners.outcome != Outcome::done) co_return owners;
  }
  if (!forward) {
    // Where there is no way back, the changed one is all that is left: it stays as it is.
    const auto old = co_await see_old(engine, job);
    if (!old.seen.here()) co_return old.wrong;
    // First the stop: the policy of a container that is between two crashes cannot be set.
    const auto stopped = co_await stop_for_good(engine, job);
    if (stopped.outcome != Outcome::done) co_return stopped;
  }
  if (engine.dialect().updates_policy) {
    json policy = forward ? at(job.model(), "restart_policy") : no_restart();
    const auto armed = co_await set_restart_policy(engine, job.new_id(), std::move(policy));
    if (armed.outcome != Outcome::done) co_return armed;
  }
  if (!forward || !job.is_started()) co_return Performed::done();
  auto out = co_await start(engine, job.new_id());
  if (out.outcome != Outcome::done) co_return out;
  const auto started = co_await see_container(engine, job.new_id());
  if (!started.here()) co_return failure(started.reply, "inspect the changed container");
  if (!has_been_started(started.doc))
    co_return Performed::failed(Outcome::transient, "not_started", "The engine did not start the container.",
                                {{"container_id", job.new_id()}});
  out.result = {{"started_at", at(started.doc, "State", "StartedAt")},
                {"restart_count", at(started.doc, "RestartCount")}};
  co_return out;
}

}  // namespace rebottle::worker::docker
