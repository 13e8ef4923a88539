// A backend as the service contains it: its name, its section of the configuration file, and how to make it.
// Not here: what it does (backend.hpp); which ones there are (worker/builtin_backends.cpp).
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "worker/backends/backend.hpp"
#include "worker/backends/config_keys.hpp"

namespace rebottle::worker {

class BackendModule {
 public:
  virtual ~BackendModule() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;  // of the backend, and of its section: [backends.<name>]
  [[nodiscard]] virtual config::Keys keys() = 0;            // they write into this module
  // Once the keys are set: what does not go together. Each `key` must be in the file.
  [[nodiscard]] virtual std::vector<config::Clash> clashes() const { return {}; }
  // Called once the keys are set; null where they switch the backend off. All work runs on `executor`, a single
  // thread. `private_dir` is the service's own (0700), for what is kept of bottles while they are changed.
  [[nodiscard]] virtual std::unique_ptr<Backend> make(const boost::asio::any_io_executor& executor,
                                                      const std::filesystem::path& private_dir) const = 0;
};

}  // namespace rebottle::worker
