// One question to each of the others. Not here: when it is asked (job_runner_attempt.cpp, requests.cpp).
#include "worker/engine/other_backend.hpp"

#include <exception>
#include <utility>
#include <vector>

#include "worker/engine/log.hpp"
#include "worker/engine/within.hpp"

namespace rebottle::worker {
namespace {

awaitable<bool> guarded_has(Backend& backend, std::string bottle) {
  std::string failure;
  try {
    const auto has = co_await backend.has(std::move(bottle));
    co_return has;
  } catch (const std::exception& error) {
    failure = error.what();
  }
  log::warning("a backend could not say whether it has a bottle", {{"backend", backend.name()}, {"error", failure}});
  co_return false;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : " and ") + name;
  return text;
}

}  // namespace

awaitable<std::optional<Refusal>> in_other_backend(Engine& engine, std::string backend, std::string bottle) {
  std::vector<std::string> found;
  json targets = json::object();
  for (const auto& other : engine.backends.all()) {
    if (other->name() == backend) continue;
    auto asked = guarded_has(*other, bottle);
    const auto here = co_await within(engine.clock, other->patience().count(), std::move(asked));
    if (!here.value_or(false)) continue;
    found.emplace_back(other->name());
    targets[found.back()] = other->target_of(bottle);
  }
  if (found.empty()) co_return std::nullopt;
  Refusal refusal;
  refusal.event = statemachine::Event::unsupported;
  refusal.reason_code = "bottle_other_backend";
  refusal.message = "The backend '" + backend + "' has no bottle '" + bottle + "', but " + listed(found) +
                    (found.size() == 1 ? " has" : " have") + " one: approve the change for that backend.";
  refusal.detail = json{{"backend", backend}, {"bottle", bottle}, {"found_in", found}, {"targets", targets}};
  co_return refusal;
}

}  // namespace rebottle::worker
