// The switch behind the places. Not here: anything that a release build contains.
#include "worker/engine/failpoint.hpp"

#ifdef REBOTTLE_FAILPOINTS

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace rebottle::worker::failpoint {
namespace {

struct Order {
  std::string place;
  std::string action;
  int countdown = 0;  // reached that many times more; 0: no order
};

// Splits at the last colons, because the name of a place may hold colons itself.
Order parse(std::string_view text) {
  int nth = 1;
  auto cut = text.rfind(':');
  if (cut == std::string_view::npos) return {};
  auto tail = text.substr(cut + 1);
  if (std::from_chars(tail.data(), tail.data() + tail.size(), nth).ec == std::errc{}) {
    text = text.substr(0, cut);
    cut = text.rfind(':');
    if (cut == std::string_view::npos) return {};
    tail = text.substr(cut + 1);
  }
  return {std::string(text.substr(0, cut)), std::string(tail), nth};
}

Order& order() {
  static Order present = [] {
    const char* text = std::getenv("REBOTTLE_FAILPOINT");
    return text ? parse(text) : Order{};
  }();
  return present;
}

std::function<bool(const std::string&)>& hook() {
  static std::function<bool(const std::string&)> present;
  return present;
}

awaitable<void> wait_for_ever() {
  SystemClock clock;
  Signal never;
  for (;;) co_await wait(clock, never, std::nullopt);
}

}  // namespace

awaitable<void> reach(std::string place) {
  const bool stopped = hook() && hook()(place);
  if (stopped) co_await wait_for_ever();
  auto& present = order();
  if (present.countdown == 0 || present.place != place || --present.countdown > 0) co_return;
  if (present.action == "kill") std::raise(SIGKILL);
  if (present.action == "throw") throw std::runtime_error("failpoint " + place);
  if (present.action == "pause") co_await wait_for_ever();
}

void set_hook(std::function<bool(const std::string& place)> wanted) { hook() = std::move(wanted); }

}  // namespace rebottle::worker::failpoint

#endif
