// The null backend: bottles that exist in name only, changed by the same journalled steps as Docker's.
// For simulation and benchmarks. Not here: any engine; nothing outside the state file is touched.
#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "worker/backends/backend.hpp"
#include "worker/backends/null/null_config.hpp"

namespace rebottle::worker::null {

// Throws std::system_error if the state file cannot be read and written.
[[nodiscard]] std::unique_ptr<Backend> make_null_backend(boost::asio::any_io_executor executor, NullConfig config);

}  // namespace rebottle::worker::null
