// One table of keys per section; the reader walks the file and looks each key up in it.
// Not here: defaults (config.hpp, docker_config.hpp).
#include "worker/engine/config.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <sstream>
#include <vector>

#include <toml++/toml.h>

#include "worker/engine/log.hpp"

namespace rebottle::worker {
namespace {

// Returns what is wrong with the value; empty if it was taken over.
using Take = std::function<std::string(const toml::node&)>;
struct Key {
  std::string_view name;
  Take take;
};
using Section = std::vector<Key>;

std::string kind_of(const toml::node& node) {
  std::ostringstream text;
  text << node.type();
  return text.str();
}

template <class Integer>
Key whole(std::string_view name, Integer& target, std::int64_t low, std::int64_t high) {
  return {name, [&target, low, high](const toml::node& node) -> std::string {
            const auto range = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
            const auto* number = node.as_integer();
            if (number == nullptr) return "must be " + range + ", not of type " + kind_of(node);
            if (number->get() < low || number->get() > high)
              return "must be " + range + ", not " + std::to_string(number->get());
            target = static_cast<Integer>(number->get());
            return {};
          }};
}

Key yes_or_no(std::string_view name, bool& target) {
  return {name, [&target](const toml::node& node) -> std::string {
            const auto* flag = node.as_boolean();
            if (flag == nullptr) return "must be true or false, not of type " + kind_of(node);
            target = flag->get();
            return {};
          }};
}

Key text(std::string_view name, std::string& target, std::function<std::string(const std::string&)> check = {}) {
  return {name, [&target, check = std::move(check)](const toml::node& node) -> std::string {
            const auto* value = node.as_string();
            if (value == nullptr) return "must be a text, not of type " + kind_of(node);
            if (value->get().find('\0') != std::string::npos) return "must not hold a NUL";
            if (auto fault = check ? check(value->get()) : std::string(); !fault.empty()) return fault;
            target = value->get();
            return {};
          }};
}

Key absolute_path(std::string_view name, std::filesystem::path& target) {
  return {name, [&target](const toml::node& node) -> std::string {
            const auto* value = node.as_string();
            if (value == nullptr) return "must be a text, not of type " + kind_of(node);
            const std::filesystem::path path = value->get();
            if (!path.is_absolute()) return "must be an absolute path";
            target = path;
            return {};
          }};
}

Key absolute_paths(std::string_view name, std::vector<std::filesystem::path>& target) {
  return {name, [&target](const toml::node& node) -> std::string {
            const auto* values = node.as_array();
            if (values == nullptr) return "must be an array of texts, not of type " + kind_of(node);
            target.clear();
            for (const auto& item : *values) {
              const auto* value = item.as_string();
              if (value == nullptr || !std::filesystem::path(value->get()).is_absolute())
                return "must hold absolute paths only";
              target.emplace_back(value->get());
            }
            return {};
          }};
}

std::string check_builder(const std::string& word) {
  return word == "classic" || word == "buildkit" ? "" : "must be classic or buildkit";
}

std::string check_level(const std::string& word) {
  if (log::level_from(word)) return {};
  return "must be one of " + std::string(log::level_words);
}

std::string check_template(const std::string& name) {
  if (name.find("{bottle}") != std::string::npos) return {};
  return "must hold {bottle}, which stands for the bottle's slug";
}

std::string check_override(const std::string& path) {
  if (path.empty()) return {};
  if (!std::filesystem::path(path).is_absolute()) return "must be an absolute path";
  return check_template(path);
}

std::string check_not_empty(const std::string& value) { return value.empty() ? "must not be empty" : ""; }

constexpr int day_s = 86'400;

Section service_keys(ServiceConfig& to) {
  return {
      absolute_path("db", to.db),
      absolute_path("state_dir", to.state_dir),
      whole("drain_s", to.drain_s, 0, 3600),
      whole("max_downtime_s", to.max_downtime_s, 1, day_s),
      whole("attempts_max", to.attempts_max, 1, 100),
      whole("pause_first_ms", to.pause_first_ms, 1, 3'600'000),
      whole("pause_max_ms", to.pause_max_ms, 1, 3'600'000),
      whole("crashes_max", to.crashes_max, 1, 100),
      whole("probe_interval_s", to.probe_interval_s, 1, day_s),
      whole("leftover_retry_s", to.leftover_retry_s, 1, day_s),
      whole("build_log_max_kib", to.build_log_max_kib, 1, 16'384),
      text("log_level", to.log_level, check_level),
  };
}

Section docker_keys(docker::DockerConfig& to) {
  return {
      yes_or_no("enabled", to.enabled),
      absolute_path("socket", to.socket),
      text("container", to.container, check_template),
      text("label", to.label),
      text("side_label", to.side_label),
      whole("concurrency", to.concurrency, 1, 1000),
      text("builder", to.builder, check_builder),
      text("build_network", to.build_network, check_not_empty),
      whole("build_memory_mib", to.build_memory_mib, 0, 1 << 24),
      whole("build_cpu_percent", to.build_cpu_percent, 0, 100'000),
      yes_or_no("pull", to.pull),
      absolute_path("registry_auth_file", to.registry_auth_file),
      absolute_paths("import_dirs", to.import_dirs),
      whole("keep_old_s", to.keep_old_s, 0, 365 * day_s),
      text("override_dockerfile", to.override_dockerfile, check_override),
      whole("build_timeout_s", to.build_timeout_s, 1, day_s),
      whole("stop_timeout_s", to.stop_timeout_s, 0, 3600),
      whole("stable_s", to.stable_s, 0, 3600),
      whole("verify_timeout_s", to.verify_timeout_s, 1, day_s),
      whole("call_timeout_s", to.call_timeout_s, 1, 3600),
      whole("snapshot_max_bytes", to.snapshot_max_bytes, 0, std::numeric_limits<std::int64_t>::max()),
  };
}

// How many letters must be changed, added or dropped to make one name of the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

class Reader {
 public:
  explicit Reader(std::string source) : source_(std::move(source)) {}

  void fault(const toml::node& at, const std::string& name, const std::string& what) {
    if (!faults_.empty()) faults_ += '\n';
    faults_ += source_ + ":" + std::to_string(at.source().begin.line) + ": " + name + ": " + what;
  }

  void unknown(const toml::node& at, const std::string& prefix, std::string_view name,
               const std::vector<std::string_view>& known) {
    const auto nearest = *std::ranges::min_element(known, {}, [&](auto key) { return distance(name, key); });
    fault(at, prefix + std::string(name), "unknown; did you mean " + prefix + std::string(nearest) + "?");
  }

  // The table under a key that must hold one; null, and a fault, if it holds anything else.
  const toml::table* table(const toml::node& node, const std::string& name) {
    const auto* found = node.as_table();
    if (found == nullptr) fault(node, name, "must be a section, not of type " + kind_of(node));
    return found;
  }

  void section(const toml::node& node, const std::string& name, const Section& keys) {
    const auto* values = table(node, name);
    if (values == nullptr) return;
    std::vector<std::string_view> names;
    for (const auto& key : keys) names.push_back(key.name);
    for (const auto& [key, value] : *values) {
      const auto known = std::ranges::find(keys, key.str(), &Key::name);
      if (known == keys.end()) {
        unknown(value, name + ".", key.str(), names);
        continue;
      }
      const auto what = known->take(value);
      if (!what.empty()) fault(value, name + "." + std::string(key.str()), what);
    }
  }

  void finish() const {
    if (!faults_.empty()) throw ConfigError(faults_);
  }

 private:
  std::string source_;
  std::string faults_;
};

void read_backends(Reader& reader, const toml::node& node, Config& config) {
  const auto* backends = reader.table(node, "backends");
  if (backends == nullptr) return;
  for (const auto& [key, value] : *backends) {
    if (key.str() == "docker")
      reader.section(value, "backends.docker", docker_keys(config.docker));
    else
      reader.unknown(value, "backends.", key.str(), {"docker"});
  }
}

// What BuildKit's builder in the engine would silently leave out is refused.
void check_builder_limits(Reader& reader, const toml::table& root, const docker::DockerConfig& config) {
  if (config.builder != "buildkit") return;
  const auto refuse = [&](const char* key, const char* what) {
    const toml::node* named = root.at_path(std::string("backends.docker.") + key).node();
    if (named != nullptr) reader.fault(*named, std::string("backends.docker.") + key, what);
  };
  if (config.build_memory_mib > 0)
    refuse("build_memory_mib", "cannot be kept by builder = \"buildkit\"; leave it out, or use \"classic\"");
  if (config.build_cpu_percent > 0)
    refuse("build_cpu_percent", "cannot be kept by builder = \"buildkit\"; leave it out, or use \"classic\"");
  const auto& network = config.build_network;
  if (network != "none" && network != "host" && network != "default")
    refuse("build_network", "must be none, host or default with builder = \"buildkit\", which knows no other networks");
}

}  // namespace

Config parse_config(std::string_view text, const std::string& source) {
  toml::table root;
  try {
    root = toml::parse(text, std::string_view(source));
  } catch (const toml::parse_error& error) {
    throw ConfigError(source + ":" + std::to_string(error.source().begin.line) + ": " +
                      std::string(error.description()));
  }
  Config config;
  Reader reader(source);
  for (const auto& [key, value] : root) {
    if (key.str() == "service")
      reader.section(value, "service", service_keys(config.service));
    else if (key.str() == "backends")
      read_backends(reader, value, config);
    else
      reader.unknown(value, "", key.str(), {"service", "backends"});
  }
  if (config.service.pause_max_ms < config.service.pause_first_ms) {
    const toml::node* named = root.at_path("service.pause_max_ms").node();
    if (named == nullptr) named = root.at_path("service.pause_first_ms").node();
    reader.fault(*named, "service.pause_max_ms", "must not be less than service.pause_first_ms");
  }
  check_builder_limits(reader, root, config.docker);
  reader.finish();
  return config;
}

Config load_config(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf())) {
    // An empty file sets the failbit of `text`, and is a fine configuration.
    std::error_code error;
    if (std::filesystem::is_regular_file(file, error) && std::filesystem::file_size(file, error) == 0) return {};
    throw ConfigError(file.string() + ": cannot be read");
  }
  return parse_config(text.str(), file.string());
}

}  // namespace rebottle::worker
