// The admission of an undo. Not here: the switch itself; it is that of every job (switch_steps.cpp).
#include "worker/backends/docker/admission.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

Performed stale(std::string reason, std::string message, json detail) {
  return Performed::failed(Outcome::stale, std::move(reason), std::move(message), std::move(detail));
}

// One member: `target` is what is in its place now, `member` its name, empty for the agent.
awaitable<Performed> judge_pair(Engine& engine, const JobView& job, const json& container, std::string member) {
  const auto name = container_name(container);
  const auto view = job.of(member);
  const auto made = text(at(at(job.context.undoes->facts, effect_name(effect::create_new, member)), "container_id"));
  if (text(at(container, "Id")) != made)
    co_return stale("drift", "The container " + name + " is not the one that the change put in place.",
                    {{"container", name}, {"expected", made}, {"found", at(container, "Id")}});
  const auto id = text(at(view.model(), "container_id"));
  const auto parked_as = names_of(job.context.bottle, name, job.context.undoes->job_key).parked;
  json detail = {{"container", parked_as}, {"container_id", id}};
  const auto parked = co_await see_container(engine, id);
  if (parked.unclear()) co_return failure(parked.reply, "inspect the container " + parked_as);
  if (parked.gone())
    co_return stale("nothing_parked", "What the change replaced is not there any more: " + parked_as + ".", detail);
  detail["name"] = container_name(parked.doc);
  if (container_name(parked.doc) != parked_as)
    co_return stale("parked_changed",
                    "What the change replaced was renamed by someone else: " + parked_as + " is called " +
                        container_name(parked.doc) + ".",
                    detail);
  if (at(parked.doc, "State", "Running") == true)
    co_return stale("parked_changed", "What the change replaced was started by someone else: " + parked_as + ".",
                    detail);
  for (const auto& network : at(view.model(), "networks")) {
    auto network_id = text(at(network, "id"));
    if (network_id.empty()) network_id = text(at(network, "name"));
    const auto seen = co_await see_network(engine, network_id);
    if (seen.unclear()) co_return failure(seen.reply, "inspect the networks");
    if (seen.gone())
      co_return stale("parked_changed",
                      "The network " + text(at(network, "name")) + " of " + parked_as + " is not there any more.",
                      detail);
  }
  co_return Performed::done();
}

}  // namespace

awaitable<Performed> judge_undo(Engine& engine, const JobView& job, const TargetFound& found) {
  const json& admitted = at(job.context.undoes->facts, effect::admit);
  if (at(admitted, "running") != true)
    co_return Performed::failed(
        Outcome::unsupported, "target_state_unsupported",
        "The agent did not run before the change, so that putting it back could not be proved.");
  json names = json::array();
  json names_now = json::array();
  for (const auto& member : at(admitted, "members")) names.push_back(at(member, "name"));
  for (const auto& dependent : found.dependents) names_now.push_back(container_name(dependent.container));
  if (names != names_now)
    co_return stale("drift", "The containers in the agent's namespaces are not those that the change put in place.",
                    {{"before", names}, {"now", names_now}});
  std::string agent;
  auto judged = co_await judge_pair(engine, job, found.target.container, std::move(agent));
  if (judged.outcome != Outcome::done) co_return judged;
  for (const auto& dependent : found.dependents) {
    auto member = container_name(dependent.container);
    auto one = co_await judge_pair(engine, job, dependent.container, std::move(member));
    if (one.outcome != Outcome::done) co_return one;
  }
  co_return Performed::done();
}

}  // namespace rebottle::worker::docker
