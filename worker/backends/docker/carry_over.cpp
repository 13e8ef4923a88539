// The carry-over, field by field of the table, and the fields that have a rule of their own.
// The merge that the engine does at creation (image's configuration under a person's) is undone here, so that a
// new image's own defaults take effect where nobody had set anything.
#include "worker/backends/docker/carry_over.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "worker/backends/docker/carry_over_table.hpp"
#include "worker/backends/docker/names.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

const json& member(const json& object, std::string_view name) {
  static const json null;
  if (!object.is_object()) return null;
  const auto found = object.find(std::string(name));
  return found == object.end() ? null : *found;
}

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }

std::string variable_of(const std::string& entry) { return entry.substr(0, entry.find('=')); }

std::vector<std::string> strings_of(const json& list) {
  std::vector<std::string> out;
  if (list.is_array())
    for (const auto& item : list) out.push_back(text_of(item));
  return out;
}

// The engine puts a person's entries first and the image's other variables after them, in the image's order. So the
// shortest front whose rest is exactly that is what a person set, even where it repeats the image's value. Where no
// rest is left, the order says nothing (another engine's, or every variable was set): then it goes entry by entry.
json own_environment(const json& container, const json& image) {
  const auto all = strings_of(container);
  const auto inherited = strings_of(image);
  for (std::size_t own = 0; own < all.size(); ++own) {
    std::set<std::string> set_by_person;
    for (std::size_t i = 0; i < own; ++i) set_by_person.insert(variable_of(all[i]));
    std::vector<std::string> rest;
    std::ranges::copy_if(inherited, std::back_inserter(rest),
                         [&](const std::string& entry) { return !set_by_person.contains(variable_of(entry)); });
    if (std::equal(all.begin() + static_cast<std::ptrdiff_t>(own), all.end(), rest.begin(), rest.end()))
      return std::vector<std::string>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(own));
  }
  json out = json::array();
  for (const auto& entry : all)
    if (std::ranges::find(inherited, entry) == inherited.end()) out.push_back(entry);
  return out;
}

// A command belongs to its entrypoint: with an entrypoint of a person's, the image's command was never used.
void carry_command(const json& config, const json& image, json& body) {
  const json& entrypoint = member(config, "Entrypoint");
  const json& image_entrypoint = member(image, "Entrypoint");
  const bool same_entrypoint =
      entrypoint == image_entrypoint || (is_default(entrypoint) && is_default(image_entrypoint));
  const json& command = member(config, "Cmd");
  if (!same_entrypoint) {
    // A list with one empty text takes the image's entrypoint away.
    body["Entrypoint"] = is_default(entrypoint) ? json::array({""}) : entrypoint;
    if (!is_default(command)) body["Cmd"] = command;
  } else if (!is_default(command) && command != member(image, "Cmd")) {
    body["Cmd"] = command;
  }
}

json without_inherited(const json& object, const json& inherited) {
  json out = json::object();
  for (const auto& [key, value] : object.items())
    if (member(inherited, key) != value && (!key.starts_with(label::prefix) || key == label::order)) out[key] = value;
  return out;
}

std::string short_id(const json& container) { return text_of(member(container, "Id")).substr(0, 12); }

void carry_hostname(const json& container, json& body) {
  const json& host_config = member(container, "HostConfig");
  const auto hostname = text_of(member(member(container, "Config"), "Hostname"));
  // Then the engine shows the owner's name, and refuses one.
  const bool of_other = text_of(member(host_config, "UTSMode")) == "host" ||
                        text_of(member(host_config, "NetworkMode")).starts_with("container:");
  if (!hostname.empty() && hostname != short_id(container) && !of_other) body["Hostname"] = hostname;
  if (of_other) body.erase("Domainname");
}

void carry_config(const json& container, const json& image_config, CarryOver& out) {
  const json& config = member(container, "Config");
  for (const auto& [field, value] : config.items()) {
    const CarryRow* const row = carry_row("Config", field);
    if (row == nullptr || row->carry == Carry::refused) {
      if (!is_default(value)) out.refused.push_back("Config." + field);
      continue;
    }
    if (value.is_null()) continue;
    if (row->carry == Carry::copied) out.body[field] = value;
    if (row->carry == Carry::image_value && value != member(image_config, field) && !is_default(value))
      out.body[field] = value;
    if (row->carry == Carry::image_list) {
      auto own = without_inherited(value, member(image_config, field));
      if (!own.empty()) out.body[field] = std::move(own);
    }
  }
  carry_command(config, image_config, out.body);
  carry_hostname(container, out.body);
  auto environment = own_environment(member(config, "Env"), member(image_config, "Env"));
  if (!environment.empty()) out.body["Env"] = std::move(environment);
}

// A bind is "destination", "source:destination" or "source:destination:options".
std::string bind_destination(const std::string& bind) {
  const auto first = bind.find(':');
  if (first == std::string::npos) return bind;
  return bind.substr(first + 1, bind.find(':', first + 1) - first - 1);
}

// The name of the volume that is mounted at `destination`; empty if it is none.
std::string volume_at(const json& container, const std::string& destination) {
  for (const auto& mount : member(container, "Mounts"))
    if (text_of(member(mount, "Type")) == "volume" && text_of(member(mount, "Destination")) == destination)
      return text_of(member(mount, "Name"));
  return {};
}

// Binds and Mounts go over as they are; an anonymous volume would come back empty, so it gets its name.
void carry_mounts(const json& container, CarryOver& out) {
  const json& host_config = member(container, "HostConfig");
  std::set<std::string> covered;
  json binds = json::array();
  for (const auto& bind : strings_of(member(host_config, "Binds"))) {
    const auto destination = bind_destination(bind);
    covered.insert(destination);
    const bool anonymous = bind == destination;
    binds.push_back(anonymous ? volume_at(container, destination) + ":" + destination : bind);
  }
  json mounts = json::array();
  for (auto mount : member(host_config, "Mounts")) {
    const auto target = text_of(member(mount, "Target"));
    covered.insert(target);
    if (text_of(member(mount, "Type")) == "volume" && is_default(member(mount, "Source")))
      mount["Source"] = volume_at(container, target);
    mounts.push_back(std::move(mount));
  }
  for (const auto& mount : member(container, "Mounts")) {
    const auto destination = text_of(member(mount, "Destination"));
    if (text_of(member(mount, "Type")) != "volume" || covered.contains(destination)) continue;
    covered.insert(destination);
    binds.push_back(text_of(member(mount, "Name")) + ":" + destination + (member(mount, "RW") == true ? "" : ":ro"));
  }
  if (!binds.empty()) out.body["HostConfig"]["Binds"] = std::move(binds);
  if (!mounts.empty()) out.body["HostConfig"]["Mounts"] = std::move(mounts);
  json volumes = json::object();
  for (const auto& [path, value] : member(member(container, "Config"), "Volumes").items())
    if (!covered.contains(path)) volumes[path] = value;
  if (!volumes.empty()) out.body["Volumes"] = std::move(volumes);
}

void carry_host_config(const json& container, CarryOver& out) {
  json& carried = out.body["HostConfig"] = json::object();
  for (const auto& [field, value] : member(container, "HostConfig").items()) {
    const CarryRow* const row = carry_row("HostConfig", field);
    if (row == nullptr || row->carry == Carry::refused) {
      if (is_default(value)) continue;
      const bool explained = row != nullptr && !row->why.empty();
      out.refused.push_back("HostConfig." + field + (explained ? ": " + std::string(row->why) : std::string()));
    } else if (row->carry == Carry::copied && !value.is_null()) {
      carried[field] = value;
    }
  }
  // Until it is started nothing may revive it: engines start even never-started containers with policy "always".
  carried["RestartPolicy"] = {{"Name", "no"}, {"MaximumRetryCount", 0}};
  carried["NetworkMode"] = member(member(container, "HostConfig"), "NetworkMode");
  out.restart_policy = member(member(container, "HostConfig"), "RestartPolicy");
}

json endpoint_settings(const std::string& network, const json& endpoint, const std::string& own_id, CarryOver& out) {
  const std::string place = "NetworkSettings.Networks[" + network + "].";
  json settings = json::object();
  for (const auto& [field, value] : endpoint.items()) {
    const CarryRow* const row = carry_row("Endpoint", field);
    if (row == nullptr || row->carry == Carry::refused) {
      if (!is_default(value)) out.refused.push_back(place + field);
    } else if (row->carry == Carry::copied && !value.is_null()) {
      settings[field] = value;
    }
  }
  json aliases = json::array();
  for (const auto& alias : strings_of(member(endpoint, "Aliases")))
    if (alias != own_id) aliases.push_back(alias);
  if (!aliases.empty()) settings["Aliases"] = std::move(aliases);
  return settings;
}

void carry_networks(const json& container, CarryOver& out) {
  const json& networks = member(member(container, "NetworkSettings"), "Networks");
  const auto mode = text_of(member(member(container, "HostConfig"), "NetworkMode"));
  const std::string primary = mode == "default" || mode.empty() ? "bridge" : mode;
  bool primary_found = primary == "none" || primary == "host";
  for (const auto& [name, endpoint] : networks.items()) {
    if (name == "none" || name == "host") continue;
    const auto id = text_of(member(endpoint, "NetworkID"));
    auto settings = endpoint_settings(name, endpoint, short_id(container), out);
    // The mode may be a network's name, its id, or the start of its id.
    if (!primary_found && (name == primary || (primary.size() >= 12 && id.starts_with(primary)))) {
      primary_found = true;
      out.body["NetworkingConfig"]["EndpointsConfig"][name] = std::move(settings);
    } else {
      out.further.push_back({name, id, std::move(settings)});
    }
  }
  if (!primary_found && !mode.starts_with("container:"))
    out.refused.push_back("HostConfig.NetworkMode: the container is not connected to " + primary + " any more");
}

}  // namespace

bool is_default(const json& value) {
  switch (value.type()) {
    case json::value_t::null: return true;
    case json::value_t::boolean: return !value.get<bool>();
    case json::value_t::string: return value.get_ref<const std::string&>().empty();
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float: return value == 0;
    case json::value_t::array: return std::ranges::all_of(value, is_default);
    case json::value_t::object: return value.empty();
    case json::value_t::binary:
    case json::value_t::discarded: return false;
  }
  return false;
}

CarryOver carry_over(const json& container, const json& image) {
  CarryOver out;
  carry_host_config(container, out);
  carry_config(container, member(image, "Config"), out);
  carry_mounts(container, out);
  carry_networks(container, out);
  return out;
}

json fingerprint(const json& container) {
  json out = json::object();
  const auto add = [&out](const std::string& path, const json& value) {
    if (!is_default(value)) out[path] = sha256_hex(value.dump()).substr(0, 16);
  };
  for (const auto* const section : {"Config", "HostConfig"})
    for (const auto& [field, value] : member(container, section).items()) add(section + ("." + field), value);
  for (const auto& [name, endpoint] : member(member(container, "NetworkSettings"), "Networks").items()) {
    // The id tells a network from another one of the same name that was made later.
    const std::string place = "Networks[" + name + "].";
    add(place + "NetworkID", member(endpoint, "NetworkID"));
    for (const auto& [field, value] : endpoint.items()) {
      const CarryRow* const row = carry_row("Endpoint", field);
      if (row == nullptr || row->carry != Carry::engine_made) add(place + field, value);
    }
  }
  for (const auto& mount : member(container, "Mounts")) {
    json settings = mount;
    settings.erase("Source");  // a volume's place on the host is the engine's own business
    if (text_of(member(mount, "Type")) == "bind") settings["Source"] = member(mount, "Source");
    add("Mounts[" + text_of(member(mount, "Destination")) + "]", settings);
  }
  return out;
}

std::vector<std::string> changed_fields(const json& before, const json& after) {
  std::set<std::string> out;
  for (const auto& [path, hash] : before.items())
    if (member(after, path) != hash) out.insert(path);
  for (const auto& [path, hash] : after.items())
    if (member(before, path) != hash) out.insert(path);
  return {out.begin(), out.end()};
}

std::vector<std::string> unfaithful_fields(const json& old_container, const json& created) {
  std::vector<std::string> out;
  const json& wanted = member(old_container, "HostConfig");
  const json& got = member(created, "HostConfig");
  for (const auto& [field, value] : wanted.items()) {
    const CarryRow* const row = carry_row("HostConfig", field);
    if (row == nullptr || row->carry != Carry::copied) continue;
    const json& other = member(got, field);
    if (other != value && !(is_default(other) && is_default(value))) out.push_back("HostConfig." + field);
  }
  return out;
}

}  // namespace rebottle::worker::docker
