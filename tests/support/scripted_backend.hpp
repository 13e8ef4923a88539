// A backend whose world is a few sets in memory: it records what was asked, and fails, hangs or loses answers when
// told to. The world outlives the backend, so that a test can crash the service and look at what is left.
// Not here: a clock; what hangs, hangs until it is released or cancelled.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "worker/backends/backend.hpp"
#include "worker/engine/clock.hpp"

namespace rebottle::test {

enum class Trouble : std::uint8_t {
  transient,    // perform fails, nothing done
  unreachable,  // the same, as if the engine did not answer
  permanent,
  unknown,
  unsupported,
  stale,
  throws,       // perform throws, nothing done
  lost,         // perform does it, and answers `unknown`
  hangs,        // perform does nothing until released or cancelled, then does it
  see_unknown,  // observe cannot tell
  see_foreign,  // observe finds somebody else's thing
  see_throws,
};

struct Fault {
  std::string effect;
  Trouble trouble{};
  worker::Direction direction = worker::Direction::forward;
  int nth = 1;    // the first call that it strikes
  int times = 1;  // how many in a row
  int seen = 0;
};

struct ScriptedWorld {
  std::vector<std::string> calls;  // "bottle perform build", "bottle undo stop_old": in order; observations apart
  std::vector<std::string> observations;
  std::vector<std::string> asked;                     // bottles that has() was asked about
  std::vector<std::string> violations;                // what a real engine would have refused or suffered from
  std::map<std::string, std::set<std::string>> done;  // bottle → effects that are in force
  std::map<std::string, int> times_done;              // "bottle effect direction" → how often the world changed
  std::map<std::string, std::int64_t> fences;         // bottle → highest fence seen
  std::map<std::string, worker::json> currents;       // bottle → what its last effect was told is current
  std::optional<std::set<std::string>> bottles;       // those that are there; not set: every one
  bool has_throws = false;
  bool has_hangs = false;  // like the next ones: until it is false again and `released` is notified, or cancelled
  std::vector<Fault> faults;
  std::vector<std::string> removed;  // leftovers, by kind
  int remove_failures = 0;           // that many removals fail
  bool remove_permanent = false;
  bool remove_hangs = false;
  int plans = 0;
  bool plan_hangs = false;
  bool plan_throws = false;
  bool supported = true;
  std::string unsupported = "backend_too_old";  // the reason while it is not
  bool probe_throws = false;
  bool probe_hangs = false;  // until cancelled
  std::chrono::milliseconds patience{15'000};
  int probes = 0;
  int concurrency = 4;
  int running = 0;  // performs under way
  int running_max = 0;
  bool hanging = true;  // `hangs` holds while this is true
  worker::Signal released;

  void release() {
    hanging = false;
    released.notify();
  }
  [[nodiscard]] bool has(const std::string& bottle) const { return !bottles || bottles->contains(bottle); }
  [[nodiscard]] bool holds(const std::string& bottle, const std::string& effect) const;
  // The bottle is as a job in `state` promises: changed, as it was, or untouched.
  [[nodiscard]] std::string inconsistency(const std::string& bottle, worker::State state) const;
};

class ScriptedBackend final : public worker::Backend {
 public:
  explicit ScriptedBackend(ScriptedWorld& world, std::string name = "docker") : world_(world), name_(std::move(name)) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] int concurrency() const override { return world_.concurrency; }
  [[nodiscard]] std::chrono::milliseconds patience() const override { return world_.patience; }
  [[nodiscard]] std::string target_of(std::string_view bottle) const override {
    return "target-" + std::string(bottle);
  }
  worker::awaitable<std::vector<schema::Capability>> probe() override;
  worker::awaitable<bool> has(std::string bottle) override;
  [[nodiscard]] std::vector<worker::Effect> effects(const worker::JobContext& job, worker::State step) const override;
  worker::awaitable<worker::Observed> observe(const worker::JobContext& job, const worker::Effect& effect,
                                              worker::Direction direction) override;
  worker::awaitable<worker::Performed> perform(const worker::JobContext& job, const worker::Effect& effect,
                                               worker::Direction direction) override;
  [[nodiscard]] std::vector<schema::Leftover> leftovers(const worker::JobContext& job,
                                                        worker::State end) const override;
  worker::awaitable<worker::Performed> remove(const schema::Leftover& leftover) override;
  [[nodiscard]] worker::json current(const worker::JobContext& job) const override;
  worker::awaitable<worker::Plan> plan(const worker::JobContext& job) override;

 private:
  [[nodiscard]] std::optional<Trouble> trouble(const std::string& effect, worker::Direction direction, bool observing);
  void change(const worker::JobContext& job, const worker::Effect& effect, worker::Direction direction);
  worker::awaitable<void> hang(const bool& held);

  ScriptedWorld& world_;
  std::string name_;
};

}  // namespace rebottle::test
