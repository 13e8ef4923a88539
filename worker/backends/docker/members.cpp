// Who lives in whose namespaces. A member whose owner does not run could not be started again, on neither way: then
// the bottle is refused. Not here: what recreating one means (create_steps.cpp, switch_steps.cpp).
#include "worker/backends/docker/members.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/names.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::array<std::string_view, 3> namespace_modes = {"NetworkMode", "PidMode", "IpcMode"};
constexpr std::string_view mark = "container:";
constexpr std::size_t short_id_min = 12;

bool runs(const json& container) { return at(container, "State", "Running") == true; }

// "container:<id or name>" that means `container`.
bool refers_to(const json& mode, const json& container) {
  const auto value = text(mode);
  if (!value.starts_with(mark)) return false;
  const auto reference = value.substr(mark.size());
  return reference == container_name(container) ||
         (reference.size() >= short_id_min && text(at(container, "Id")).starts_with(reference));
}

const json* owner_of(const json& mode, const std::vector<const json*>& among) {
  const auto found = std::ranges::find_if(among, [&](const json* other) { return refers_to(mode, *other); });
  return found == among.end() ? nullptr : *found;
}

// Small numbers start first; a container without the label has 0.
int order_of(const json& container) {
  const auto value = text(at(at(container, "Config", "Labels"), label::order));
  int order = 0;
  std::from_chars(value.data(), value.data() + value.size(), order);
  return order;
}

Performed refused(const json& container, std::string message, json with) {
  return Performed::failed(Outcome::unsupported, "shared_namespace", std::move(message),
                           {{"container", container_name(container)}, {"shared", std::move(with)}});
}

// The agent and all that live in its namespaces, directly or through another.
std::vector<const json*> find_household(const json& agent, const std::vector<json>& others) {
  std::vector<const json*> household = {&agent};
  std::set<const json*> known;
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& other : others)
      for (const auto mode : namespace_modes)
        if (!known.contains(&other) && owner_of(at(other, "HostConfig", mode), household) != nullptr) {
          known.insert(&other);
          household.push_back(&other);
          grown = true;
        }
  }
  return household;
}

std::vector<Share> shares_of(const json& container, const json& agent, const std::vector<const json*>& household) {
  std::vector<Share> out;
  for (const auto mode : namespace_modes) {
    const json* const owner = owner_of(at(container, "HostConfig", mode), household);
    if (owner != nullptr) out.push_back({std::string(mode), owner == &agent ? "" : container_name(*owner)});
  }
  return out;
}

// Owners before those that live with them; among equals the label decides, then the name.
std::vector<Dependent> in_start_order(const json& agent, const std::vector<const json*>& household) {
  std::vector<const json*> waiting(household.begin() + 1, household.end());
  std::ranges::sort(waiting, {}, [](const json* one) { return std::pair(order_of(*one), container_name(*one)); });
  std::set<std::string> placed = {""};
  std::vector<Dependent> out;
  for (auto next = waiting.begin(); next != waiting.end();) {
    auto shares = shares_of(**next, agent, household);
    if (!std::ranges::all_of(shares, [&](const Share& share) { return placed.contains(share.owner); })) {
      ++next;
      continue;
    }
    placed.insert(container_name(**next));
    out.push_back({**next, std::move(shares)});
    waiting.erase(next);
    next = waiting.begin();
  }
  return out;
}

// What would keep `container` from being started again. `started` says whether it would be.
Performed judge_owners(const json& container, bool started, const std::vector<const json*>& everybody) {
  for (const auto mode : namespace_modes) {
    const auto value = text(at(container, "HostConfig", mode));
    if (!started || !value.starts_with(mark)) continue;
    const json* const owner = owner_of(value, everybody);
    const bool there = owner != nullptr;
    if (there && runs(*owner)) continue;
    const auto name = there ? container_name(*owner) : value.substr(mark.size());
    return refused(container,
                   "The container " + container_name(container) + " lives in a namespace of " + name + ", which " +
                       (there ? "does not run" : "is not there any more") + ": it could not be started again. Start " +
                       name + " first, or recreate both.",
                   json::array({{{"field", mode}, {"container", name}}}));
  }
  return Performed::done();
}

Performed judge_links(const json& member, const std::vector<json>& others) {
  for (const auto& other : others)
    for (const auto& link : at(other, "HostConfig", "Links"))  // "/agent:/other/alias"
      if (text(link).starts_with("/" + container_name(member) + ":"))
        return refused(member,
                       "The container " + container_name(other) + " is linked to " + container_name(member) +
                           ", and a legacy link does not follow a recreated container. Use a network instead.",
                       json::array({{{"field", "Links"}, {"container", container_name(other)}}}));
  return Performed::done();
}

Performed judge(const json& agent, const std::vector<json>& others, const std::vector<const json*>& household,
                const Members& found) {
  if (found.dependents.size() + 1 < household.size() || !shares_of(agent, agent, household).empty())
    return refused(agent,
                   "The container " + container_name(agent) +
                       " and others live in each other's namespaces: no order of starting them is possible.",
                   json::array());
  std::vector<const json*> everybody = household;
  for (const auto& other : others) everybody.push_back(&other);
  for (const json* const member : household) {
    auto owners = judge_owners(*member, member == &agent || runs(*member), everybody);
    if (owners.outcome != Outcome::done) return owners;
    auto links = judge_links(*member, others);
    if (links.outcome != Outcome::done) return links;
  }
  return Performed::done();
}

}  // namespace

Members find_members(const json& agent, const std::vector<json>& others, std::string_view side_label) {
  Members out;
  const auto household = find_household(agent, others);
  out.dependents = in_start_order(agent, household);
  const auto bottle = side_label.empty() ? std::string() : text(at(at(agent, "Config", "Labels"), side_label));
  for (const auto& other : others) {
    const bool recreated = std::ranges::find(household, &other) != household.end();
    if (!bottle.empty() && !recreated && text(at(at(other, "Config", "Labels"), side_label)) == bottle)
      out.sides.push_back(other);
  }
  out.refusal = judge(agent, others, household, out);
  return out;
}

}  // namespace rebottle::worker::docker
