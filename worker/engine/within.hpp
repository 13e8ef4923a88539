// A deadline on the service's clock for a call that must not hold others up.
// Not here: deadlines of a job's effects (the backends' own).
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "worker/engine/clock.hpp"

namespace rebottle::worker {

inline awaitable<void> pass(Clock& clock, Milliseconds until) {
  Signal never;
  while (clock.steady() < until) co_await wait(clock, never, until);
}

// The result of `work`, which must not throw; empty if it took longer than `limit`. It is then cancelled, and awaited.
template <class T>
awaitable<std::optional<T>> within(Clock& clock, Milliseconds limit, awaitable<T> work) {
  using namespace boost::asio::experimental::awaitable_operators;
  auto silence = pass(clock, clock.steady() + limit);
  auto first = co_await (std::move(work) || std::move(silence));
  std::optional<T> result;
  if (first.index() == 0) result.emplace(std::get<0>(std::move(first)));
  co_return result;
}

}  // namespace rebottle::worker
