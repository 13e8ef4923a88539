// One table of fields that only change their name; the others have a function each. Not here: whether Podman made what
// it was told to (container_check.hpp, and for its own settings unfaithful_settings).
#include "worker/backends/docker/podman/spec.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>

#include "worker/backends/docker/carry_over.hpp"
#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/podman/inspect.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker::podman {
namespace {

struct Renamed {
  std::string_view section;  // of the body; empty: the body itself
  std::string_view field;
  std::string_view to;  // a JSON pointer
};

constexpr auto renamed = std::to_array<Renamed>({
    {"", "Image", "/image"},
    {"", "Cmd", "/command"},
    {"", "User", "/user"},
    {"", "WorkingDir", "/work_dir"},
    {"", "Labels", "/labels"},
    {"", "Hostname", "/hostname"},
    {"", "StopTimeout", "/stop_timeout"},
    {"", "Tty", "/terminal"},
    {"", "OpenStdin", "/stdin"},
    {"HostConfig", "CapAdd", "/cap_add"},
    {"HostConfig", "CapDrop", "/cap_drop"},
    {"HostConfig", "Dns", "/dns_server"},
    {"HostConfig", "DnsOptions", "/dns_option"},
    {"HostConfig", "DnsSearch", "/dns_search"},
    {"HostConfig", "ExtraHosts", "/hostadd"},
    {"HostConfig", "GroupAdd", "/groups"},
    {"HostConfig", "IpcMode", "/ipcns/nsmode"},
    {"HostConfig", "PidMode", "/pidns/nsmode"},
    {"HostConfig", "UTSMode", "/utsns/nsmode"},
    {"HostConfig", "OomScoreAdj", "/oom_score_adj"},
    {"HostConfig", "Privileged", "/privileged"},
    {"HostConfig", "ReadonlyRootfs", "/read_only_filesystem"},
    {"HostConfig", "ShmSize", "/shm_size"},
    {"HostConfig", "Init", "/init"},
    {"HostConfig", "CgroupParent", "/cgroup_parent"},
    {"HostConfig", "CpuShares", "/resource_limits/cpu/shares"},
    {"HostConfig", "CpuPeriod", "/resource_limits/cpu/period"},
    {"HostConfig", "CpuQuota", "/resource_limits/cpu/quota"},
    {"HostConfig", "CpuRealtimePeriod", "/resource_limits/cpu/realtimePeriod"},
    {"HostConfig", "CpuRealtimeRuntime", "/resource_limits/cpu/realtimeRuntime"},
    {"HostConfig", "CpusetCpus", "/resource_limits/cpu/cpus"},
    {"HostConfig", "CpusetMems", "/resource_limits/cpu/mems"},
    {"HostConfig", "Memory", "/resource_limits/memory/limit"},
    {"HostConfig", "MemoryReservation", "/resource_limits/memory/reservation"},
    {"HostConfig", "MemorySwap", "/resource_limits/memory/swap"},
    {"HostConfig", "OomKillDisable", "/resource_limits/memory/disableOOMKiller"},
    {"HostConfig", "PidsLimit", "/resource_limits/pids/limit"},
    {"HostConfig", "BlkioWeight", "/resource_limits/blockIO/weight"},
});

// Podman's own settings, by the names that its create takes.
constexpr auto own_settings = std::to_array<Renamed>({
    {"", "Umask", "/umask"},
    {"", "Timeout", "/timeout"},
    {"", "Passwd", "/passwd"},
    {"", "sdNotifyMode", "/sdnotifyMode"},
    {"", "Timezone", "/timezone"},
    {"", "Annotations", "/annotations"},
    {"", "OCIRuntime", "/oci_runtime"},
    {"", "CgroupMode", "/cgroupns/nsmode"},
});

json environment_of(const json& list) {
  json out = json::object();
  for (const auto& entry : list) {
    const auto value = text(entry);
    const auto equals = std::min(value.find('='), value.size());
    out[value.substr(0, equals)] = equals < value.size() ? value.substr(equals + 1) : std::string();
  }
  return out;
}

int number_of(std::string_view digits) {
  int number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

// "80/tcp" → 80 and "tcp".
std::pair<int, std::string> port_of(const std::string& text) {
  const auto slash = std::min(text.find('/'), text.size());
  const auto protocol = slash < text.size() ? text.substr(slash + 1) : std::string("tcp");
  return {number_of(text.substr(0, slash)), protocol};
}

json port_mappings(const json& bindings) {
  json out = json::array();
  for (const auto& [port, hosts] : bindings.items())
    for (const auto& host : hosts) {
      const auto [number, protocol] = port_of(port);
      out.push_back({{"container_port", number},
                     {"protocol", protocol},
                     {"host_ip", text(at(host, "HostIp"))},
                     {"host_port", number_of(text(at(host, "HostPort")))}});
    }
  return out;
}

// "1.5MB", as Podman writes a size, with powers of ten.
std::int64_t bytes_of(const std::string& size) {
  static constexpr std::array<std::string_view, 5> units = {"B", "kB", "MB", "GB", "TB"};
  std::size_t end = 0;
  double number = std::stod("0" + size, &end);
  const auto unit = size.substr(std::min(end - 1, size.size()));
  for (std::size_t i = 0; i < units.size(); ++i)
    if (unit == units[i]) return static_cast<std::int64_t>(std::llround(number * std::pow(1000.0, i)));
  return 0;
}

json log_of(const json& log) {
  json out = {{"driver", at(log, "Type")}};
  const json& config = at(log, "Config");
  if (config.contains("max-size")) out["size"] = bytes_of(text(config["max-size"]));
  if (config.contains("path")) out["path"] = config["path"];
  if (config.contains("tag")) out["options"] = {{"tag", config["tag"]}};
  return out;
}

json networks_of(const json& endpoints, const json& addresses) {
  json out = json::object();
  for (const auto& [name, endpoint] : endpoints.items()) {
    json& network = out[name] = json::object();
    if (endpoint.contains("Aliases")) network["aliases"] = endpoint["Aliases"];
    if (endpoint.contains("DriverOpts")) network["options"] = endpoint["DriverOpts"];
    for (const auto& [kind, address] : at(addresses, name).items()) {
      if (kind == "MacAddress")
        network["static_mac"] = address;
      else
        network["static_ips"].push_back(address);
    }
  }
  return out;
}

void add_mounts(const json& old_container, json& spec) {
  for (const auto& mount : at(old_container, "Mounts")) {
    json options = at(mount, "Options").is_array() ? at(mount, "Options") : json::array();
    options.push_back(at(mount, "RW") == true ? "rw" : "ro");
    // Mode: "z" or "Z", the label of SELinux.
    for (const auto* const field : {"Propagation", "Mode"})
      if (const auto option = text(at(mount, field)); !option.empty()) options.push_back(option);
    if (text(at(mount, "Type")) == "volume")
      spec["volumes"].push_back(
          {{"Name", at(mount, "Name")}, {"Dest", at(mount, "Destination")}, {"Options", std::move(options)}});
    else
      spec["mounts"].push_back({{"type", at(mount, "Type")},
                                {"source", at(mount, "Source")},
                                {"destination", at(mount, "Destination")},
                                {"options", std::move(options)}});
  }
}

void add_tmpfs(const json& tmpfs, json& spec) {
  for (const auto& [path, options] : tmpfs.items()) {
    json list = json::array();
    std::string option;
    for (const char c : text(options) + ",") {
      if (c != ',') {
        option += c;
      } else if (!option.empty()) {
        list.push_back(std::move(option));
        option.clear();
      }
    }
    spec["mounts"].push_back(
        {{"type", "tmpfs"}, {"source", "tmpfs"}, {"destination", path}, {"options", std::move(list)}});
  }
}

void add_host_config(const json& host, json& spec) {
  for (const auto& limit : at(host, "Ulimits")) {
    auto type = text(at(limit, "Name"));
    if (type.starts_with("RLIMIT_")) type.erase(0, std::string_view("RLIMIT_").size());
    spec["r_limits"].push_back({{"type", type}, {"hard", at(limit, "Hard")}, {"soft", at(limit, "Soft")}});
  }
  for (const auto& option : at(host, "SecurityOpt"))
    if (option == "no-new-privileges") spec["no_new_privileges"] = true;
  const json& swappiness = at(host, "MemorySwappiness");
  if (swappiness.is_number_integer() && swappiness >= 0) spec["resource_limits"]["memory"]["swappiness"] = swappiness;
  if (auto ports = port_mappings(at(host, "PortBindings")); !ports.empty()) spec["portmappings"] = std::move(ports);
  spec["log_configuration"] = log_of(at(host, "LogConfig"));
  add_tmpfs(at(host, "Tmpfs"), spec);
  const json& policy = at(host, "RestartPolicy");
  if (const auto name = text(at(policy, "Name")); !name.empty()) spec["restart_policy"] = name;
  if (!is_default(at(policy, "MaximumRetryCount"))) spec["restart_tries"] = policy["MaximumRetryCount"];
}

std::string mode_of(const json& host, const json& endpoints) {
  return endpoints.empty() ? text(at(host, "NetworkMode")) : "bridge";
}

void compare(const std::string& section, const json& before, const json& now, std::vector<std::string>& out) {
  for (const auto& [field, value] : before.items())
    if (at(now, field) != value) out.push_back(section + "." + field);
  for (const auto& [field, value] : now.items())
    if (!before.contains(field)) out.push_back(section + "." + field);
}

}  // namespace

json spec_of(const json& body, const json& old_container, const std::string& name) {
  json spec = {{"name", name}};
  const json& host = at(body, "HostConfig");
  const json& own = at(old_container, "Podman", "settings");
  const json& untold = at(old_container, "Podman", "untold");
  for (const auto& row : renamed) {
    const json& value = at(row.section.empty() ? body : host, row.field);
    // No time to stop is a setting, too: without one Podman gives ten seconds.
    const bool set = !is_default(value) || (row.field == "StopTimeout" && value.is_number());
    if (set) spec[json::json_pointer(std::string(row.to))] = value;
  }
  for (const auto& row : own_settings)
    if (!is_default(at(own, row.field))) spec[json::json_pointer(std::string(row.to))] = at(own, row.field);
  // One empty text takes the image's entrypoint away.
  if (body.contains("Entrypoint")) spec["entrypoint"] = body["Entrypoint"];
  // Podman does not merge: a health check is the image's, or given whole.
  if (body.contains("Healthcheck")) spec["healthconfig"] = at(old_container, "Config", "Healthcheck");
  if (body.contains("Env")) spec["env"] = environment_of(body["Env"]);
  if (const auto signal = text(at(body, "StopSignal")); !signal.empty()) spec["stop_signal"] = signal_number(signal);
  for (const auto& [port, value] : at(body, "ExposedPorts").items()) {
    const auto [number, protocol] = port_of(port);
    spec["expose"][std::to_string(number)] = protocol;
  }
  add_host_config(host, spec);
  add_mounts(old_container, spec);
  const json& endpoints = at(body, "NetworkingConfig", "EndpointsConfig");
  spec["netns"]["nsmode"] = mode_of(host, endpoints);
  if (!endpoints.empty()) spec["networks"] = networks_of(endpoints, at(untold, "addresses"));
  if (untold.contains("sysctls")) spec["sysctl"] = untold["sysctls"];
  for (const auto& device : at(untold, "devices")) spec["devices"].push_back({{"path", device}});
  spec["labels"][untold_label] = untold.dump();
  return spec;
}

std::vector<std::string> unfaithful_settings(const json& old_container, const json& created) {
  std::vector<std::string> out;
  compare("Podman", at(old_container, "Podman", "settings"), at(created, "Podman", "settings"), out);
  return out;
}

}  // namespace rebottle::worker::docker::podman
