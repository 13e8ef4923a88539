// The keys of [backends.null]. Not here: their defaults (null_config.hpp).
#include "worker/backends/null/null_module.hpp"

#include "worker/backends/null/null_backend.hpp"
#include "worker/backends/null/sequence.hpp"

namespace rebottle::worker::null {
namespace {

std::string an_effect(const std::string& name) {
  if (name.empty() || find_row(name) != nullptr) return {};
  return "must name an effect, as `rebottle history` does";
}

class NullModule final : public BackendModule {
 public:
  [[nodiscard]] std::string_view name() const override { return "null"; }

  [[nodiscard]] config::Keys keys() override {
    using namespace config;
    auto& to = config_;
    return {
        yes_or_no("enabled", to.enabled),
        text("prefix", to.prefix, not_empty),
        absolute_path("state_file", to.state_file),
        whole("concurrency", to.concurrency, 1, 10'000),
        whole("delay_ms", to.delay_ms, 0, 3'600'000),
        text("fail_effect", to.fail_effect, an_effect),
        whole("fail_percent", to.fail_percent, 0, 100),
    };
  }

  [[nodiscard]] std::unique_ptr<Backend> make(const boost::asio::any_io_executor& executor,
                                              const std::filesystem::path& /*private_dir*/) const override {
    return config_.enabled ? make_null_backend(executor, config_) : nullptr;
  }

 private:
  NullConfig config_;
};

}  // namespace

std::unique_ptr<BackendModule> null_module() { return std::make_unique<NullModule>(); }

}  // namespace rebottle::worker::null
