// The system's clocks, and waiting on timers. Not here: a wait for a wall time; whoever has one turns it into steady
// time, for not longer than it may be wrong by.
#include "worker/engine/clock.hpp"

#include <time.h>

#include <algorithm>
#include <chrono>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace rebottle::worker {
namespace {

// A timer of Asio stands still while the host is suspended.
constexpr Milliseconds nap_max = 30'000;

}  // namespace

Milliseconds SystemClock::now() const {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

Milliseconds SystemClock::steady() const {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return Milliseconds{1'000} * time.tv_sec + time.tv_nsec / 1'000'000;
}

void SystemClock::arm(Timer& timer, Milliseconds at) {
  timer.expires_after(std::chrono::milliseconds(std::clamp<Milliseconds>(at - steady(), 0, nap_max)));
}

void SystemClock::disarm(Timer&) {}

void Signal::notify() {
  for (auto* timer : waiting_) timer->cancel();
}

awaitable<void> wait(Clock& clock, Signal& signal, std::optional<Milliseconds> until) {
  const auto executor = co_await boost::asio::this_coro::executor;
  Timer timer(executor, Timer::time_point::max());
  if (until) clock.arm(timer, *until);
  struct Registration {
    Registration(Clock& c, std::list<Timer*>& w, Timer& t)
        : clock(c), waiting(w), at(w.insert(w.end(), &t)), timer(t) {}
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() {
      waiting.erase(at);
      clock.disarm(timer);
    }
    Clock& clock;
    std::list<Timer*>& waiting;
    std::list<Timer*>::iterator at;
    Timer& timer;
  };
  const Registration registration(clock, signal.waiting_, timer);
  constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
  [[maybe_unused]] const auto ended = co_await timer.async_wait(token);
}

}  // namespace rebottle::worker
