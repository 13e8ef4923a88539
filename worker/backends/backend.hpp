// What the engine asks of a backend: observe, perform and undo named effects, and say honestly what it cannot do.
// Backends never see SQL, the journal's storage, or each other. All calls run on the logic thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include "schema/args.hpp"
#include "schema/rows.hpp"
#include "statemachine/policy.hpp"
#include "statemachine/recovery.hpp"
#include "statemachine/states.hpp"

namespace rebottle::worker {

using nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;
using statemachine::Direction;
using statemachine::Outcome;
using statemachine::State;
using statemachine::World;

// One change in the world (or one check of it) that is journalled by name.
struct Effect {
  std::string name;            // unique within the job: "create_new", "connect_network:proxy"
  State step{};                // the forward step it belongs to; State::rollback for the proof at the end of a rollback
  std::string summary;         // for plan and history: "create container dev-1.new-3f2a-7"
  bool mutates = true;         // false: only reads
  bool undoable = false;       // a rollback calls it with Direction::undo, in reverse order
  bool interruptible = false;  // may be abandoned at any moment (cancel, shutdown) and observed later
  bool begins_downtime = false;  // performing it forward takes the bottle down; undoing it brings it up again
  bool ends_downtime = false;    // performing it forward brings the bottle up again; undoing it takes it down
};

// A succeeded job whose change is to be taken back.
struct Undone {
  std::string job_key;
  json facts = json::object();
};

// What a job's effects need to know. `facts` maps effect name → result of each closed forward effect; it is all that
// survives a crash, so effects must derive everything else from it, from `args` and from the world.
struct JobContext {
  std::int64_t job_id = 0;
  std::string job_key;  // "<instance>-<job_id>": unique across databases; part of every name and label
  std::int64_t fence = 0;
  std::string bottle;
  std::string target;
  schema::Args args;
  json facts = json::object();
  json current = json::object();  // what current() said after the bottle's last success; empty before the first
  // Set: the job takes back what that one did. `args` are that one's, too, and of use for their limits only.
  std::optional<Undone> undoes;
  // Takes what an effect prints for people, piece by piece: the job's build log. Untrusted bytes are welcome.
  std::function<void(std::string_view)> print = [](std::string_view) {};
};

struct Observed {
  World world{};
  json result = json::object();  // for `present`: what performing would have returned
  std::string detail;            // for `foreign` and `unknown`: the evidence, for people
};

struct Performed {
  Outcome outcome{};
  json result = json::object();  // durable facts; kept when done
  std::string reason_code;       // for everything but done: snake_case, stable
  std::string message;           // for everything but done: for the operator, names the way out
  json detail = json::object();  // for everything but done: machine-readable evidence

  static Performed done(json result = json::object()) { return {Outcome::done, std::move(result), {}, {}, {}}; }
  static Performed failed(Outcome outcome, std::string reason_code, std::string message, json detail = json::object()) {
    return {outcome, json::object(), std::move(reason_code), std::move(message), std::move(detail)};
  }
};

// The refusal (stale) of an admission that finds no bottle of that name. The engine then asks the other backends.
inline constexpr std::string_view bottle_not_found = "bottle_not_found";

// The reason of a capability for a backend that did not answer in time. That says nothing about what it can do, so jobs
// wait.
inline constexpr std::string_view backend_timeout = "backend_timeout";

// A dry look: nothing that changes anything is called.
struct Plan {
  bool possible = false;
  std::string reason_code;  // when not possible: the refusal the job would end with
  std::string message;
  json detail = json::object();
  std::vector<std::string> makes;         // what will be made, in order
  std::vector<std::string> changes;       // what will be changed
  std::vector<std::string> removes;       // what will be removed, and when
  std::vector<std::string> irreversible;  // what a rollback does not bring back
};

class Backend {
 public:
  virtual ~Backend() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual int concurrency() const = 0;  // jobs at the same time
  // The resolved target of a bottle: two names that mean the same thing give the same text. Configuration alone.
  [[nodiscard]] virtual std::string target_of(std::string_view bottle) const = 0;

  // How long probe() or has() may take; what takes longer gave no answer.
  [[nodiscard]] virtual std::chrono::milliseconds patience() const { return std::chrono::seconds(15); }

  // One row per kind. Never throws for an absent engine: that is an unsupported row with its reason.
  virtual awaitable<std::vector<schema::Capability>> probe() = 0;

  // Whether a bottle of that name exists here. Only reads; an engine that cannot be asked is a no. For the operator who
  // named the wrong backend: nothing is decided by it but the text of a refusal.
  virtual awaitable<bool> has(std::string bottle) = 0;

  // The effects of a forward step in order, or for State::rollback the proofs that end it. May depend on the facts,
  // never on the world; the same context gives the same list. What a fact adds comes after the effect that made it.
  [[nodiscard]] virtual std::vector<Effect> effects(const JobContext& job, State step) const = 0;

  // What is true now. For Direction::undo, `present` means that the effect is taken back. The first effect of
  // prepare is the admission: it refuses (unsupported, stale) before anything mutates.
  virtual awaitable<Observed> observe(const JobContext& job, const Effect& effect, Direction direction) = 0;
  // Does it. Called only after observe said `absent` and the intent is committed. Must be safe to repeat.
  virtual awaitable<Performed> perform(const JobContext& job, const Effect& effect, Direction direction) = 0;

  // What remains to be removed after a job ended in `end`, derived from names and facts (an open intent may have
  // made its thing). job_id is left to the caller; not_before counts from the end: how long it is to be kept, in ms.
  [[nodiscard]] virtual std::vector<schema::Leftover> leftovers(const JobContext& job, State end) const = 0;
  // Removes exactly that thing; done if it is gone already; permanent if it turned out not to be ours.
  virtual awaitable<Performed> remove(const schema::Leftover& leftover) = 0;

  // What bottles_view shows after success: ids, image, name.
  [[nodiscard]] virtual json current(const JobContext& job) const = 0;

  virtual awaitable<Plan> plan(const JobContext& job) = 0;
};

}  // namespace rebottle::worker
