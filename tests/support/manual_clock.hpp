// A clock that stands still until a test moves it. Not here: any real waiting.
#pragma once

#include <algorithm>
#include <list>
#include <optional>

#include "worker/engine/clock.hpp"

namespace rebottle::test {

class ManualClock final : public worker::Clock {
 public:
  explicit ManualClock(worker::Milliseconds start) : now_(start) {}

  [[nodiscard]] worker::Milliseconds now() const override { return now_ + set_by_; }
  [[nodiscard]] worker::Milliseconds steady() const override { return now_; }
  // As an administrator or NTP does: the wall clock alone.
  void set_wall(worker::Milliseconds by) { set_by_ += by; }

  void arm(worker::Timer& timer, worker::Milliseconds at) override {
    timer.expires_at(at <= now_ ? worker::Timer::time_point::min() : worker::Timer::time_point::max());
    if (at > now_) armed_.push_back({&timer, at});
  }
  void disarm(worker::Timer& timer) override {
    armed_.remove_if([&](const Armed& armed) { return armed.timer == &timer; });
  }

  void advance(worker::Milliseconds by) { advance_to(now_ + by); }
  void advance_to(worker::Milliseconds to) {
    now_ = std::max(now_, to);
    for (const auto& armed : armed_)
      if (armed.at <= now_) armed.timer->cancel();
  }
  // When the next waiter wants to be woken; empty if none does.
  [[nodiscard]] std::optional<worker::Milliseconds> next() const {
    if (armed_.empty()) return std::nullopt;
    return std::ranges::min_element(armed_, {}, &Armed::at)->at;
  }

 private:
  struct Armed {
    worker::Timer* timer;
    worker::Milliseconds at;
  };
  worker::Milliseconds now_;  // steady
  worker::Milliseconds set_by_ = 0;
  std::list<Armed> armed_;
};

}  // namespace rebottle::test
