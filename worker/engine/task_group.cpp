// The group's bookkeeping around co_spawn. Not here: policy.
#include "worker/engine/task_group.hpp"

#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

namespace rebottle::worker {

std::string what_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "unknown exception";
  }
}

TaskGroup::TaskGroup(boost::asio::any_io_executor executor, Clock& clock, Failed failed)
    : executor_(std::move(executor)), clock_(clock), failed_(std::move(failed)) {}

void TaskGroup::spawn(std::string name, awaitable<void> work) {
  const auto child = children_.emplace(children_.end());
  child->name = std::move(name);
  auto done = [this, child](const std::exception_ptr& error) { ended(child, error); };
  boost::asio::co_spawn(executor_, std::move(work),
                        boost::asio::bind_cancellation_slot(child->cancel.slot(), std::move(done)));
}

void TaskGroup::ended(std::list<Child>::iterator child, const std::exception_ptr& error) {
  const auto name = std::move(child->name);
  const bool cancelled = child->cancelled;
  children_.erase(child);
  if (error && !cancelled) failed_(name, error);
  if (children_.empty()) emptied_.notify();
}

void TaskGroup::cancel_all() {
  // A child may end, and leave the list, while its signal is emitted.
  for (auto child = children_.begin(); child != children_.end();) {
    const auto present = child++;
    present->cancelled = true;
    present->cancel.emit(boost::asio::cancellation_type::terminal);
  }
}

awaitable<bool> TaskGroup::wait_empty(std::optional<Milliseconds> until) {
  while (!children_.empty() && !(until && clock_.steady() >= *until)) co_await wait(clock_, emptied_, until);
  co_return children_.empty();
}

}  // namespace rebottle::worker
