// The plan follows from the same table and the same leftovers as the job itself, so the two cannot differ.
// Not here: the admission itself.
#include "worker/backends/docker/plan.hpp"

#include <array>

#include "worker/backends/docker/effect_table.hpp"
#include "worker/backends/docker/leftovers.hpp"

namespace rebottle::worker::docker {
namespace {

// Things made come before the stop; everything after it changes what is there.
bool makes_something(const Effect& effect) { return effect.mutates && effect.step == State::prepare; }

std::string what_is_removed(const schema::Leftover& leftover, std::string_view when) {
  const auto reference = json::parse(leftover.reference, nullptr, false);
  std::string thing;
  for (const auto* const key : {"name", "tag", "directory", "mark"})
    if (reference.contains(key)) thing = text(reference[key]);
  std::string kind = leftover.kind;
  for (auto& c : kind)
    if (c == '_') c = ' ';
  return kind + " " + thing + ", " + std::string(when);
}

std::vector<std::string> irreversible(const JobView& job) {
  std::vector<std::string> out = {
      "processes of the agent end with the stop; their memory is lost",
      "what is on tmpfs mounts is lost with the stop",
      "what the changed agent writes to volumes and bind mounts stays after a roll-back",
  };
  for (const auto& skipped : at(job.baseline(), "paths_skipped"))
    out.push_back("snapshot path " + text(at(skipped, "path")) + " is not kept: " + text(at(skipped, "why")));
  return out;
}

}  // namespace

awaitable<Plan> make_plan(Engine& engine, JobContext job) {
  Plan plan;
  job.facts = json::object();
  JobView before(engine.config, job);
  auto admitted = co_await perform_admit(engine, before, Direction::forward);
  if (admitted.outcome != Outcome::done) {
    plan.reason_code = admitted.reason_code;
    plan.message = admitted.message;
    plan.detail = admitted.detail;
    co_return plan;
  }
  plan.possible = true;
  job.facts[std::string(effect::admit)] = std::move(admitted.result);
  const JobView view(engine.config, job);
  constexpr std::array steps = {State::prepare, State::snapshot, State::stop,
                                State::apply,   State::restart,  State::verify};
  for (const auto step : steps)
    for (const auto& effect : effects_of(engine, view, step)) {
      if (makes_something(effect)) plan.makes.push_back(effect.summary);
      if (effect.mutates && !makes_something(effect)) plan.changes.push_back(effect.summary);
    }
  for (const auto& dependent : at(view.baseline(), "members"))
    plan.changes.push_back("what " + text(at(dependent, "name")) +
                           " wrote outside of its volumes does not go over to the recreated one");
  for (const auto& leftover : leftovers_of(engine, view, State::succeeded)) {
    const auto kept_s = leftover.not_before / 1000;
    plan.removes.push_back(
        what_is_removed(leftover, kept_s > 0 ? std::to_string(kept_s) + " s after success" : "after success"));
  }
  for (const auto& leftover : leftovers_of(engine, view, State::rolled_back))
    plan.removes.push_back(what_is_removed(leftover, "after a roll-back"));
  plan.irreversible = irreversible(view);
  plan.detail = {{"container_id", view.old_id()},
                 {"image_id", view.old_image()},
                 {"running", view.was_running()},
                 {"networks", at(view.baseline(), "networks")},
                 {"members", at(view.baseline(), "members")},
                 {"sides", at(view.baseline(), "sides")},
                 {"paths", at(view.baseline(), "paths")},
                 {"paths_skipped", at(view.baseline(), "paths_skipped")}};
  co_return plan;
}

}  // namespace rebottle::worker::docker
