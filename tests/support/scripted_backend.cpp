// The small world's rules. Not here: anything the engine decides.
#include "tests/support/scripted_backend.hpp"

#include <stdexcept>

namespace rebottle::test {

using statemachine::Outcome;
using statemachine::World;
using worker::awaitable;
using worker::Direction;
using worker::Effect;
using worker::JobContext;
using worker::Observed;
using worker::Performed;
using worker::State;

namespace {

Effect effect(std::string name, State step) {
  Effect made;
  made.summary = "the " + name + " of the script";
  made.name = std::move(name);
  made.step = step;
  return made;
}

std::vector<Effect> effects_of(State step) {
  switch (step) {
    case State::prepare: {
      auto admit = effect("admit", step);
      admit.mutates = false;
      auto build = effect("build", step);
      build.interruptible = true;
      return {admit, build, effect("create_new", step)};
    }
    case State::snapshot: return {effect("tag_old", step)};
    case State::stop: {
      auto stop = effect("stop_old", step);
      stop.undoable = true;
      stop.begins_downtime = true;
      return {stop};
    }
    case State::apply: {
      auto park = effect("park_old", step);
      park.undoable = true;
      auto place = effect("place_new", step);
      place.undoable = true;
      return {park, place};
    }
    case State::restart: {
      auto start = effect("start_new", step);
      start.undoable = true;
      start.ends_downtime = true;
      return {start};
    }
    case State::verify: {
      auto healthy = effect("healthy", step);
      healthy.mutates = false;
      healthy.interruptible = true;
      return {healthy};
    }
    case State::rollback: {
      auto runs = effect("old_runs", step);
      runs.mutates = false;
      return {runs};
    }
    default: return {};
  }
}

bool strikes_observation(Trouble trouble) {
  return trouble == Trouble::see_unknown || trouble == Trouble::see_foreign || trouble == Trouble::see_throws;
}

Performed failure(Outcome outcome, std::string_view word) {
  return Performed::failed(outcome, "scripted_" + std::string(word), "scripted: " + std::string(word),
                           {{"scripted", word}});
}

Performed not_found(const std::string& bottle) {
  return Performed::failed(Outcome::stale, std::string(worker::bottle_not_found), "scripted: no " + bottle);
}

struct Running {
  explicit Running(ScriptedWorld& w) : world(w) { world.running_max = std::max(world.running_max, ++world.running); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { --world.running; }
  ScriptedWorld& world;
};

}  // namespace

bool ScriptedWorld::holds(const std::string& bottle, const std::string& effect) const {
  const auto found = done.find(bottle);
  return found != done.end() && found->second.contains(effect);
}

std::string ScriptedWorld::inconsistency(const std::string& bottle, State state) const {
  std::string wrong;
  for (const auto* name : {"stop_old", "park_old", "place_new", "start_new"})
    if (holds(bottle, name) != (state == State::succeeded)) wrong += std::string(name) + " ";
  for (const auto& violation : violations) wrong += "[" + violation + "] ";
  for (const auto& [what, times] : times_done)
    if (times > 1 && what.starts_with(bottle + " ")) wrong += "[" + what + " " + std::to_string(times) + " times] ";
  return wrong;
}

std::optional<Trouble> ScriptedBackend::trouble(const std::string& effect, Direction direction, bool observing) {
  for (auto& fault : world_.faults) {
    if (fault.effect != effect || fault.direction != direction || strikes_observation(fault.trouble) != observing)
      continue;
    const int call = ++fault.seen;
    if (call >= fault.nth && call < fault.nth + fault.times) return fault.trouble;
  }
  return std::nullopt;
}

awaitable<std::vector<schema::Capability>> ScriptedBackend::probe() {
  ++world_.probes;
  if (world_.probe_throws) throw std::runtime_error("scripted: the probe throws");
  if (world_.probe_hangs) co_await hang(world_.probe_hangs);
  schema::Capability row;
  row.backend = name_;
  row.kind = schema::kind_capability_block;
  row.supported = world_.supported;
  row.version = "1.0";
  row.checked_at = 1;
  if (!world_.supported) {
    row.reason_code = world_.unsupported;
    row.message = "scripted: " + world_.unsupported;
    row.detail = R"({"missing":"everything"})";
  }
  co_return std::vector<schema::Capability>(1, row);
}

awaitable<bool> ScriptedBackend::has(std::string bottle) {
  world_.asked.push_back(bottle);
  if (world_.has_throws) throw std::runtime_error("scripted: has throws");
  if (world_.has_hangs) co_await hang(world_.has_hangs);
  co_return world_.has(bottle);
}

std::vector<Effect> ScriptedBackend::effects(const JobContext&, State step) const { return effects_of(step); }

awaitable<Observed> ScriptedBackend::observe(const JobContext& job, const Effect& effect, Direction direction) {
  const std::string verb = direction == Direction::undo ? " observe-undo " : " observe ";
  world_.observations.push_back(job.bottle + verb + effect.name);
  Observed seen;
  const auto present = trouble(effect.name, direction, true);
  if (present == Trouble::see_throws) throw std::runtime_error("scripted: observe throws");
  if (present == Trouble::see_unknown || present == Trouble::see_foreign) {
    seen.world = present == Trouble::see_unknown ? World::unknown : World::foreign;
    seen.detail = "scripted: " + std::string(to_string(seen.world));
    co_return seen;
  }
  const bool holds = effect.mutates && world_.holds(job.bottle, effect.name);
  const bool wanted = direction == Direction::forward ? holds : !holds;
  seen.world = wanted && (effect.mutates || direction == Direction::undo) ? World::present : World::absent;
  seen.result = {{"id", effect.name + "-id"}};
  co_return seen;
}

void ScriptedBackend::change(const JobContext& job, const Effect& effect, Direction direction) {
  if (!effect.mutates) return;
  auto& done = world_.done[job.bottle];
  const bool forward = direction == Direction::forward;
  if (done.contains(effect.name) == forward) world_.violations.push_back(effect.name + " was done twice");
  if (forward)
    done.insert(effect.name);
  else
    done.erase(effect.name);
  ++world_.times_done[job.bottle + " " + effect.name + " " + std::string(to_string(direction))];
  if (done.contains("start_new") && !done.contains("stop_old")) world_.violations.emplace_back("two agents run");
}

awaitable<void> ScriptedBackend::hang(const bool& held) {
  worker::SystemClock clock;
  while (held) co_await worker::wait(clock, world_.released, std::nullopt);
}

awaitable<Performed> ScriptedBackend::perform(const JobContext& job, const Effect& effect, Direction direction) {
  const Running running(world_);
  world_.calls.push_back(job.bottle + (direction == Direction::undo ? " undo " : " perform ") + effect.name);
  world_.currents[job.bottle] = job.current;
  auto& fence = world_.fences[job.bottle];
  if (job.fence < fence) world_.violations.push_back(effect.name + " was performed under an old fence");
  fence = std::max(fence, job.fence);
  if (effect.name == "admit" && !world_.has(job.bottle)) co_return not_found(job.bottle);
  const auto present = trouble(effect.name, direction, false);
  if (present == Trouble::transient) co_return failure(Outcome::transient, "transient");
  if (present == Trouble::unreachable) co_return failure(Outcome::unreachable, "unreachable");
  if (present == Trouble::permanent) co_return failure(Outcome::permanent, "permanent");
  if (present == Trouble::unknown) co_return failure(Outcome::unknown, "unknown");
  if (present == Trouble::unsupported) co_return failure(Outcome::unsupported, "unsupported");
  if (present == Trouble::stale) co_return failure(Outcome::stale, "stale");
  if (present == Trouble::throws) throw std::runtime_error("scripted: perform throws");
  if (present == Trouble::hangs) co_await hang(world_.hanging);
  if (effect.name == "build") job.print("scripted: " + job.bottle + " is built\n");
  change(job, effect, direction);
  if (present == Trouble::lost) co_return failure(Outcome::unknown, "lost");
  co_return Performed::done({{"id", effect.name + "-id"}});
}

std::vector<schema::Leftover> ScriptedBackend::leftovers(const JobContext& job, State end) const {
  schema::Leftover leftover;
  leftover.kind = end == State::succeeded ? "old" : "new";
  leftover.reference = worker::json{{"bottle", job.bottle}, {"key", job.job_key}}.dump();
  return {leftover};
}

awaitable<Performed> ScriptedBackend::remove(const schema::Leftover& leftover) {
  if (world_.remove_hangs) co_await hang(world_.remove_hangs);
  if (world_.remove_permanent) co_return failure(Outcome::permanent, "not_ours");
  if (world_.remove_failures > 0) {
    --world_.remove_failures;
    co_return failure(Outcome::transient, "busy");
  }
  world_.removed.push_back(leftover.kind);
  co_return Performed::done();
}

worker::json ScriptedBackend::current(const JobContext& job) const { return {{"container", job.bottle}}; }

awaitable<worker::Plan> ScriptedBackend::plan(const JobContext& job) {
  ++world_.plans;
  if (world_.plan_hangs) co_await hang(world_.plan_hangs);
  if (world_.plan_throws) throw std::runtime_error("scripted: the plan throws");
  worker::Plan plan;
  if (!world_.has(job.bottle)) {
    plan.reason_code = worker::bottle_not_found;
    co_return plan;
  }
  plan.possible = true;
  plan.makes.push_back("a new " + job.bottle);
  plan.irreversible.emplace_back("process memory");
  co_return plan;
}

}  // namespace rebottle::test
