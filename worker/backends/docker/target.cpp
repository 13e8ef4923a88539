// Finds the bottle's containers and judges whether they can be changed at all.
// Not here: what is asked of this job in particular (admission.cpp).
#include <algorithm>

#include "worker/backends/docker/admission.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

Performed stale(std::string reason, std::string message, json detail) {
  return Performed::failed(Outcome::stale, std::move(reason), std::move(message), std::move(detail));
}
Performed unsupported(std::string reason, std::string message, json detail) {
  return Performed::failed(Outcome::unsupported, std::move(reason), std::move(message), std::move(detail));
}

// Before anything is touched an engine that is not there is a refusal, not something to wait for.
Performed unasked(const Seen& seen, std::string_view doing) {
  auto out = failure(seen.reply, doing);
  if (out.outcome == Outcome::unreachable) {
    out.outcome = Outcome::unsupported;
    out.reason_code = "backend_absent";
  }
  return out;
}

bool has_name(const json& listed, const std::string& wanted) {
  return std::ranges::any_of(at(listed, "Names"), [&](const json& name) { return text(name) == "/" + wanted; });
}

// A listed container that a job put aside, or has not put in place yet: "x.new-K" with the label of job K, "x.prev-K"
// if K is a job of this service (what it replaced may be kept while later jobs change "x"), or if "x" carries K's
// label.
bool set_aside(const json& listed, const json& all, std::string_view own_key) {
  const auto name = at(listed, "Names").empty() ? std::string() : text(at(listed, "Names")[0]);
  for (const std::string_view mark : {".new-", ".prev-"}) {
    const auto found = name.rfind(mark);
    if (found == std::string::npos || found < 2) continue;
    const auto key = name.substr(found + mark.size());
    const auto original = name.substr(1, found - 1);
    if (mark == ".new-" && made_by(at(listed, "Labels"), key)) return true;
    if (mark == ".prev-" && key.starts_with(own_key.substr(0, own_key.rfind('-') + 1))) return true;
    if (mark == ".prev-" && std::ranges::any_of(all, [&](const json& other) {
          return has_name(other, original) && made_by(at(other, "Labels"), key);
        }))
      return true;
  }
  return false;
}

struct Found {
  std::string id;
  Performed refusal;
};

awaitable<Found> find_by_label(Engine& engine, const JobView& job) {
  Found found;
  const std::string label = engine.config.label + "=" + job.context.bottle;
  const auto listed = co_await list_containers(engine, label);
  if (!listed.here()) {
    found.refusal = unasked(listed, "list the containers");
    co_return found;
  }
  std::vector<std::string> ids;
  for (const auto& item : listed.doc)
    if (!set_aside(item, listed.doc, job.context.job_key)) ids.push_back(text(at(item, "Id")));
  if (ids.size() == 1) {
    found.id = ids.front();
    found.refusal = Performed::done();
  } else if (ids.empty()) {
    found.refusal =
        stale(std::string(bottle_not_found), "No container has the label " + label + ".", {{"label", label}});
  } else {
    found.refusal = stale("bottle_ambiguous", "More than one container has the label " + label + ".",
                          {{"label", label}, {"container_ids", ids}});
  }
  co_return found;
}

awaitable<Seen> see_target(Engine& engine, const JobView& job, Found& found) {
  found.refusal = Performed::done();
  found.id = job.old_id();
  if (found.id.empty() && engine.config.label.empty()) {
    auto seen = co_await see_container_named(engine, job.names.container);
    co_return seen;
  }
  if (found.id.empty()) {
    auto by_label = co_await find_by_label(engine, job);
    found = std::move(by_label);
  }
  auto seen = co_await see_container(engine, found.id);
  co_return seen;
}

// Only two states lead back to what was: running and not running.
Performed judge_state(const json& container) {
  const auto name = container_name(container);
  const auto status = text(at(container, "State", "Status"));
  if (status != "running" && status != "exited" && status != "created")
    return unsupported("target_state_unsupported",
                       "The container " + name + " is " + status + "; it can be changed while it runs or has exited.",
                       {{"container", name}, {"status", status}});
  if (at(container, "HostConfig", "AutoRemove") == true)
    return unsupported("target_state_unsupported",
                       "The container " + name +
                           " is removed by the engine when it stops (AutoRemove): no way back. Make it without --rm.",
                       {{"container", name}, {"fields", {"HostConfig.AutoRemove"}}});
  return Performed::done();
}

// All other containers of the engine but those that a job has put aside.
struct Others {
  std::vector<json> containers;
  Performed refusal;
};

awaitable<Others> see_others(Engine& engine, const JobView& job, std::string own_id) {
  Others out;
  out.refusal = Performed::done();
  std::string any_label;
  const auto listed = co_await list_containers(engine, any_label);
  if (!listed.here()) {
    out.refusal = unasked(listed, "list the containers");
    co_return out;
  }
  for (const auto& item : listed.doc) {
    const auto id = text(at(item, "Id"));
    if (id == own_id || set_aside(item, listed.doc, job.context.job_key)) continue;
    auto other = co_await see_container(engine, id);
    if (other.gone()) continue;
    if (!other.here()) {
      out.refusal = unasked(other, "inspect the other containers");
      co_return out;
    }
    out.containers.push_back(std::move(other.doc));
  }
  co_return out;
}

Performed judge_carried(const CarryOver& carried, const std::string& name) {
  if (carried.refused.empty()) return Performed::done();
  std::string fields;
  for (const auto& field : carried.refused) fields += (fields.empty() ? "" : "; ") + field;
  return unsupported("not_carried",
                     "Settings of the container " + name + " would be lost: " + fields + ". Make it without them.",
                     {{"container", name}, {"fields", carried.refused}});
}

// Everything about a container that is to be recreated, but for who shares with it.
awaitable<Performed> complete(Engine& engine, Target& target) {
  const auto state = judge_state(target.container);
  if (state.outcome != Outcome::done) co_return state;
  const auto name = container_name(target.container);
  const auto image_id = text(at(target.container, "Image"));
  auto image = co_await see_image(engine, image_id);
  if (image.unclear()) co_return unasked(image, "inspect the image of " + name);
  if (image.gone())
    co_return Performed::failed(Outcome::permanent, "image_absent",
                                "The image " + image_id + " of the container " + name + " is not there any more.",
                                {{"image_id", image_id}, {"container", name}});
  target.image = std::move(image.doc);
  target.carried = carry_over(target.container, target.image);
  // What another engine's document says that a Docker engine's cannot.
  for (const auto& field : at(at(target.container, "Podman"), "refused")) target.carried.refused.push_back(text(field));
  co_return judge_carried(target.carried, name);
}

}  // namespace

awaitable<bool> has_container(Engine& engine, std::string bottle) {
  if (engine.config.label.empty()) {
    const auto name = container_by_name(engine.config, bottle);
    if (!valid_container_name(name)) co_return false;
    const auto seen = co_await see_container_named(engine, name);
    co_return seen.here();
  }
  const std::string label = engine.config.label + "=" + bottle;
  const auto listed = co_await list_containers(engine, label);
  co_return listed.here() && !listed.doc.empty();
}

awaitable<TargetFound> find_target(Engine& engine, const JobView& job) {
  TargetFound out;
  if (engine.config.label.empty() && !valid_container_name(job.names.container)) {
    out.refusal = stale(std::string(bottle_not_found), "\"" + job.names.container + "\" can be no container's name.",
                        {{"container", job.names.container}});
    co_return out;
  }
  Found found;
  auto seen = co_await see_target(engine, job, found);
  out.refusal = found.refusal;
  if (out.refusal.outcome != Outcome::done) co_return out;
  if (seen.unclear()) out.refusal = unasked(seen, "inspect the container");
  if (seen.gone()) {
    out.refusal = stale(std::string(bottle_not_found), "There is no container " + job.names.container + ".",
                        {{"container", job.names.container}, {"container_id", job.old_id()}});
  }
  if (!seen.here()) co_return out;
  out.target.container = std::move(seen.doc);

  auto completed = co_await complete(engine, out.target);
  out.refusal = std::move(completed);
  if (out.refusal.outcome != Outcome::done) co_return out;

  auto own_id = text(at(out.target.container, "Id"));
  auto others = co_await see_others(engine, job, std::move(own_id));
  out.refusal = std::move(others.refusal);
  if (out.refusal.outcome != Outcome::done) co_return out;
  auto members = find_members(out.target.container, others.containers, engine.config.side_label);
  out.sides = std::move(members.sides);
  out.refusal = std::move(members.refusal);
  if (!engine.dialect().recreates_members && !members.dependents.empty())
    out.refusal =
        unsupported("shared_namespace",
                    "The container " + container_name(members.dependents.front().container) +
                        " shares a namespace of the agent's; on this engine it could not be recreated with it.",
                    {{"container", container_name(members.dependents.front().container)}});
  for (auto& dependent : members.dependents) {
    if (out.refusal.outcome != Outcome::done) co_return out;
    auto& target = out.dependents.emplace_back();
    target.container = std::move(dependent.container);
    target.shares = std::move(dependent.shares);
    auto one = co_await complete(engine, target);
    out.refusal = std::move(one);
  }
  co_return out;
}

}  // namespace rebottle::worker::docker
