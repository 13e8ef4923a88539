// The plan follows from the same table and the same leftovers as the job itself, so the two cannot differ.
// Not here: the admission itself.
#include "worker/backends/smolmachines/plan.hpp"

#include "worker/backends/json_access.hpp"
#include "worker/backends/plan_lists.hpp"
#include "worker/backends/smolmachines/effect_table.hpp"
#include "worker/backends/smolmachines/leftovers.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {
namespace {

std::vector<std::string> irreversible(const JobView& job) {
  std::vector<std::string> out = {
      "what processes hold in memory is lost with the stop",
      "what is in /tmp, /run and /dev/shm is lost with the stop",
      "what the changed machine writes to mounts and attached disks stays after a roll-back",
  };
  if (job.makes_machine())
    out.push_back("the root disk and /workspace of " + job.old_machine() +
                  " stay behind in it, but for the kept paths");
  for (const auto& skipped : at(job.baseline(), "paths_skipped"))
    out.push_back("snapshot path " + text(at(skipped, "path")) + " is not kept: " + text(at(skipped, "why")));
  return out;
}

}  // namespace

awaitable<Plan> make_plan(Engine& engine, JobContext job) {
  Plan plan;
  job.facts = json::object();
  const JobView before(engine.config, job);
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
  list_effects(plan, [&view](State step) { return effects_of(view, step); });
  if (view.makes_machine() && at(view.baseline(), "ours") != true)
    plan.changes.push_back("the machine " + view.old_machine() + " stays, stopped: rebottle did not make it");
  list_leftovers(plan, leftovers_of(view, State::succeeded), "success");
  list_leftovers(plan, leftovers_of(view, State::rolled_back), "a roll-back");
  plan.irreversible = irreversible(view);
  plan.detail = {{"machine", view.old_machine()},
                 {"new_machine", view.new_machine()},
                 {"running", view.was_running()},
                 {"paths_skipped", at(view.baseline(), "paths_skipped")}};
  co_return plan;
}

}  // namespace rebottle::worker::smolmachines
