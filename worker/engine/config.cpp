// One table of keys per section; the reader walks the file and looks each key up in it.
// Not here: defaults (config.hpp, each backend's own struct).
#include "worker/engine/config.hpp"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <sstream>
#include <vector>

#include <toml++/toml.h>

#include "worker/engine/log.hpp"

namespace rebottle::worker {

using config::Key;
using config::Keys;

namespace {

std::string type_of(const toml::node& node) {
  std::ostringstream text;
  text << node.type();
  return text.str();
}

// Scalars, and lists of them; what else TOML has no key takes.
json json_of(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* value = node.as_string()) return value->get();
  if (const auto* list = node.as_array()) {
    json items = json::array();
    for (const auto& item : *list) items.push_back(json_of(item));
    return items;
  }
  return nullptr;
}

std::string check_level(const std::string& word) {
  if (log::level_from(word)) return {};
  return "must be one of " + std::string(log::level_words);
}

Keys service_keys(ServiceConfig& to) {
  return {
      config::absolute_path("db", to.db),
      config::absolute_path("state_dir", to.state_dir),
      config::whole("drain_s", to.drain_s, 0, 3600),
      config::whole("max_downtime_s", to.max_downtime_s, 1, config::day_s),
      config::whole("attempts_max", to.attempts_max, 1, 100),
      config::whole("pause_first_ms", to.pause_first_ms, 1, 3'600'000),
      config::whole("pause_max_ms", to.pause_max_ms, 1, 3'600'000),
      config::whole("crashes_max", to.crashes_max, 1, 100),
      config::whole("probe_interval_s", to.probe_interval_s, 1, config::day_s),
      config::whole("leftover_retry_s", to.leftover_retry_s, 1, config::day_s),
      config::whole("build_log_max_kib", to.build_log_max_kib, 1, 16'384),
      config::text("log_level", to.log_level, check_level),
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
    const auto nearest = std::ranges::min_element(known, {}, [&](auto key) { return distance(name, key); });
    const auto meant = nearest == known.end() ? "" : "; did you mean " + prefix + std::string(*nearest) + "?";
    fault(at, prefix + std::string(name), "unknown" + meant);
  }

  // The table under a key that must hold one; null, and a fault, if it holds anything else.
  const toml::table* table(const toml::node& node, const std::string& name) {
    const auto* found = node.as_table();
    if (found == nullptr) fault(node, name, "must be a section, not of type " + type_of(node));
    return found;
  }

  void section(const toml::node& node, const std::string& name, const Keys& keys) {
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
      const auto what = known->take({json_of(value), type_of(value)});
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

void read_backends(Reader& reader, const toml::node& node, const BackendModules& modules) {
  const auto* backends = reader.table(node, "backends");
  if (backends == nullptr) return;
  for (const auto& [key, value] : *backends) {
    const auto module =
        std::ranges::find_if(modules, [&key = key](const auto& known) { return known->name() == key.str(); });
    if (module != modules.end()) {
      const auto name = "backends." + std::string(key.str());
      reader.section(value, name, (*module)->keys());
      for (const auto& clash : (*module)->clashes())
        reader.fault(*value.at_path(clash.key).node(), name + "." + std::string(clash.key), clash.what);
      continue;
    }
    std::vector<std::string_view> names;
    for (const auto& known : modules) names.push_back(known->name());
    reader.unknown(value, "backends.", key.str(), names);
  }
}

}  // namespace

Config parse_config(std::string_view text, const std::string& source, const BackendModules& modules) {
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
      read_backends(reader, value, modules);
    else
      reader.unknown(value, "", key.str(), {"service", "backends"});
  }
  if (config.service.pause_max_ms < config.service.pause_first_ms) {
    const toml::node* named = root.at_path("service.pause_max_ms").node();
    if (named == nullptr) named = root.at_path("service.pause_first_ms").node();
    reader.fault(*named, "service.pause_max_ms", "must not be less than service.pause_first_ms");
  }
  reader.finish();
  return config;
}

Config load_config(const std::filesystem::path& file, const BackendModules& modules) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf())) {
    // An empty file sets the failbit of `text`, and is a fine configuration.
    std::error_code error;
    if (std::filesystem::is_regular_file(file, error) && std::filesystem::file_size(file, error) == 0) return {};
    throw ConfigError(file.string() + ": cannot be read");
  }
  return parse_config(text.str(), file.string(), modules);
}

}  // namespace rebottle::worker
