// The keys of [backends.smolmachines]. Not here: their defaults (smolmachines_config.hpp).
#include "worker/backends/smolmachines/smolmachines_module.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "worker/backends/smolmachines/smolmachines_backend.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

class SmolmachinesModule final : public BackendModule {
 public:
  explicit SmolmachinesModule(std::vector<const BuilderModule*> builders) : builders_(std::move(builders)) {}

  [[nodiscard]] std::string_view name() const override { return "smolmachines"; }
  [[nodiscard]] config::Keys keys() override { return keys_of(config_); }
  [[nodiscard]] std::vector<config::Clash> clashes() const override {
    if (config_.builder.empty() || builder() != nullptr) return {};
    std::vector<std::string> names;
    for (const auto* one : builders_) names.emplace_back(one->name());
    return {{"builder", "must be the name of an engine that builds images: " + worker::joined(names, " or ")}};
  }
  [[nodiscard]] std::unique_ptr<Backend> make(const boost::asio::any_io_executor& executor,
                                              const std::filesystem::path& private_dir) const override {
    if (!config_.enabled) return nullptr;
    auto made = config_;
    if (made.work_dir.empty()) made.work_dir = private_dir / "smolmachines";
    auto images = builder() == nullptr ? nullptr : builder()->make_builder(executor, name());
    return make_smolmachines_backend(executor, std::move(made), std::move(images));
  }

 private:
  // The one that the configuration names; null if it names none.
  [[nodiscard]] const BuilderModule* builder() const {
    const auto found = std::ranges::find(builders_, config_.builder, &BuilderModule::name);
    return found == builders_.end() ? nullptr : *found;
  }

  std::vector<const BuilderModule*> builders_;
  SmolmachinesConfig config_;
};

}  // namespace

config::Keys keys_of(SmolmachinesConfig& to) {
  using namespace config;
  return {
      yes_or_no("enabled", to.enabled),
      absolute_path("engine", to.engine),
      absolute_path("engine_state_dir", to.engine_state_dir),
      absolute_path("kvm", to.kvm),
      text("min_version", to.min_version, not_empty),
      text("machine", to.machine, holds_bottle),
      absolute_path("spec_dir", to.spec_dir),
      absolute_paths("import_dirs", to.import_dirs),
      absolute_path("work_dir", to.work_dir),
      text("builder", to.builder),
      whole("concurrency", to.concurrency, 1, 1000),
      whole("call_timeout_s", to.call_timeout_s, 1, 3600),
      whole("start_timeout_s", to.start_timeout_s, 1, day_s),
      whole("exec_timeout_s", to.exec_timeout_s, 1, day_s),
      whole("stop_timeout_s", to.stop_timeout_s, 0, 300),  // the engine takes no more
      whole("stable_s", to.stable_s, 0, 3600),
      whole("verify_timeout_s", to.verify_timeout_s, 1, day_s),
      whole("snapshot_max_bytes", to.snapshot_max_bytes, 0, std::numeric_limits<std::int64_t>::max()),
  };
}

std::unique_ptr<BackendModule> smolmachines_module(std::vector<const BuilderModule*> builders) {
  return std::make_unique<SmolmachinesModule>(std::move(builders));
}

}  // namespace rebottle::worker::smolmachines
