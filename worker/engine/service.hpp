// The whole service but its process: one epoch from recovery through serving to the drain.
// Not here: flags, signals, the lock on the database (worker/program.cpp).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "worker/engine/capabilities.hpp"
#include "worker/engine/engine.hpp"
#include "worker/engine/leftovers.hpp"
#include "worker/engine/requests.hpp"
#include "worker/engine/scheduler.hpp"
#include "worker/engine/task_group.hpp"

namespace rebottle::worker {

class Service {
 public:
  // `process` is the epoch that has begun on the store. `clock` outlives the service. Throws StoreError.
  Service(const boost::asio::any_io_executor& executor, Clock& clock, Config config, const schema::Epoch& process,
          std::unique_ptr<schema::JobStore> store, Backends backends);

  // Recovers, serves until stop() or until the world breaks, drains. Returns the process's exit code: 0 or 1.
  awaitable<int> run();

  // The first call drains, the second halts at once. On the logic thread.
  void stop();

  // Runs what is queued for the database, then ends its thread.
  void close_store() { store_.close(); }
  // Whether every coroutine has ended; if not, the process must end without destroying this object.
  [[nodiscard]] bool ended() const { return jobs_.size() == 0 && background_.size() == 0; }
  [[nodiscard]] std::int64_t epoch_id() const { return epoch_id_; }
  // For tests: true while the database has something to do.
  [[nodiscard]] bool store_busy() const { return !store_.idle(); }
  [[nodiscard]] bool serving() const { return ready_ && engine_.stage == Stage::serving; }

 private:
  [[nodiscard]] StoreThread::Callbacks callbacks();
  awaitable<void> start();
  awaitable<void> feed_watchdog();
  awaitable<void> drain();
  awaitable<void> end_epoch();
  void enter(Stage stage);
  void broken(const std::string& why);
  void task_failed(const std::string& name, const std::exception_ptr& error, bool fatal);

  Clock& clock_;
  Config config_;
  Backends backends_;
  std::int64_t epoch_id_;
  std::string instance_id_;
  StoreThread store_;
  Engine engine_;
  TaskGroup background_;
  TaskGroup jobs_;
  Capabilities capabilities_;
  Leftovers leftovers_;
  Requests requests_;
  Scheduler scheduler_;
  Signal stage_changed_;
  Signal never_;
  bool ready_ = false;
  int exit_code_ = 0;
};

}  // namespace rebottle::worker
