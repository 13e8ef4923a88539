// The table of options, and the comparison with what the engine does report.
// Not here: which options are wise.
#include "worker/backends/smolmachines/spec.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "worker/backends/json_access.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

enum class Kind : std::uint8_t { text, number, flag, list };

struct Option {
  std::string_view name;  // long, without the dashes
  Kind kind;
  bool networks;  // the engine gives the machine a network with it
};

constexpr bool yes = true;
constexpr bool no = false;

// Sorted by name. What is missing is refused by name: secrets from the host's environment and keychain, host agents
// and proxies, Smolfiles (health, restart), GPU sharing and branching, which nobody has tried across a change.
// clang-format off
constexpr auto option_table = std::to_array<Option>({
    {"allow-cidr",              Kind::list,   yes},
    {"allow-host",              Kind::list,   yes},
    {"allow-host-pattern",      Kind::list,   yes},
    {"allow-private",           Kind::list,   yes},
    {"allow-system-mounts",     Kind::flag,   no},
    {"allow-udp",               Kind::list,   yes},
    {"block-io",                Kind::text,   no},
    {"block-private",           Kind::flag,   yes},
    {"cpus",                    Kind::number, no},
    {"deny-cidr",               Kind::list,   yes},
    {"disk",                    Kind::list,   no},
    {"disk-durability",         Kind::text,   no},
    {"dns",                     Kind::text,   yes},
    {"dns-option",              Kind::list,   no},
    {"env",                     Kind::list,   no},
    {"expose-socket",           Kind::list,   no},
    {"gpu",                     Kind::flag,   no},
    {"gpu-vram",                Kind::number, no},
    {"guest-subnet",            Kind::text,   yes},
    {"init",                    Kind::list,   no},
    {"max-image-size",          Kind::text,   no},
    {"mem",                     Kind::number, no},
    {"mount-socket",            Kind::list,   no},
    {"net",                     Kind::flag,   yes},
    {"net-backend",             Kind::text,   no},
    {"network",                 Kind::text,   yes},
    {"outbound-localhost-only", Kind::flag,   yes},
    {"overlay",                 Kind::number, no},
    {"port",                    Kind::list,   no},
    {"secret-file",             Kind::list,   no},
    {"shm-size",                Kind::text,   no},
    {"stop-signal",             Kind::text,   no},
    {"stop-timeout",            Kind::number, no},
    {"storage",                 Kind::number, no},
    {"user",                    Kind::text,   no},
    {"volume",                  Kind::list,   no},
    {"workdir",                 Kind::text,   no},
});
// clang-format on

constexpr std::string_view command_key = "command";

const Option* option(std::string_view name) {
  const auto found = std::ranges::find(option_table, name, &Option::name);
  return found == option_table.end() ? nullptr : &*found;
}

bool plain_text(const json& value) {
  return value.is_string() && text(value).find('\0') == std::string::npos && !text(value).empty();
}

bool texts(const json& value) { return value.is_array() && std::ranges::all_of(value, plain_text); }

std::string kind_problem(Kind kind, const json& value) {
  switch (kind) {
    case Kind::text: return plain_text(value) ? "" : "must be a text that is not empty";
    case Kind::number:
      return value.is_number_integer() && value >= 0 && value <= 1'000'000'000 ? "" : "must be a whole number";
    case Kind::flag: return value.is_boolean() ? "" : "must be true or false";
    case Kind::list: return texts(value) ? "" : "must be a list of texts that are not empty";
  }
  return "is of no kind";
}

// "HOST:GUEST[:ro|rw|staged]"; one that is a path of the guest alone is a directory on the machine's own disk.
bool is_staged(const std::string& volume) { return volume.ends_with(":staged"); }
bool from_host(const std::string& volume) { return volume.find(':') != std::string::npos; }

// "8000-8003:9000-9003/udp" are four.
std::int64_t ports_in(const std::string& mapping) {
  const auto host = mapping.substr(0, mapping.find_first_of(":/"));
  const auto dash = host.find('-');
  if (dash == std::string::npos) return 1;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::from_chars(host.data(), host.data() + dash, first);
  std::from_chars(host.data() + dash + 1, host.data() + host.size(), last);
  return std::max<std::int64_t>(1, last - first + 1);
}

std::set<std::string> as_set(const json& list) {
  std::set<std::string> out;
  if (list.is_array())
    for (const auto& item : list) out.insert(text(item));
  return out;
}

}  // namespace

std::variant<Spec, std::vector<std::string>> Spec::read(const json& document) {
  std::vector<std::string> problems;
  if (!document.is_object()) return std::vector<std::string>{"it must be a JSON object"};
  for (const auto& [key, value] : document.items()) {
    const auto shown = shortened(clean_text(key), 60);
    if (key == command_key) {
      if (!texts(value)) problems.push_back("command: must be a list of texts that are not empty");
      continue;
    }
    const auto* known = option(key);
    if (known == nullptr) {
      problems.push_back(shown + ": is no option that is carried over; see docs/smolmachines.md");
      continue;
    }
    auto problem = kind_problem(known->kind, value);
    if (problem.empty() && key == "volume" &&
        std::ranges::any_of(value, [](const json& item) { return is_staged(text(item)); }))
      problem = "a :staged volume is mirrored to the host at every stop; mount it :rw";
    if (!problem.empty()) problems.push_back(shown + ": " + problem);
  }
  if (!problems.empty()) return problems;
  return Spec(document);
}

std::string Spec::sha256() const { return sha256_hex(document_.dump()); }

std::vector<std::string> Spec::options() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : document_.items()) {
    if (key == command_key) continue;
    const auto flag = "--" + key;
    if (value.is_boolean()) {
      if (value == true) out.push_back(flag);
    } else if (value.is_array()) {
      // With "=", so that a value that starts with a dash stays a value.
      for (const auto& item : value) out.push_back(flag + "=" + text(item));
    } else {
      out.push_back(flag + "=" + (value.is_string() ? text(value) : value.dump()));
    }
  }
  return out;
}

std::vector<std::string> Spec::workload() const {
  std::vector<std::string> out;
  const json& command = at(document_, command_key);
  if (!command.is_array() || command.empty()) return out;
  out.emplace_back("--");
  for (const auto& word : command) out.push_back(text(word));
  return out;
}

json Spec::differences(const json& machine) const {
  constexpr int default_cpus = 4;
  constexpr int default_memory_mib = 8192;
  json out = json::array();
  const auto compare = [&out](std::string_view field, const json& spec, const json& found) {
    if (spec != found) out.push_back({{"field", field}, {"spec", spec}, {"machine", found}});
  };
  const auto number = [this](std::string_view key, const json& otherwise) {
    const json& value = at(document_, key);
    return value.is_null() ? otherwise : value;
  };
  bool network = false;
  std::int64_t mounts = 0;
  std::int64_t ports = 0;
  for (const auto& [key, value] : document_.items())
    if (const auto* known = option(key); known != nullptr && known->networks)
      network = network || (value != false && !(value.is_array() && value.empty()));
  if (at(document_, "volume").is_array())
    for (const auto& item : at(document_, "volume")) mounts += from_host(text(item)) ? 1 : 0;
  if (at(document_, "port").is_array())
    for (const auto& item : at(document_, "port")) ports += ports_in(text(item));
  const json& command = at(document_, command_key);

  compare("cpus", number("cpus", default_cpus), at(machine, "cpus"));
  compare("mem", number("mem", default_memory_mib), at(machine, "memory_mib"));
  compare("storage", at(document_, "storage"), at(machine, "storage_gb"));
  compare("overlay", at(document_, "overlay"), at(machine, "overlay_gb"));
  compare("network", network, at(machine, "network"));
  compare("allow-host", as_set(at(document_, "allow-host")), as_set(at(machine, "allowed_hosts")));
  compare("allow-cidr", as_set(at(document_, "allow-cidr")), as_set(at(machine, "allowed_cidrs")));
  compare("volume (number from the host)", mounts, at(machine, "mounts"));
  compare("port (number)", ports, at(machine, "ports"));
  compare("command", command.is_null() ? json::array() : command, at(machine, "cmd"));
  compare("gpu", number("gpu", false), at(machine, "gpu"));
  compare("disk (number)", at(document_, "disk").size(), at(machine, "disks").size());
  compare("block-io", number("block-io", "sync"), at(machine, "block_io"));
  compare("disk-durability", number("disk-durability", "full"), at(machine, "disk_durability"));
  return out;
}

}  // namespace rebottle::worker::smolmachines
