// PRAGMA data_version, asked every 10 ms: microseconds of work, no lock, no write.
// Not here: wall-clock time; deadlines are monotonic.
#include "tools/waiter.hpp"

#include <algorithm>

namespace rebottle::tools {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds poll_every{10};
constexpr milliseconds tick_every{1000};

}  // namespace

Waiter::Waiter(const Environment& environment, schema::OperatorStore& store, std::optional<milliseconds> timeout)
    : environment_(environment), store_(store) {
  if (timeout) deadline_ = environment_.monotonic() + *timeout;
  // What was committed before the first look is no news.
  static_cast<void>(store_.changed_by_others());
}

Wake Waiter::next() {
  const milliseconds tick_at = environment_.monotonic() + tick_every;
  for (;;) {
    if (store_.changed_by_others()) return Wake::changed;
    const milliseconds now = environment_.monotonic();
    if (deadline_ && now >= *deadline_) return Wake::timed_out;
    if (now >= tick_at) return Wake::tick;
    const milliseconds until = deadline_ ? std::min(tick_at, *deadline_) : tick_at;
    if (!environment_.pause(std::clamp(until - now, milliseconds(1), poll_every))) return Wake::interrupted;
  }
}

}  // namespace rebottle::tools
