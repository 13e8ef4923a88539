// Removes what jobs left behind, and tries until it is gone. Not here: what is left behind (backends say so).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "worker/engine/engine.hpp"
#include "worker/engine/task_group.hpp"

namespace rebottle::worker {

class Leftovers {
 public:
  // What is due of one backend is removed in a coroutine of `tasks`: an engine that is silent delays nobody else.
  Leftovers(Engine& engine, TaskGroup& tasks) : engine_(engine), tasks_(tasks) {}

  // For ever: has removed what is due, then sleeps until something else is, or is notified.
  awaitable<void> sweep();
  void notify() { wake_.notify(); }

 private:
  awaitable<void> remove_all(std::string backend, std::vector<schema::Leftover> due);
  awaitable<void> remove(schema::Leftover leftover);
  [[nodiscard]] Milliseconds pause_after(const schema::Leftover& leftover, Outcome outcome) const;

  Engine& engine_;
  TaskGroup& tasks_;
  std::set<std::string> at_work_;  // backends that something is being removed of
  Signal wake_;
};

// Grows from `first` by doubling, up to an hour; a day for what will not be removed by trying again.
[[nodiscard]] Milliseconds leftover_pause(int tries, Milliseconds first, bool permanent);

}  // namespace rebottle::worker
