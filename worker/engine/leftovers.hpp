// Removes what jobs left behind, and tries until it is gone. Not here: what is left behind (backends say so).
#pragma once

#include "worker/engine/engine.hpp"

namespace rebottle::worker {

class Leftovers {
 public:
  explicit Leftovers(Engine& engine) : engine_(engine) {}

  // For ever: removes what is due, then sleeps until something else is, or is notified.
  awaitable<void> sweep();
  void notify() { wake_.notify(); }

 private:
  awaitable<void> remove(schema::Leftover leftover);
  [[nodiscard]] Milliseconds pause_after(const schema::Leftover& leftover, Outcome outcome) const;

  Engine& engine_;
  Signal wake_;
};

// Grows from `first` by doubling, up to an hour; a day for what will not be removed by trying again.
[[nodiscard]] Milliseconds leftover_pause(int tries, Milliseconds first, bool permanent);

}  // namespace rebottle::worker
