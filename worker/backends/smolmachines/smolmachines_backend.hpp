// The smolmachines backend: one microVM per bottle, changed by the engine's command line.
// Not here: its parts (the other files of this folder); what a backend is (worker/backends/backend.hpp).
#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "worker/backends/image_builder.hpp"
#include "worker/backends/smolmachines/smolmachines_config.hpp"

namespace rebottle::worker::smolmachines {

// All calls and all work run on `executor`, which must be a single thread.
[[nodiscard]] std::unique_ptr<Backend> make_smolmachines_backend(const boost::asio::any_io_executor& executor,
                                                                 SmolmachinesConfig config,
                                                                 std::unique_ptr<ImageBuilder> builder = nullptr);

}  // namespace rebottle::worker::smolmachines
