// The keys of [backends.docker]. Not here: their defaults (docker_config.hpp).
#include "worker/backends/docker/docker_module.hpp"

#include <limits>
#include <utility>

#include "worker/backends/docker/docker_backend.hpp"
#include "worker/backends/docker/image_builder.hpp"

namespace rebottle::worker::docker {
namespace {

std::string classic_or_buildkit(const std::string& word) {
  return word == "classic" || word == "buildkit" ? "" : "must be classic or buildkit";
}

class DockerModule final : public BuilderModule {
 public:
  DockerModule(std::string name, DockerConfig defaults) : name_(std::move(name)), config_(std::move(defaults)) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] config::Keys keys() override { return keys_of(config_); }
  // What BuildKit's builder in the engine would silently leave out is refused.
  [[nodiscard]] std::vector<config::Clash> clashes() const override {
    std::vector<config::Clash> out;
    if (config_.builder != "buildkit") return out;
    const std::string limit = "cannot be kept by builder = \"buildkit\"; leave it out, or use \"classic\"";
    if (config_.build_memory_mib > 0) out.push_back({"build_memory_mib", limit});
    if (config_.build_cpu_percent > 0) out.push_back({"build_cpu_percent", limit});
    const auto& network = config_.build_network;
    if (network != "none" && network != "host" && network != "default")
      out.push_back({"build_network",
                     "must be none, host or default with builder = \"buildkit\", which knows no other networks"});
    return out;
  }
  [[nodiscard]] std::unique_ptr<Backend> make(const boost::asio::any_io_executor& executor,
                                              const std::filesystem::path& private_dir) const override {
    if (!config_.enabled) return nullptr;
    auto made = config_;
    made.snapshot_dir = private_dir;
    return make_docker_backend(executor, std::move(made), name_);
  }
  [[nodiscard]] std::unique_ptr<ImageBuilder> make_builder(const boost::asio::any_io_executor& executor,
                                                           std::string_view owner) const override {
    return make_image_builder(executor, config_, name_, std::string(owner));
  }

 private:
  std::string name_;
  DockerConfig config_;
};

std::string absolute_for_bottle(const std::string& path) {
  if (path.empty()) return {};
  return path.starts_with('/') ? config::holds_bottle(path) : "must be an absolute path";
}

}  // namespace

config::Keys keys_of(DockerConfig& to) {
  using namespace config;
  return {
      yes_or_no("enabled", to.enabled),
      absolute_path("socket", to.socket),
      text("container", to.container, holds_bottle),
      text("label", to.label),
      text("side_label", to.side_label),
      whole("concurrency", to.concurrency, 1, 1000),
      text("builder", to.builder, classic_or_buildkit),
      text("build_network", to.build_network, not_empty),
      whole("build_memory_mib", to.build_memory_mib, 0, 1 << 24),
      whole("build_cpu_percent", to.build_cpu_percent, 0, 100'000),
      yes_or_no("pull", to.pull),
      absolute_path("registry_auth_file", to.registry_auth_file),
      absolute_paths("import_dirs", to.import_dirs),
      whole("keep_old_s", to.keep_old_s, 0, std::int64_t{365} * day_s),
      text("override_dockerfile", to.override_dockerfile, absolute_for_bottle),
      whole("build_timeout_s", to.build_timeout_s, 1, day_s),
      whole("stop_timeout_s", to.stop_timeout_s, 0, 3600),
      whole("stable_s", to.stable_s, 0, 3600),
      whole("verify_timeout_s", to.verify_timeout_s, 1, day_s),
      whole("call_timeout_s", to.call_timeout_s, 1, 3600),
      whole("snapshot_max_bytes", to.snapshot_max_bytes, 0, std::numeric_limits<std::int64_t>::max()),
  };
}

std::unique_ptr<BuilderModule> docker_module(std::string name, DockerConfig defaults) {
  return std::make_unique<DockerModule>(std::move(name), std::move(defaults));
}

}  // namespace rebottle::worker::docker
