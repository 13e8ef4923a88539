// The plan follows from the same table and the same leftovers as the job itself, so the two cannot differ.
// Not here: the admission itself.
#include "worker/backends/docker/plan.hpp"

#include "worker/backends/docker/effect_table.hpp"
#include "worker/backends/docker/leftovers.hpp"
#include "worker/backends/plan_lists.hpp"

namespace rebottle::worker::docker {

awaitable<Plan> make_plan(Engine& engine, JobContext job) {
  job.facts = json::object();
  JobView before(engine.config, job);
  auto admitted = co_await perform_admit(engine, before, Direction::forward);
  auto plan = plan_after(admitted);
  if (!plan.possible) co_return plan;
  job.facts[std::string(effect::admit)] = std::move(admitted.result);
  const JobView view(engine.config, job);
  list_effects(plan, [&](State step) { return effects_of(engine, view, step); });
  const json members = view.undoes() ? json::array() : at(view.baseline(), "members");
  for (const auto& dependent : members)
    plan.changes.push_back("what " + text(at(dependent, "name")) +
                           " wrote outside of its volumes does not go over to the recreated one");
  list_leftovers(plan, leftovers_of(engine, view, State::succeeded), "success");
  list_leftovers(plan, leftovers_of(engine, view, State::rolled_back), "a roll-back");
  plan.irreversible = {
      "processes of the agent end with the stop; their memory is lost",
      "what is on tmpfs mounts is lost with the stop",
      "what the changed agent writes to volumes and bind mounts stays after a roll-back",
  };
  if (view.undoes())
    plan.irreversible.emplace_back("what the changed containers wrote outside of volumes is lost after success");
  list_skipped_paths(plan, view.baseline());
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
