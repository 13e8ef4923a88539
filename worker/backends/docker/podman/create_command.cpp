// The options of `podman create` and `podman run` in one table: what each takes, and whether inspect shows it.
// An option that is not in the table is refused, so a newer Podman's is never passed over in silence.
#include "worker/backends/docker/podman/create_command.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace rebottle::worker::docker::podman {
namespace {

enum class Takes : bool { nothing, value };

struct Option {
  std::string_view name;
  char letter;  // '\0': none
  Takes takes;
};

// clang-format off
constexpr auto options = std::to_array<Option>({
    {"add-host", 0, Takes::value},         {"annotation", 0, Takes::value},         {"attach", 'a', Takes::value},
    {"blkio-weight", 0, Takes::value},     {"cap-add", 0, Takes::value},            {"cap-drop", 0, Takes::value},
    {"cgroup-parent", 0, Takes::value},    {"cgroupns", 0, Takes::value},           {"cgroups", 0, Takes::value},
    {"cidfile", 0, Takes::value},          {"conmon-pidfile", 0, Takes::value},     {"cpu-period", 0, Takes::value},
    {"cpu-quota", 0, Takes::value},        {"cpu-rt-period", 0, Takes::value},      {"cpu-rt-runtime", 0, Takes::value},
    {"cpu-shares", 'c', Takes::value},     {"cpus", 0, Takes::value},               {"cpuset-cpus", 0, Takes::value},
    {"cpuset-mems", 0, Takes::value},      {"detach", 'd', Takes::nothing},         {"detach-keys", 0, Takes::value},
    {"device", 0, Takes::value},           {"dns", 0, Takes::value},                {"dns-opt", 0, Takes::value},
    {"dns-option", 0, Takes::value},       {"dns-search", 0, Takes::value},         {"entrypoint", 0, Takes::value},
    {"env", 'e', Takes::value},            {"env-file", 0, Takes::value},           {"env-host", 0, Takes::nothing},
    {"expose", 0, Takes::value},           {"group-add", 0, Takes::value},          {"health-cmd", 0, Takes::value},
    {"health-interval", 0, Takes::value},  {"health-retries", 0, Takes::value},     {"health-timeout", 0, Takes::value},
    {"health-start-period", 0, Takes::value},                                       {"hostname", 'h', Takes::value},
    {"http-proxy", 0, Takes::nothing},     {"init", 0, Takes::nothing},             {"interactive", 'i', Takes::nothing},
    {"ip", 0, Takes::value},               {"ip6", 0, Takes::value},                {"ipc", 0, Takes::value},
    {"label", 'l', Takes::value},          {"label-file", 0, Takes::value},         {"log-driver", 0, Takes::value},
    {"log-opt", 0, Takes::value},          {"mac-address", 0, Takes::value},        {"memory", 'm', Takes::value},
    {"memory-reservation", 0, Takes::value},                                        {"memory-swap", 0, Takes::value},
    {"memory-swappiness", 0, Takes::value},                                         {"mount", 0, Takes::value},
    {"name", 0, Takes::value},             {"net", 0, Takes::value},                {"network", 0, Takes::value},
    {"network-alias", 0, Takes::value},    {"oom-kill-disable", 0, Takes::nothing}, {"oom-score-adj", 0, Takes::value},
    {"pid", 0, Takes::value},              {"pidfile", 0, Takes::value},            {"pids-limit", 0, Takes::value},
    {"privileged", 0, Takes::nothing},     {"publish", 'p', Takes::value},          {"publish-all", 'P', Takes::nothing},
    {"pull", 0, Takes::value},             {"quiet", 'q', Takes::nothing},          {"read-only", 0, Takes::nothing},
    {"replace", 0, Takes::nothing},        {"restart", 0, Takes::value},            {"rm", 0, Takes::nothing},
    {"runtime", 0, Takes::value},          {"sdnotify", 0, Takes::value},           {"security-opt", 0, Takes::value},
    {"shm-size", 0, Takes::value},         {"sig-proxy", 0, Takes::nothing},        {"stop-signal", 0, Takes::value},
    {"stop-timeout", 0, Takes::value},     {"sysctl", 0, Takes::value},             {"timeout", 0, Takes::value},
    {"tls-verify", 0, Takes::nothing},     {"tmpfs", 0, Takes::value},              {"tty", 't', Takes::nothing},
    {"tz", 0, Takes::value},               {"ulimit", 0, Takes::value},             {"umask", 0, Takes::value},
    {"user", 'u', Takes::value},           {"uts", 0, Takes::value},                {"volume", 'v', Takes::value},
    {"workdir", 'w', Takes::value},
});
// clang-format on

// Parts of a volume's or mount's options that inspect does not show: a copy-on-write mount, a change of owner.
constexpr std::array<std::string_view, 6> unseen_volume_options = {"O", "U", "idmap", "upperdir", "workdir", "chown"};

std::vector<std::string> split(std::string_view text, char mark) {
  std::vector<std::string> out(1);
  for (const char c : text)
    if (c == mark)
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

std::string key_of(const std::string& pair) { return pair.substr(0, pair.find('=')); }
std::string value_of(const std::string& pair) {
  const auto equals = pair.find('=');
  return equals == std::string::npos ? std::string() : pair.substr(equals + 1);
}

class Reader {
 public:
  explicit Reader(const json& command) {
    for (const auto& word : command) words_.push_back(word.is_string() ? word.get<std::string>() : std::string());
  }

  Untold read() {
    const auto verb = std::ranges::find_if(words_, [](const auto& word) { return word == "run" || word == "create"; });
    const auto service = std::ranges::find(words_, "service");
    if (verb == words_.end() || service < verb) return {};  // not a command line, or that of the API service itself
    out_.known = true;
    // Everything up to the first word that is no option: that is the image.
    for (next_ = static_cast<std::size_t>(verb - words_.begin()) + 1; next_ < words_.size();) {
      const auto& word = words_[next_];
      if (word.size() < 2 || word.front() != '-' || word == "--") break;
      ++next_;
      if (word.starts_with("--"))
        read_long(word.substr(2));
      else
        read_letters(word.substr(1));
    }
    if (!address_.is_null()) {
      if (networks_.size() > 1)
        refuse("--ip, --ip6 or --mac-address with more than one network");
      else
        out_.settings["addresses"][networks_.empty() ? "podman" : networks_.front()].update(address_);
    }
    return std::move(out_);
  }

 private:
  void refuse(const std::string& what) { out_.refused.push_back("Config.CreateCommand: " + what); }

  std::string next_word() { return next_ < words_.size() ? words_[next_++] : std::string(); }

  void read_long(const std::string& word) {
    const auto name = key_of(word);
    const auto known = std::ranges::find(options, std::string_view(name), &Option::name);
    if (known == options.end()) return refuse("--" + name + ": not known to be told by inspect");
    if (known->takes == Takes::nothing) return take(*known, "");
    take(*known, word.size() > name.size() ? value_of(word) : next_word());
  }

  // "-dit", "-p80:80", "-p", "80:80".
  void read_letters(const std::string& letters) {
    for (std::size_t i = 0; i < letters.size(); ++i) {
      const auto known = std::ranges::find_if(
          options, [&](const Option& option) { return option.letter != 0 && option.letter == letters[i]; });
      if (known == options.end()) return refuse("-" + letters.substr(i, 1) + ": not known to be told by inspect");
      if (known->takes == Takes::nothing) continue;
      auto rest = letters.substr(i + 1);
      if (rest.starts_with('=')) rest.erase(0, 1);
      return take(*known, i + 1 < letters.size() ? rest : next_word());
    }
  }

  void take(const Option& option, const std::string& value) {
    if (option.name == "network" || option.name == "net") return take_networks(value);
    if (option.name == "ip") address_["IPv4Address"] = value;
    if (option.name == "ip6") address_["IPv6Address"] = value;
    if (option.name == "mac-address") address_["MacAddress"] = value;
    if (option.name == "sysctl") out_.settings["sysctls"][key_of(value)] = value_of(value);
    if (option.name == "device") out_.settings["devices"].push_back(value);
    const bool any_variable = option.name == "env-file" || option.name == "env-host";
    if (any_variable || (option.name == "env" && (key_of(value) == "HOME" || value.find('*') != std::string::npos)))
      out_.settings["own_home"] = true;
    // Inspect shows the other kinds in part or not at all, as "mask" and "proc-opts".
    if (option.name == "security-opt" && value != "no-new-privileges") refuse("--security-opt " + value);
    if (option.name == "volume") take_volume(value);
    if (option.name == "mount") take_mount(value);
  }

  // "one,two" or "one:ip=10.0.0.5,alias=agent".
  void take_networks(const std::string& value) {
    const auto colon = value.find(':');
    const auto mode = value.substr(0, colon);
    for (const auto& name : split(mode, ',')) networks_.push_back(name == "bridge" ? "podman" : name);
    if (colon == std::string::npos || mode == "container" || mode == "ns") return;
    for (const auto& part : split(value.substr(colon + 1), ',')) {
      const auto key = key_of(part);
      auto& address = out_.settings["addresses"][networks_.back()];
      if (key == "ip")
        address[value_of(part).find(':') == std::string::npos ? "IPv4Address" : "IPv6Address"] = value_of(part);
      else if (key == "mac")
        address["MacAddress"] = value_of(part);
      else if (key != "alias")
        refuse("--network with the option " + key);
    }
    auto& addresses = out_.settings["addresses"];
    if (addresses[networks_.back()].is_null()) addresses.erase(networks_.back());
    if (addresses.empty()) out_.settings.erase("addresses");
  }

  void take_volume(const std::string& value) {
    const auto parts = split(value, ':');
    if (parts.size() < 3) return;
    for (const auto& part : split(parts[2], ','))
      if (std::ranges::find(unseen_volume_options, key_of(part)) != unseen_volume_options.end())
        refuse("--volume with the option " + part);
  }

  void take_mount(const std::string& value) {
    for (const auto& part : split(value, ',')) {
      const bool type = key_of(part) == "type";
      const auto kind = value_of(part);
      if (type && kind != "bind" && kind != "volume" && kind != "tmpfs") refuse("--mount of the type " + kind);
      if (std::ranges::find(unseen_volume_options, key_of(part)) != unseen_volume_options.end())
        refuse("--mount with the option " + part);
    }
  }

  std::vector<std::string> words_;
  std::size_t next_ = 0;
  std::vector<std::string> networks_;
  json address_;
  Untold out_;
};

}  // namespace

Untold untold_by(const json& command) {
  if (!command.is_array()) return {};
  return Reader(command).read();
}

}  // namespace rebottle::worker::docker::podman
