// A backend whose engine may build images for others, whether it is served as a backend or not.
// Not here: what a builder does (image_builder.hpp).
#pragma once

#include <memory>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

#include "worker/backends/image_builder.hpp"
#include "worker/backends/module.hpp"

namespace rebottle::worker {

class BuilderModule : public BackendModule {
 public:
  // `owner` is the backend that the images are for.
  [[nodiscard]] virtual std::unique_ptr<ImageBuilder> make_builder(const boost::asio::any_io_executor& executor,
                                                                   std::string_view owner) const = 0;
};

}  // namespace rebottle::worker
