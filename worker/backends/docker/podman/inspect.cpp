// Field by field. What is not named here and has a value that is no default is refused by name.
// Not here: what the command line tells (create_command.cpp).
#include "worker/backends/docker/podman/inspect.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/docker/carry_over.hpp"
#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/podman/create_command.hpp"

namespace rebottle::worker::docker::podman {
namespace {

using Names = std::vector<std::string_view>;

constexpr std::array<std::string_view, 4> own_annotations = {
    "io.container.manager", "io.kubernetes.cri-o.", "io.podman.annotations.", "org.opencontainers.image.stopSignal"};

constexpr auto signals = std::to_array<std::string_view>(
    {"",          "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
     "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
     "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
     "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"});

bool contains(const Names& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

class Translation {
 public:
  explicit Translation(const json& libpod) : from_(libpod) {}

  json take() {
    take_whole();
    take_state();
    read_untold();
    take_config();
    take_host_config();
    take_networks();
    out_["Podman"] = {{"settings", settings_}, {"untold", untold_}, {"refused", refused_}};
    return std::move(out_);
  }

 private:
  void refuse(const std::string& what) { refused_.push_back(what); }

  // Copies `copied`, leaves `read` to the rest of this class, and refuses every other field that says something.
  void section(std::string_view name, const Names& copied, const Names& read, json& to) {
    for (const auto& [field, value] : at(from_, name).items()) {
      if (contains(copied, field))
        to[field] = value;
      else if (!contains(read, field) && !is_default(value))
        refuse(std::string(name) + "." + field);
    }
  }

  void take_whole() {
    for (const auto* const field : {"Id", "Created", "RestartCount", "Path", "Args", "Driver", "GraphDriver"})
      out_[field] = at(from_, field);
    out_["Image"] = "sha256:" + text(at(from_, "Image"));
    out_["Name"] = "/" + text(at(from_, "Name"));
    out_["SizeRw"] = at(from_, "SizeRw");
    take_mounts();
    for (const auto* const field : {"Pod", "Rootfs", "Namespace"})
      if (!is_default(at(from_, field))) refuse(std::string(field) + ": part of a pod, or not made from an image");
    for (const auto* const field : {"IsInfra", "IsService"})
      if (!is_default(at(from_, field))) refuse(field);
    settings_["OCIRuntime"] = at(from_, "OCIRuntime");
    settings_["BoundingCaps"] = at(from_, "BoundingCaps");
    settings_["AppArmorProfile"] = at(from_, "AppArmorProfile");
  }

  void take_mounts() {
    const Names known = {"Type", "Name", "Source", "Destination", "Driver", "Mode", "Options", "RW", "Propagation"};
    json& mounts = out_["Mounts"] = at(from_, "Mounts").is_array() ? at(from_, "Mounts") : json::array();
    for (const auto& mount : mounts)
      for (const auto& [field, value] : mount.items())
        if (!contains(known, field) && !is_default(value))
          refuse("Mounts[" + text(at(mount, "Destination")) + "]." + field);
  }

  // Until Podman has cleaned up after the end of the process ("exited"), its restart policy may start it again.
  void take_state() {
    json& state = out_["State"] = at(from_, "State");
    const auto status = text(at(state, "Status"));
    if (status == "stopped") {
      state["Restarting"] = !no_policy();
      state["Status"] = no_policy() ? "exited" : "restarting";
    }
    if (status == "configured" || status == "initialized") state["Status"] = "created";
  }

  bool no_policy() const {
    const auto name = text(at(at(from_, "HostConfig", "RestartPolicy"), "Name"));
    return name.empty() || name == "no";
  }

  void read_untold() {
    const json& labels = at(from_, "Config", "Labels");
    if (labels.contains("PODMAN_SYSTEMD_UNIT"))
      refuse("Config.Labels[PODMAN_SYSTEMD_UNIT]: a unit of systemd keeps this container and would undo the change");
    if (labels.contains(untold_label)) {
      untold_ = json::parse(text(labels[untold_label]), nullptr, false);
      if (untold_.is_object()) return;
      untold_ = json::object();
      refuse(std::string("Config.Labels[") + untold_label + "]: no JSON object");
    }
    auto untold = untold_by(at(from_, "Config", "CreateCommand"));
    std::ranges::move(untold.refused, std::back_inserter(refused_));
    untold_ = std::move(untold.settings);
    if (!untold.known)
      refuse(std::string("Config.CreateCommand: made over the API, so Podman does not tell whether it has a static "
                         "address, sysctls or devices; make it with the label ") +
             untold_label + "={} if it has none, or with the command line");
  }

  void take_config() {
    json& config = out_["Config"] = json::object();
    section("Config",
            {"Hostname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "Cmd",
             "Image", "WorkingDir", "OnBuild", "Labels", "Healthcheck", "StopTimeout"},
            {"Domainname", "Env", "Entrypoint", "Volumes", "Annotations", "StopSignal", "CreateCommand", "Umask",
             "Timeout", "Passwd", "sdNotifyMode", "Timezone", "HealthcheckOnFailureAction"},
            config);
    for (const auto* const field : {"Umask", "Timeout", "Passwd", "sdNotifyMode", "Timezone"})
      if (!is_default(at(from_, "Config", field))) settings_[field] = at(from_, "Config", field);
    for (const auto& [key, value] : at(from_, "Config", "Annotations").items())
      if (std::ranges::none_of(own_annotations, [&key = key](auto own) { return key.starts_with(own); }))
        settings_["Annotations"][key] = value;
    const auto action = text(at(from_, "Config", "HealthcheckOnFailureAction"));
    if (!action.empty() && action != "none") refuse("Config.HealthcheckOnFailureAction");
    config["StopSignal"] = signal_name(at(from_, "Config", "StopSignal"));
    if (config["Labels"].is_object()) config["Labels"].erase(untold_label);
    take_environment(config);
    take_command(config);
  }

  // Podman adds variables of its own; it will add them again.
  void take_environment(json& config) {
    const Names added = {"container=podman", "TERM=xterm"};
    const auto hostname = "HOSTNAME=" + text(at(config, "Hostname"));
    const bool own_home = at(untold_, "own_home") == true;
    config["Env"] = json::array();
    for (const auto& entry : at(from_, "Config", "Env")) {
      const auto value = text(entry);
      const bool home = value.starts_with("HOME=") && !own_home;
      if (!contains(added, value) && value != hostname && !home) config["Env"].push_back(value);
    }
  }

  // The document joins the entrypoint's words with blanks; its arguments are told as they are.
  void take_command(json& config) {
    std::vector<json> all = {at(from_, "Path")};
    for (const auto& word : at(from_, "Args")) all.push_back(word);
    // Podman's own init stands before them: "/run/podman-init -- …".
    const bool init = at(from_, "HostConfig", "Init") == true && all.size() >= 2 && all[1] == "--";
    if (init) all.erase(all.begin(), all.begin() + 2);
    std::vector<json> command;
    for (const auto& word : at(config, "Cmd")) command.push_back(word);
    if (command.size() > all.size() || !std::equal(command.rbegin(), command.rend(), all.rbegin())) {
      refuse("Config.Entrypoint: not told");
      return;
    }
    all.resize(all.size() - command.size());
    config["Entrypoint"] = all;
  }

  void take_host_config() {
    json& host = out_["HostConfig"] = json::object();
    section("HostConfig",
            {"Binds",
             "AutoRemove",
             "VolumesFrom",
             "CapAdd",
             "CapDrop",
             "Dns",
             "DnsOptions",
             "DnsSearch",
             "ExtraHosts",
             "GroupAdd",
             "IpcMode",
             "Links",
             "OomScoreAdj",
             "PidMode",
             "Privileged",
             "ReadonlyRootfs",
             "SecurityOpt",
             "Tmpfs",
             "UTSMode",
             "UsernsMode",
             "ShmSize",
             "CpuShares",
             "Memory",
             "NanoCpus",
             "CgroupParent",
             "BlkioWeight",
             "CpuPeriod",
             "CpuQuota",
             "CpuRealtimePeriod",
             "CpuRealtimeRuntime",
             "CpusetCpus",
             "CpusetMems",
             "MemoryReservation",
             "MemorySwap",
             "MemorySwappiness",
             "OomKillDisable",
             "PidsLimit",
             "Ulimits",
             "RestartPolicy",
             "NetworkMode",
             "Init"},
            {"CgroupManager", "CgroupMode", "Cgroups", "ContainerIDFile", "LogConfig", "PortBindings", "Runtime",
             "ConsoleSize", "Devices", "PublishAllPorts"},
            host);
    settings_["CgroupMode"] = at(from_, "HostConfig", "CgroupMode");
    const auto cgroups = text(at(from_, "HostConfig", "Cgroups"));
    if (!cgroups.empty() && cgroups != "default" && cgroups != "enabled") refuse("HostConfig.Cgroups");
    if (text(at(host["RestartPolicy"], "Name")) == "always")
      refuse(
          "HostConfig.RestartPolicy: \"always\" cannot be taken off, and podman-restart.service would start the "
          "container that was put aside; make it with unless-stopped");
    if (!is_default(at(host, "UsernsMode")) && at(host, "UsernsMode") != "host") refuse("HostConfig.UsernsMode");
    for (const auto& option : at(host, "SecurityOpt"))
      if (option != "no-new-privileges") refuse("HostConfig.SecurityOpt: " + text(option));
    if (at(from_, "HostConfig", "PublishAllPorts") == true) refuse("HostConfig.PublishAllPorts");
    if (!is_default(at(from_, "HostConfig", "Devices")) && !untold_.contains("devices"))
      refuse("HostConfig.Devices: Podman does not tell what the container may do with them");
    take_log(host);
    take_ports(host);
  }

  void take_log(json& host) {
    const json& log = at(from_, "HostConfig", "LogConfig");
    json config = json::object();
    const auto size = text(at(log, "Size"));
    if (!size.empty() && size != "0B" && !size.starts_with('-')) config["max-size"] = size;
    if (const auto tag = text(at(log, "Tag")); !tag.empty()) config["tag"] = tag;
    const auto path = text(at(log, "Path"));
    const auto own_directory = text(at(from_, "StaticDir"));
    if (!path.empty() && (own_directory.empty() || !path.starts_with(own_directory))) config["path"] = path;
    host["LogConfig"] = {{"Type", at(log, "Type")}, {"Config", std::move(config)}};
  }

  // Ports that are only exposed stand among the bindings, with null.
  void take_ports(json& host) {
    for (const auto& [port, bindings] : at(from_, "HostConfig", "PortBindings").items()) {
      out_["Config"]["ExposedPorts"][port] = json::object();
      if (!bindings.is_null()) host["PortBindings"][port] = bindings;
    }
  }

  // Podman says "bridge" for networks of every name.
  void take_networks() {
    json& networks = out_["NetworkSettings"]["Networks"] = json::object();
    json& mode = out_["HostConfig"]["NetworkMode"];
    const auto said = text(mode);
    if (said != "bridge" && said != "none" && said != "host" && !said.starts_with("container:"))
      refuse("HostConfig.NetworkMode: " + said);
    if (said != "bridge") return;
    networks =
        at(from_, "NetworkSettings", "Networks").is_object() ? at(from_, "NetworkSettings", "Networks") : networks;
    if (networks.empty())
      refuse("HostConfig.NetworkMode: connected to no network");
    else
      mode = networks.begin().key();
  }

  const json& from_;
  json out_;
  json settings_ = json::object();
  json untold_ = json::object();
  std::vector<std::string> refused_;
};

}  // namespace

std::string signal_name(const json& signal) {
  auto name = signal.is_number_unsigned() || signal.is_number_integer() ? signal.dump() : text(signal);
  const bool number = !name.empty() && name.find_first_not_of("0123456789") == std::string::npos && name.size() < 3;
  if (number && std::stoul(name) < signals.size()) return std::string(signals[std::stoul(name)]);
  if (!name.empty() && !number && !name.starts_with("SIG")) name.insert(0, "SIG");
  return name;
}

int signal_number(const std::string& name) {
  const auto found = std::ranges::find(signals, std::string_view(name));
  return found == signals.end() ? 0 : static_cast<int>(found - signals.begin());
}

json container_as_docker(const json& libpod) { return Translation(libpod).take(); }

json image_as_docker(const json& libpod) {
  json out = libpod;
  out["Id"] = "sha256:" + text(at(libpod, "Id"));
  // A digest of a name that is nobody's but this host's is no name by which the image could be had again.
  json& digests = out["RepoDigests"] = json::array();
  for (const auto& digest : at(libpod, "RepoDigests"))
    if (!text(digest).starts_with("localhost/")) digests.push_back(digest);
  json& config = out["Config"];
  if (!config.is_object()) config = json::object();
  if (is_default(at(config, "WorkingDir"))) config["WorkingDir"] = "/";
  const auto signal = signal_name(at(config, "StopSignal"));
  config["StopSignal"] = signal.empty() ? "SIGTERM" : signal;
  json health = at(libpod, "Healthcheck").is_null() ? at(libpod, "HealthCheck") : at(libpod, "Healthcheck");
  if (health.is_object() && !health.empty()) {
    if (is_default(at(health, "Interval"))) health["Interval"] = 30'000'000'000;
    if (is_default(at(health, "Timeout"))) health["Timeout"] = 30'000'000'000;
    if (is_default(at(health, "Retries"))) health["Retries"] = 3;
    config["Healthcheck"] = std::move(health);
  }
  return out;
}

}  // namespace rebottle::worker::docker::podman
