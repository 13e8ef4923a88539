// An engine with Docker's API as the builder of another backend's images. Not here: the steps (images.hpp).
#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "worker/backends/docker/docker_config.hpp"
#include "worker/backends/image_builder.hpp"

namespace rebottle::worker::docker {

// `name` is that of the configuration's section, `owner` the backend whose images are built: their names begin with it,
// so that no bottle of ours has them.
[[nodiscard]] std::unique_ptr<ImageBuilder> make_image_builder(boost::asio::any_io_executor executor,
                                                               DockerConfig config, std::string name,
                                                               std::string owner);

}  // namespace rebottle::worker::docker
