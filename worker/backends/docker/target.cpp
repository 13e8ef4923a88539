// Finds the bottle's container and judges whether it can be changed at all.
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

// A listed container that a job of ours put aside, or has not put in place yet: "x.new-K" with the label of job K,
// or "x.prev-K" while "x" carries that label.
bool set_aside(const json& listed, const json& all) {
  const auto name = at(listed, "Names").empty() ? std::string() : text(at(listed, "Names")[0]);
  for (const std::string_view mark : {".new-", ".prev-"}) {
    const auto found = name.rfind(mark);
    if (found == std::string::npos || found < 2) continue;
    const auto key = name.substr(found + mark.size());
    const auto original = name.substr(1, found - 1);
    if (mark == ".new-" && made_by(at(listed, "Labels"), key)) return true;
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
    if (!set_aside(item, listed.doc)) ids.push_back(text(at(item, "Id")));
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
    return unsupported("target_state_unsupported", "The container " + name + " is " + status + ".",
                       {{"container", name}, {"status", status}});
  if (at(container, "HostConfig", "AutoRemove") == true)
    return unsupported("target_state_unsupported",
                       "The container " + name + " is removed by the engine when it stops (AutoRemove): no way back.",
                       {{"container", name}, {"fields", {"HostConfig.AutoRemove"}}});
  return Performed::done();
}

// "container:<id or name>" that means `container`.
bool refers_to(const json& mode, const json& container) {
  const auto value = text(mode);
  constexpr std::string_view mark = "container:";
  if (!value.starts_with(mark)) return false;
  const auto reference = value.substr(mark.size());
  const auto id = text(at(container, "Id"));
  return reference == container_name(container) || (reference.size() >= 12 && id.starts_with(reference));
}

constexpr std::array<std::string_view, 3> namespace_modes = {"NetworkMode", "PidMode", "IpcMode"};

Performed shared(const json& container, json with) {
  return unsupported("shared_namespace",
                     "The container " + container_name(container) +
                         " shares a namespace with another container; changing one of them would break the other.",
                     {{"container", container_name(container)}, {"shared", std::move(with)}});
}

awaitable<Performed> judge_namespaces(Engine& engine, json container) {
  json with = json::array();
  for (const auto mode : namespace_modes) {
    const auto value = text(at(container, "HostConfig", mode));
    if (value.starts_with("container:")) with.push_back({{"field", mode}, {"container", value.substr(10)}});
  }
  std::string any_label;
  const auto listed = co_await list_containers(engine, any_label);
  if (!listed.here()) co_return unasked(listed, "list the containers");
  for (const auto& item : listed.doc) {
    const auto id = text(at(item, "Id"));
    if (id == text(at(container, "Id"))) continue;
    const auto other = co_await see_container(engine, id);
    if (other.gone()) continue;
    if (!other.here()) co_return unasked(other, "inspect the other containers");
    for (const auto mode : namespace_modes)
      if (refers_to(at(other.doc, "HostConfig", mode), container))
        with.push_back({{"field", mode}, {"container", container_name(other.doc)}});
    // "/agent:/other/alias"
    for (const auto& link : at(other.doc, "HostConfig", "Links"))
      if (text(link).starts_with("/" + container_name(container) + ":"))
        with.push_back({{"field", "Links"}, {"container", container_name(other.doc)}});
  }
  co_return with.empty() ? Performed::done() : shared(container, std::move(with));
}

Performed judge_carried(const CarryOver& carried, const std::string& name) {
  if (carried.refused.empty()) return Performed::done();
  std::string fields;
  for (const auto& field : carried.refused) fields += (fields.empty() ? "" : "; ") + field;
  return unsupported("not_carried", "Settings of the container " + name + " would be lost: " + fields + ".",
                     {{"container", name}, {"fields", carried.refused}});
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

  out.refusal = judge_state(out.target.container);
  if (out.refusal.outcome != Outcome::done) co_return out;
  json container = out.target.container;
  auto alone = co_await judge_namespaces(engine, std::move(container));
  out.refusal = std::move(alone);
  if (out.refusal.outcome != Outcome::done) co_return out;

  const auto image_id = text(at(out.target.container, "Image"));
  auto image = co_await see_image(engine, image_id);
  if (image.unclear()) {
    out.refusal = unasked(image, "inspect the container's image");
  } else if (image.gone()) {
    out.refusal = Performed::failed(Outcome::permanent, "image_absent",
                                    "The image " + image_id + " of the container is not there any more.",
                                    {{"image_id", image_id}});
  }
  if (!image.here()) co_return out;
  out.target.image = std::move(image.doc);
  out.target.carried = carry_over(out.target.container, out.target.image);
  out.refusal = judge_carried(out.target.carried, container_name(out.target.container));
  co_return out;
}

}  // namespace rebottle::worker::docker
