// The plan follows from the same table and the same leftovers as the job itself, so the two cannot differ.
// Not here: the admission itself.
#include "worker/backends/smolmachines/plan.hpp"

#include "worker/backends/json_access.hpp"
#include "worker/backends/plan_lists.hpp"
#include "worker/backends/smolmachines/effect_table.hpp"
#include "worker/backends/smolmachines/leftovers.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {

awaitable<Plan> make_plan(Engine& engine, JobContext job) {
  job.facts = json::object();
  const JobView before(engine.config, job, engine.builder.get());
  auto admitted = co_await perform_admit(engine, before, Direction::forward);
  auto plan = plan_after(admitted);
  if (!plan.possible) co_return plan;
  job.facts[std::string(effect::admit)] = std::move(admitted.result);
  const JobView view(engine.config, job, engine.builder.get());
  list_effects(plan, [&view](State step) { return effects_of(view, step); });
  list_leftovers(plan, leftovers_of(view, State::succeeded), "success");
  list_leftovers(plan, leftovers_of(view, State::rolled_back), "a roll-back");
  plan.irreversible = {
      "what processes hold in memory is lost with the stop",
      "what is in /tmp, /run and /dev/shm is lost with the stop",
      "what the changed machine writes to mounts and attached disks stays after a roll-back",
  };
  if (view.makes_machine())
    plan.irreversible.push_back("the root disk and /workspace of " + view.old_machine() +
                                " stay behind in it, but for the kept paths");
  list_skipped_paths(plan, view.baseline());
  plan.detail = {{"machine", view.old_machine()},
                 {"new_machine", view.new_machine()},
                 {"running", view.was_running()},
                 {"paths_skipped", at(view.baseline(), "paths_skipped")}};
  co_return plan;
}

}  // namespace rebottle::worker::smolmachines
