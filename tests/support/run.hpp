// Runs one awaitable on an io_context until it has its result. Not here: anything that keeps running afterwards.
#pragma once

#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace rebottle::tests {

template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> work) {
  std::optional<T> result;
  std::exception_ptr error;
  io.restart();
  boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr thrown, T value) {
    error = std::move(thrown);
    if (!error) result.emplace(std::move(value));
  });
  while (!result && !error && io.run_one() > 0) {
  }
  if (error) std::rethrow_exception(error);
  if (!result) throw std::runtime_error("the awaitable never ended");
  return std::move(*result);
}

}  // namespace rebottle::tests
