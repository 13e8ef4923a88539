// What the parts of the engine share: one of each per service, all on the logic thread.
// Not here: behaviour; see the parts' own headers.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "schema/rows.hpp"
#include "statemachine/policy.hpp"
#include "worker/engine/backends.hpp"
#include "worker/engine/clock.hpp"
#include "worker/engine/config.hpp"
#include "worker/engine/store_thread.hpp"

namespace rebottle::worker {

// How far the service has gone towards its end; it only grows.
enum class Stage : std::uint8_t {
  serving,
  draining,  // claims nothing; jobs before stop halt at the next boundary, jobs past it are driven on
  halting,   // every job halts at the next boundary
};

// The handle of one job that has a coroutine.
struct JobControl {
  std::int64_t job_id = 0;
  std::string backend;
  std::string bottle;
  std::string cancel_by;  // who asked for a cancel; empty if nobody did
  bool resting = false;   // waits for the end of a freeze, and takes no place of its backend meanwhile
  Signal changed;         // notified when anything a waiting job looks at has changed
};

struct Engine {
  Engine(Clock& clock_, StoreThread& store_, const Backends& backends_, const Config& config_)
      : clock(clock_), store(store_), backends(backends_), config(config_) {}

  Clock& clock;
  StoreThread& store;
  const Backends& backends;
  const Config& config;
  statemachine::RetryPolicy policy;
  std::function<double()> jitter;  // in [0, 1)
  std::string boot_id;
  std::string instance_id;
  std::int64_t epoch_id = 0;

  Stage stage = Stage::serving;
  std::vector<schema::FreezeScope> freezes;  // in force when the scheduler looked last
  std::map<std::int64_t, std::shared_ptr<JobControl>> active;

  // The scheduler looks at the database when this is set; it clears it before it looks, so no wake-up is lost.
  bool look_wanted = true;
  Signal look_signal;
  void look_again() {
    look_wanted = true;
    look_signal.notify();
  }

  // Backends that gave a reason to ask again what they can do.
  std::set<std::string> doubted;
  Signal doubt_signal;
  void doubt(const std::string& backend) {
    doubted.insert(backend);
    doubt_signal.notify();
  }

  [[nodiscard]] std::string worker() const { return "worker:" + std::to_string(epoch_id); }
  [[nodiscard]] std::string recovery() const { return "recovery:" + std::to_string(epoch_id); }
  [[nodiscard]] bool frozen(const std::string& backend, const std::string& bottle) const {
    for (const auto& freeze : freezes) {
      const bool over = freeze.expires_at && *freeze.expires_at <= clock.now();
      if (!over && (freeze.backend.empty() || freeze.backend == backend) &&
          (freeze.bottle.empty() || freeze.bottle == bottle))
        return true;
    }
    return false;
  }
  // How many jobs take a place of the backend.
  [[nodiscard]] int busy(std::string_view backend) const {
    return static_cast<int>(std::ranges::count_if(
        active, [backend](const auto& entry) { return entry.second->backend == backend && !entry.second->resting; }));
  }
  void notify_jobs() const {
    for (const auto& [id, control] : active) control->changed.notify();
  }
};

}  // namespace rebottle::worker
