// The comparisons, by the rows of the carry-over table. An engine spells some settings otherwise than they were
// given; only what means the same passes. Not here: asking the engine.
#include "worker/backends/docker/container_check.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>

#include "worker/backends/docker/carry_over.hpp"
#include "worker/backends/docker/carry_over_table.hpp"
#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

// "net_admin", "CAP_NET_ADMIN": the same.
std::set<std::string> capabilities(const json& list) {
  constexpr std::string_view prefix = "CAP_";
  std::set<std::string> out;
  for (const auto& item : list) {
    auto name = text(item);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    out.insert(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
  }
  return out;
}

bool no_limit(const json& value) { return is_default(value) || value == -1; }

// Everything that was asked for is there; there may be more.
bool holds(const json& got, const json& asked) {
  if (got == asked || (is_default(got) && is_default(asked))) return true;
  if (got.is_array() && asked.is_array())
    return std::ranges::all_of(asked, [&](const json& item) { return std::ranges::find(got, item) != got.end(); });
  if (!got.is_object() || !asked.is_object()) return false;
  const auto items = asked.items();
  return std::all_of(items.begin(), items.end(),
                     [&](const auto& item) { return holds(at(got, item.key()), item.value()); });
}

// Whether a field of HostConfig means the same in both.
bool same_setting(std::string_view field, const json& wanted, const json& got) {
  if (wanted == got || (is_default(wanted) && is_default(got))) return true;
  if (field == "CapAdd" || field == "CapDrop") return capabilities(wanted) == capabilities(got);
  if (field == "PidsLimit" || field == "MemorySwappiness") return no_limit(wanted) && no_limit(got);
  if (field == "LogConfig") return holds(got, wanted);
  // Made by an engine that did not know these yet: today's fills in its default, which separates no less.
  if (field == "CgroupnsMode" || field == "IpcMode" || field == "Runtime" || field == "Isolation")
    return is_default(wanted);
  return false;
}

json mounts_by_place(const json& container) {
  json out = json::object();
  for (const auto& mount : at(container, "Mounts")) {
    json& place = out[text(at(mount, "Destination"))] = json::object();
    for (const auto* const field : {"Type", "Name", "RW", "Propagation", "Driver"}) place[field] = at(mount, field);
    if (text(at(mount, "Type")) == "bind") place["Source"] = at(mount, "Source");
  }
  return out;
}

}  // namespace

json fingerprint(const json& container) {
  json out = json::object();
  const auto add = [&out](const std::string& path, const json& value) {
    if (!is_default(value)) out[path] = sha256_hex(value.dump()).substr(0, 16);
  };
  for (const auto* const section : {"Config", "HostConfig", "Podman"})
    for (const auto& [field, value] : at(container, section).items()) add(section + ("." + field), value);
  for (const auto& [name, endpoint] : at(container, "NetworkSettings", "Networks").items()) {
    // The id tells a network from another one of the same name that was made later.
    const std::string place = "Networks[" + name + "].";
    add(place + "NetworkID", at(endpoint, "NetworkID"));
    for (const auto& [field, value] : endpoint.items()) {
      const CarryRow* const row = carry_row("Endpoint." + field);
      const bool made_anew = field == "MacAddress" || (row != nullptr && row->carry == Carry::engine_made);
      if (!made_anew) add(place + field, value);
    }
  }
  for (const auto& mount : at(container, "Mounts")) {
    json settings = mount;
    settings.erase("Source");  // a volume's place on the host is the engine's own business
    if (text(at(mount, "Type")) == "bind") settings["Source"] = at(mount, "Source");
    add("Mounts[" + text(at(mount, "Destination")) + "]", settings);
  }
  return out;
}

std::vector<std::string> changed_fields(const json& before, const json& after) {
  std::set<std::string> out;
  for (const auto& [path, hash] : before.items())
    if (at(after, path) != hash) out.insert(path);
  for (const auto& [path, hash] : after.items())
    if (at(before, path) != hash) out.insert(path);
  return {out.begin(), out.end()};
}

std::vector<std::string> unfaithful_fields(const json& old_container, const json& body, const json& created) {
  std::vector<std::string> out;
  for (const auto& [field, wanted] : at(old_container, "HostConfig").items()) {
    const CarryRow* const row = carry_row("HostConfig." + field);
    const bool compared = row != nullptr && (row->carry == Carry::copied || field == "LogConfig");
    if (compared && !same_setting(field, wanted, at(created, "HostConfig", field)))
      out.push_back("HostConfig." + field);
  }
  for (const auto& [field, asked] : body.items())
    if (carry_row("Config." + field) != nullptr && !holds(at(created, "Config", field), asked))
      out.push_back("Config." + field);
  const json& networks = at(created, "NetworkSettings", "Networks");
  for (const auto& [name, asked] : at(body, "NetworkingConfig", "EndpointsConfig").items())
    if (!holds(at(networks, name), asked)) out.push_back("NetworkSettings.Networks[" + name + "]");
  const auto wanted_mounts = mounts_by_place(old_container);
  const auto mounted = mounts_by_place(created);
  for (const auto& [place, wanted] : wanted_mounts.items())
    if (at(mounted, place) != wanted) out.push_back("Mounts[" + place + "]");
  return out;
}

}  // namespace rebottle::worker::docker
