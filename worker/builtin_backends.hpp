// The backends that this executable contains: one line for each. Not here: what they do.
#pragma once

#include <memory>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "worker/backends/backend.hpp"
#include "worker/engine/config.hpp"

namespace rebottle::worker {

// Those that the configuration switches on.
[[nodiscard]] std::vector<std::unique_ptr<Backend>> make_backends(const boost::asio::any_io_executor& executor,
                                                                  const Config& config);

}  // namespace rebottle::worker
