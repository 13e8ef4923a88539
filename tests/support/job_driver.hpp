// Moves a job of a backend through its steps without the engine: observe, decide by the recovery table, perform.
// The journal is a map in memory. Not here: retries, time, states after the end.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "worker/backends/backend.hpp"

namespace rebottle::tests {

using worker::Backend;
using worker::Direction;
using worker::Effect;
using worker::json;
using worker::Observed;
using worker::Outcome;
using worker::Performed;
using worker::State;
using worker::World;

class JobDriver {
 public:
  JobDriver(boost::asio::io_context& io, Backend& backend, worker::JobContext context);

  // All effects of one step; the first that does not succeed ends it. `failed_at()` then names it.
  Performed run_step(State step);
  // From prepare to verify, or until one fails.
  Performed run_all();
  // Undoes what was done past snapshot, in reverse, then the proofs.
  Performed roll_back();

  Observed observe(const std::string& effect, Direction direction = Direction::forward);
  Performed perform(const std::string& effect, Direction direction = Direction::forward);
  // run_all, ended with the reason "stopped_by_test" once this effect is done; empty: never.
  Performed run_until(std::string effect);
  // As a crash between the effect and its record leaves it: the intent is open, the fact is lost.
  void forget(const std::string& effect);

  [[nodiscard]] worker::JobContext& context() { return context_; }
  [[nodiscard]] const std::string& failed_at() const { return failed_at_; }
  [[nodiscard]] std::vector<Effect> effects() const;  // of all forward steps, in order
  // What was done so far, in order: "create_new", "undo start_new".
  [[nodiscard]] const std::vector<std::string>& done() const { return done_; }
  void use(Backend& backend) { backend_ = &backend; }  // another process takes over

 private:
  using Key = std::pair<Direction, std::string>;
  Performed settle(const Effect& effect, Direction direction);
  [[nodiscard]] Effect effect_named(const std::string& name) const;

  boost::asio::io_context& io_;
  Backend* backend_;
  worker::JobContext context_;
  std::map<Key, statemachine::Journal> journal_;
  bool looked_ = false;  // the snapshot is left
  std::string failed_at_;
  std::string stop_after_;
  std::vector<std::string> done_;
};

}  // namespace rebottle::tests
