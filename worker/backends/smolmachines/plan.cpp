// Asks the admission, then says what follows, each machine and file by its name. Not here: a second set of rules.
#include "worker/backends/smolmachines/plan.hpp"

#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/effect_table.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {
namespace {

constexpr std::array<std::string_view, 2> always_lost = {
    "what processes hold in memory", "/tmp, /run and /dev/shm, which are kept in memory and lost at every stop"};

void add_beside(Plan& plan, const JobView& job) {
  const auto old = job.old_machine();
  plan.makes.push_back("the image archive " + job.image_file(job.new_machine()).string());
  plan.makes.push_back("the settings " + job.spec_file(job.new_machine()).string());
  plan.makes.push_back("the machine " + job.new_machine() + ", with the settings of " + old);
  if (const json& paths = at(job.baseline(), "paths"); !paths.empty())
    plan.makes.push_back("the archive of " + std::to_string(paths.size()) + " paths in " + job.path_dir().string());
  plan.changes.push_back("the machine " + old + " is stopped, and stays as it is: nothing of its disks is lost");
  plan.changes.push_back("the machine " + job.new_machine() + " is the bottle from then on; mounts go over to it");
  if (at(job.baseline(), "ours") == true)
    plan.removes.push_back("the machine " + old + " and its settings, after success");
  else
    plan.changes.push_back("the machine " + old + " was not made by rebottle, so it is never removed by it");
  plan.removes.push_back("the machine " + job.new_machine() + " and its settings, if the change fails");
  plan.removes.push_back("the archive " + job.image_file(job.new_machine()).string() + ", at the end");
  if (!at(job.baseline(), "paths").empty())
    plan.removes.push_back("the directory " + job.path_dir().string() + ", at the end");
  plan.irreversible.push_back("in the changed machine: the old one's root disk and /workspace, but for the kept paths");
  for (const auto& skipped : at(job.baseline(), "paths_skipped"))
    plan.irreversible.push_back("snapshot path " + text(at(skipped, "path")) +
                                " is not kept: " + text(at(skipped, "why")));
}

void add_in_place(Plan& plan, const JobView& job) {
  const auto name = job.old_machine();
  plan.makes.push_back("copies of the disks of " + name + " in " + job.disk_dir().string());
  plan.makes.push_back("the marks " + job.mark_dir() + " inside the machine");
  plan.changes.push_back("the machine " + name + " is stopped, started again, and the commands are run in it as root");
  plan.removes.push_back("the directory " + job.disk_dir().string() + ", at the end");
  if (!job.context.args.snapshot.paths.empty())
    plan.changes.push_back("the snapshot's paths stay where they are: it is the same machine");
}

}  // namespace

awaitable<Plan> make_plan(Engine& engine, const JobContext& context) {
  JobContext planned = context;
  planned.facts = json::object();
  const JobView asking(engine.config, planned);
  auto admitted = co_await perform_admit(engine, asking, Direction::forward);
  Plan plan;
  if (admitted.outcome != Outcome::done) {
    plan.reason_code = admitted.reason_code;
    plan.message = admitted.message;
    plan.detail = admitted.detail;
    co_return plan;
  }
  planned.facts[std::string(effect::admit)] = std::move(admitted.result);
  const JobView job(engine.config, planned);
  plan.possible = true;
  if (job.makes_machine())
    add_beside(plan, job);
  else
    add_in_place(plan, job);
  for (const auto lost : always_lost) plan.irreversible.emplace_back(lost);
  plan.irreversible.emplace_back("what the changed machine writes to mounts and attached disks");
  plan.detail = {{"machine", job.old_machine()}, {"new_machine", job.new_machine()}};
  co_return plan;
}

}  // namespace rebottle::worker::smolmachines
