// Owns coroutines: every one that is started ends before the group does, and none fails unheard.
// Not here: what the coroutines do, and when they are asked to finish.
#pragma once

#include <exception>
#include <functional>
#include <list>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "worker/engine/clock.hpp"

namespace rebottle::worker {

// For people: what an exception says.
[[nodiscard]] std::string what_of(const std::exception_ptr& error);

// One thread only. The group outlives the io_context's handlers, or is empty when it is destroyed.
class TaskGroup {
 public:
  // `failed` hears of every exception that ends a child, except the abort of a child that the group cancelled.
  using Failed = std::function<void(const std::string& name, const std::exception_ptr& error)>;

  TaskGroup(boost::asio::any_io_executor executor, Clock& clock, Failed failed);

  void spawn(std::string name, awaitable<void> work);
  // Cancels every child that runs now: their present await ends with operation_aborted.
  void cancel_all();
  [[nodiscard]] std::size_t size() const { return children_.size(); }
  // Returns when the group is empty, or at the steady time `until`. True if it is empty.
  awaitable<bool> wait_empty(std::optional<Milliseconds> until);

 private:
  struct Child {
    std::string name;
    boost::asio::cancellation_signal cancel;
    bool cancelled = false;
  };
  void ended(std::list<Child>::iterator child, const std::exception_ptr& error);

  boost::asio::any_io_executor executor_;
  Clock& clock_;
  Failed failed_;
  std::list<Child> children_;
  Signal emptied_;
};

}  // namespace rebottle::worker
