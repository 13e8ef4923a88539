// Time and waiting: a clock that tests can move by hand, and a signal that coroutines wait for with a deadline.
// Not here: deadlines of calls to an engine (backends keep their own).
#pragma once

#include <algorithm>
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

// Two readings. What is recorded, shown or asked for by people is wall time, which administrators and NTP set at will;
// pauses, deadlines and budgets of this process are steady time.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time in epoch milliseconds.
  [[nodiscard]] virtual Milliseconds now() const = 0;
  // Milliseconds since some moment before this process; never set, and goes on while the host is suspended.
  [[nodiscard]] virtual Milliseconds steady() const = 0;
  // Sets the timer to fire at that steady time, or earlier: whoever waits looks at its condition again.
  virtual void arm(Timer& timer, Milliseconds at) = 0;
  virtual void disarm(Timer& timer) = 0;

  // The steady time at which a wall time comes, unless the wall clock is set meanwhile; from now until `most` from now.
  [[nodiscard]] Milliseconds steady_at(Milliseconds wall, Milliseconds most) const {
    return steady() + std::clamp<Milliseconds>(wall - now(), 0, most);
  }
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Milliseconds now() const override;
  [[nodiscard]] Milliseconds steady() const override;
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

// Returns when the signal is notified, when the steady time `until` has come, or early. `clock` and `signal` outlive
// the call.
awaitable<void> wait(Clock& clock, Signal& signal, std::optional<Milliseconds> until);

}  // namespace rebottle::worker
