// Look-up by name. Not here: probing (capabilities.cpp).
#include "worker/engine/backends.hpp"

#include <algorithm>

namespace rebottle::worker {

Backends::Backends(std::vector<std::unique_ptr<Backend>> backends, std::vector<std::string> known)
    : backends_(std::move(backends)), known_(std::move(known)) {}

Backend* Backends::find(std::string_view name) const {
  const auto found = std::ranges::find_if(backends_, [&](const auto& backend) { return backend->name() == name; });
  return found == backends_.end() ? nullptr : found->get();
}

Refusal Backends::refusal(const std::string& name) const {
  json served = json::array();
  for (const auto& backend : backends_) served.push_back(backend->name());
  json detail{{"backend", name}, {"served", std::move(served)}};
  if (std::ranges::find(known_, name) != known_.end())
    return {statemachine::Event::unsupported, "backend_absent",
            "This service does not serve the backend '" + name + "': it is switched off, or not part of this version.",
            std::move(detail)};
  return {statemachine::Event::unsupported, "backend_unknown", "There is no backend of that name.", std::move(detail)};
}

}  // namespace rebottle::worker
