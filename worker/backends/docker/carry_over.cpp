// The carry-over, field by field of the table, and the fields that have a rule of their own.
// The merge that the engine does at creation (image's configuration under a person's) is undone here, so that a
// new image's own defaults take effect where nobody had set anything.
#include "worker/backends/docker/carry_over.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <set>
#include <string_view>

#include "worker/backends/docker/carry_over_table.hpp"
#include "worker/backends/docker/names.hpp"

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

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const auto part : parts) out += part;
  return out;
}

void refuse_lost(const std::string& path, const std::string& shown, const json& value,
                 std::vector<std::string>& refused);

void refuse_lost_below(const std::string& path, const std::string& shown, const json& value,
                       std::vector<std::string>& refused) {
  if (!has_rows_below(path)) return;
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i)
      refuse_lost_below(path + "[]", joined({shown, "[", std::to_string(i), "]"}), value[i], refused);
  } else if (value.is_object()) {
    const bool is_map = has_rows_below(path + ".*");
    for (const auto& [key, inner] : value.items()) {
      if (is_map)
        refuse_lost_below(path + ".*", joined({shown, "[", key, "]"}), inner, refused);
      else
        refuse_lost(joined({path, ".", key}), joined({shown, ".", key}), inner, refused);
    }
  }
}

// Names what is set in `value`, or below it, and would be lost: no row knows it, or its row refuses it.
void refuse_lost(const std::string& path, const std::string& shown, const json& value,
                 std::vector<std::string>& refused) {
  if (is_default(value)) return;
  const CarryRow* const row = carry_row(path);
  if (row != nullptr && row->carry != Carry::refused) return refuse_lost_below(path, shown, value, refused);
  const bool explained = row != nullptr && !row->why.empty();
  refused.push_back(shown + (explained ? ": " + std::string(row->why) : std::string()));
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
  // The image's command is missing only where a person gave the entrypoint, were it the image's own.
  const bool own_entrypoint = !is_default(entrypoint) && is_default(command) && !is_default(member(image, "Cmd"));
  if (!same_entrypoint || own_entrypoint) {
    // A list with one empty text takes the image's entrypoint away.
    body["Entrypoint"] = is_default(entrypoint) ? json::array({""}) : entrypoint;
    if (!is_default(command)) body["Cmd"] = command;
  } else if (!is_default(command) && command != member(image, "Cmd")) {
    body["Cmd"] = command;
  }
}

// One that a job puts on what it makes; every other one is a person's, whatever it begins with.
bool is_own_label(std::string_view name) {
  constexpr std::array own = {label::job, label::fence, label::step, label::bottle, label::build, label::change};
  return std::ranges::find(own, name) != own.end();
}

json without_inherited(const json& object, const json& inherited) {
  json out = json::object();
  for (const auto& [key, value] : object.items())
    if (member(inherited, key) != value && !is_own_label(key)) out[key] = value;
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
    const auto path = "Config." + field;
    const json& inherited = member(image_config, field);
    const CarryRow* const row = carry_row(path);
    const bool by_entry = row != nullptr && row->carry == Carry::image_list;
    const json own = by_entry ? without_inherited(value, inherited) : value == inherited ? json() : value;
    refuse_lost(path, path, own, out.refused);
    if (row == nullptr) continue;
    if (row->carry == Carry::copied && !value.is_null()) out.body[field] = value;
    const bool of_image = by_entry || row->carry == Carry::image_value;
    if (of_image && !is_default(own)) out.body[field] = own;
  }
  carry_command(config, image_config, out.body);
  carry_hostname(container, out.body);
  auto environment = own_environment(member(config, "Env"), member(image_config, "Env"));
  if (!environment.empty()) out.body["Env"] = std::move(environment);
}

// As the engine shows it in Mounts: without "//", "/./" and a slash at the end.
std::string clean_path(const std::string& path) {
  auto clean = std::filesystem::path(path).lexically_normal().string();
  if (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  return clean;
}

// A bind is "destination", "source:destination" or "source:destination:options".
std::string bind_destination(const std::string& bind) {
  const auto first = bind.find(':');
  if (first == std::string::npos) return bind;
  return bind.substr(first + 1, bind.find(':', first + 1) - first - 1);
}

// Binds and Mounts go over as they are; an anonymous volume would come back empty, so it gets its name. An engine that
// makes a container fills an empty volume from the image, content, owner and mode, under the hands of the agent that
// still runs: where the bind is ours, it is told not to.
class MountCarrier {
 public:
  MountCarrier(const json& container, const std::set<std::string>& empty_volumes, CarryOver& out)
      : container_(container), empty_volumes_(empty_volumes), out_(out) {}

  void carry() {
    const json& host_config = member(container_, "HostConfig");
    for (const auto& bind : strings_of(member(host_config, "Binds"))) carry_bind(bind);
    for (const auto& mount : member(host_config, "Mounts")) carry_mount(mount);
    for (const auto& mount : member(container_, "Mounts")) carry_unnamed(mount);
    json volumes = json::object();
    for (const auto& [path, value] : member(member(container_, "Config"), "Volumes").items())
      if (!covered_.contains(clean_path(path))) volumes[path] = value;
    if (!binds_.empty()) out_.body["HostConfig"]["Binds"] = std::move(binds_);
    if (!mounts_.empty()) out_.body["HostConfig"]["Mounts"] = std::move(mounts_);
    if (!volumes.empty()) out_.body["Volumes"] = std::move(volumes);
  }

 private:
  void carry_bind(const std::string& bind) {
    const auto destination = bind_destination(bind);
    covered_.insert(clean_path(destination));
    const bool anonymous = bind == destination;
    binds_.push_back(anonymous ? bind_by_name(destination, true) : bind);
  }

  std::string bind_by_name(const std::string& destination, bool writable) {
    std::string options = writable ? "" : ",ro";
    if (empty_volumes_.contains(clean_path(destination))) options += ",nocopy";
    if (!options.empty()) options.front() = ':';
    return volume_at(destination) + ":" + destination + options;
  }

  void carry_mount(json mount) {
    const auto target = text_of(member(mount, "Target"));
    covered_.insert(clean_path(target));
    const auto type = text_of(member(mount, "Type"));
    if (type == "volume" && is_default(member(mount, "Source"))) {
      mount["Source"] = volume_at(target);
      if (empty_volumes_.contains(clean_path(target))) mount["VolumeOptions"]["NoCopy"] = true;
    }
    if (type != "bind" && type != "volume" && type != "tmpfs")
      out_.refused.push_back("HostConfig.Mounts[" + std::to_string(mounts_.size()) + "].Type: " + type);
    mounts_.push_back(std::move(mount));
  }

  // A volume that the container has because its image, or "Volumes", asked for one.
  void carry_unnamed(const json& mount) {
    const auto destination = text_of(member(mount, "Destination"));
    if (text_of(member(mount, "Type")) != "volume" || !covered_.insert(clean_path(destination)).second) return;
    const bool writable = member(mount, "RW") == true;
    binds_.push_back(bind_by_name(destination, writable));
  }

  std::string volume_at(const std::string& destination) {
    const auto place = clean_path(destination);
    for (const auto& mount : member(container_, "Mounts"))
      if (text_of(member(mount, "Type")) == "volume" && clean_path(text_of(member(mount, "Destination"))) == place)
        if (auto name = text_of(member(mount, "Name")); !name.empty()) return name;
    out_.refused.push_back("Mounts[" + place + "]: the engine does not name its volume");
    return {};
  }

  const json& container_;
  const std::set<std::string>& empty_volumes_;
  CarryOver& out_;
  std::set<std::string> covered_;
  json binds_ = json::array();
  json mounts_ = json::array();
};

void carry_host_config(const json& container, CarryOver& out) {
  json& carried = out.body["HostConfig"] = json::object();
  for (const auto& [field, value] : member(container, "HostConfig").items()) {
    const auto path = "HostConfig." + field;
    refuse_lost(path, path, value, out.refused);
    const CarryRow* const row = carry_row(path);
    if (row != nullptr && row->carry == Carry::copied && !value.is_null()) carried[field] = value;
  }
  // Until it is started nothing may revive it: engines start even never-started containers with policy "always".
  carried["RestartPolicy"] = {{"Name", "no"}, {"MaximumRetryCount", 0}};
  carried["NetworkMode"] = member(member(container, "HostConfig"), "NetworkMode");
  const json& log = member(member(container, "HostConfig"), "LogConfig");
  if (!log.is_null()) carried["LogConfig"] = log;
  out.restart_policy = member(member(container, "HostConfig"), "RestartPolicy");
}

// Engines before 28 make one from the IPv4 address; later ones at random, which looks like a person's own.
bool is_made_from(const std::string& mac, const std::string& ipv4) {
  std::array<unsigned, 4> part{};
  if (std::sscanf(ipv4.c_str(), "%u.%u.%u.%u", &part[0], &part[1], &part[2], &part[3]) != 4) return false;
  std::array<char, 18> made{};
  std::snprintf(made.data(), made.size(), "02:42:%02x:%02x:%02x:%02x", part[0] & 255U, part[1] & 255U, part[2] & 255U,
                part[3] & 255U);
  return mac == made.data();
}

json endpoint_settings(const std::string& network, const json& endpoint, const json& container, CarryOver& out) {
  json settings = json::object();
  for (const auto& [field, value] : endpoint.items()) {
    const auto path = "Endpoint." + field;
    refuse_lost(path, joined({"NetworkSettings.Networks[", network, "].", field}), value, out.refused);
    const CarryRow* const row = carry_row(path);
    if (row != nullptr && row->carry == Carry::copied && !value.is_null()) settings[field] = value;
  }
  // The engine adds two of its own.
  const auto hostname = text_of(member(member(container, "Config"), "Hostname"));
  json aliases = json::array();
  for (const auto& alias : strings_of(member(endpoint, "Aliases")))
    if (alias != short_id(container) && alias != hostname) aliases.push_back(alias);
  if (!aliases.empty()) settings["Aliases"] = std::move(aliases);
  return settings;
}

void carry_networks(const json& container, CarryOver& out) {
  const json& networks = member(member(container, "NetworkSettings"), "Networks");
  const auto mode = text_of(member(member(container, "HostConfig"), "NetworkMode"));
  const std::string primary = mode == "default" || mode.empty() ? "bridge" : mode;
  const bool disabled = member(member(container, "Config"), "NetworkDisabled") == true;
  bool primary_found = primary == "none" || primary == "host" || disabled;
  for (const auto& [name, endpoint] : networks.items()) {
    if (name == "none" || name == "host") continue;
    const auto id = text_of(member(endpoint, "NetworkID"));
    auto settings = endpoint_settings(name, endpoint, container, out);
    // The mode may be a network's name, its id, or the start of its id.
    if (!primary_found && (name == primary || (primary.size() >= 12 && id.starts_with(primary)))) {
      primary_found = true;
      out.body["NetworkingConfig"]["EndpointsConfig"][name] = std::move(settings);
    } else {
      const auto mac = text_of(member(endpoint, "MacAddress"));
      if (!mac.empty() && !is_made_from(mac, text_of(member(endpoint, "IPAddress")))) settings["MacAddress"] = mac;
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

CarryOver carry_over(const json& container, const json& image, const std::set<std::string>& empty_volumes) {
  CarryOver out;
  carry_host_config(container, out);
  carry_config(container, member(image, "Config"), out);
  MountCarrier(container, empty_volumes, out).carry();
  carry_networks(container, out);
  return out;
}

}  // namespace rebottle::worker::docker
