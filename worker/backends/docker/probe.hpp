// The engine of a configuration, and what it says it can do. Not here: any one bottle.
#pragma once

#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "worker/backends/docker/engine.hpp"

namespace rebottle::worker::docker {

[[nodiscard]] Engine make_engine(boost::asio::any_io_executor executor, DockerConfig config, std::string name);

[[nodiscard]] awaitable<schema::Capability> probe_engine(Engine& engine);

}  // namespace rebottle::worker::docker
