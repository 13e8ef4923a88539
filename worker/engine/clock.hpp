// Time and waiting: a clock that tests can move by hand, and a signal that coroutines wait for with a deadline.
// Not here: deadlines of calls to an engine (backends keep their own).
#pragma once

#include <list>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "schema/rows.hpp"

namespace rebottle::worker {

template <class T>
using awaitable = boost::asio::awaitable<T>;
using schema::Milliseconds;
using Timer = boost::asio::steady_timer;

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time in epoch milliseconds.
  [[nodiscard]] virtual Milliseconds now() const = 0;
  // Sets the timer to fire at that wall time, or earlier: whoever waits looks at its condition again.
  virtual void arm(Timer& timer, Milliseconds at) = 0;
  virtual void disarm(Timer& timer) = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Milliseconds now() const override;
  void arm(Timer& timer, Milliseconds at) override;
  void disarm(Timer& timer) override;
};

// Wakes every coroutine that waits for it. One thread only: look at the condition, then wait, nothing between.
class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  void notify();

 private:
  friend awaitable<void> wait(Clock& clock, Signal& signal, std::optional<Milliseconds> until);
  std::list<Timer*> waiting_;
};

// Returns when the signal is notified, when `until` has come, or early. `clock` and `signal` outlive the call.
awaitable<void> wait(Clock& clock, Signal& signal, std::optional<Milliseconds> until);

}  // namespace rebottle::worker
