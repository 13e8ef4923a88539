// Walks one try of a step effect by effect: says what to do next and is told what came of it.
// Not here: I/O, commits, time; the job runner obeys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/backends/backend.hpp"

namespace rebottle::worker {

struct StepItem {
  Effect effect;
  Direction direction{};
  statemachine::Journal journal{};  // before this try

  // Whether doing it takes the bottle down, or brings it up again.
  [[nodiscard]] bool takes_down() const {
    return direction == Direction::forward ? effect.begins_downtime : effect.ends_downtime;
  }
  [[nodiscard]] bool brings_up() const {
    return direction == Direction::forward ? effect.ends_downtime : effect.begins_downtime;
  }
};

// How a try of a step ended, and why.
struct StepEnd {
  Outcome outcome = Outcome::done;
  std::string reason_code;
  std::string message;
  json detail = json::object();
  std::string effect;      // the one that stopped it; empty when done
  Direction direction{};   // of that effect
  bool performed = false;  // that effect was tried just now, so its intent is open
};

// An end that no effect of the step brought about.
[[nodiscard]] StepEnd ended(Outcome outcome, std::string reason_code, std::string message,
                            json detail = json::object());
// A try that a cancel ended between two effects: whatever it was on the way to, it is not done.
[[nodiscard]] StepEnd cut_short();

class StepCursor {
 public:
  enum class Want : std::uint8_t {
    observe,  // ask the backend about item(), then call observed()
    perform,  // commit the intent of item(), perform it, then call performed()
    end,      // nothing more: see end()
  };
  // An effect that is proved done.
  struct Closed {
    StepItem item;
    bool adopted = false;  // found done, not done by this try
    json result;
  };

  explicit StepCursor(std::vector<StepItem> items);

  [[nodiscard]] Want want() const { return want_; }
  [[nodiscard]] const StepItem& item() const;  // not at the end
  // The last answer of perform proved nothing: item() is looked at before anything else is done.
  [[nodiscard]] bool in_doubt() const { return doubtful_.has_value() && want_ == Want::observe; }
  void observed(const Observed& seen);
  void performed(const Performed& done);

  // The list as the fact of the effect that was just closed makes it: the same up to there, new after it.
  void follow(std::vector<StepItem> items);

  // The effect that the last call proved done, once.
  [[nodiscard]] std::optional<Closed> take_closed();
  [[nodiscard]] const StepEnd& end() const { return end_; }

 private:
  void next();
  void close(bool adopted, const json& result);
  void stop(Outcome outcome, std::string reason_code, std::string message, json detail);
  void observed_after_failure(const Observed& seen);

  std::vector<StepItem> items_;
  std::size_t at_ = 0;
  Want want_ = Want::end;
  std::optional<Performed> doubtful_;  // an answer that does not prove what happened
  std::optional<Closed> closed_;
  StepEnd end_;
};

}  // namespace rebottle::worker
