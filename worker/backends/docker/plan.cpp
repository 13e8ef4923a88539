// The plan follows from the same table and the same leftovers as the job itself, so the two cannot differ.
// Not here: the admission itself.
#include "worker/backends/docker/plan.hpp"

#include "worker/backends/docker/effect_table.hpp"
#include "worker/backends/docker/leftovers.hpp"
#include "worker/backends/plan_lists.hpp"

namespace rebottle::worker::docker {
namespace {

std::vector<std::string> irreversible(const JobView& job) {
  std::vector<std::string> out = {
      "processes of the agent end with the stop; their memory is lost",
      "what is on tmpfs mounts is lost with the stop",
      "what the changed agent writes to volumes and bind mounts stays after a roll-back",
  };
  if (job.undoes()) out.emplace_back("what the changed containers wrote outside of volumes is lost after success");
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
  list_effects(plan, [&](State step) { return effects_of(engine, view, step); });
  const json members = view.undoes() ? json::array() : at(view.baseline(), "members");
  for (const auto& dependent : members)
    plan.changes.push_back("what " + text(at(dependent, "name")) +
                           " wrote outside of its volumes does not go over to the recreated one");
  list_leftovers(plan, leftovers_of(engine, view, State::succeeded), "success");
  list_leftovers(plan, leftovers_of(engine, view, State::rolled_back), "a roll-back");
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
