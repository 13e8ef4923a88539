// What is known of one job's effects: the journal's rows, kept in step with what this process commits.
// Not here: writing the journal (schema), reading the world (backends).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/rows.hpp"
#include "worker/engine/step_cursor.hpp"

namespace rebottle::worker {

class JobJournal {
 public:
  JobJournal() = default;
  // Throws nlohmann::json::exception if a result is no JSON.
  explicit JobJournal(const std::vector<schema::JournalRow>& rows);

  [[nodiscard]] statemachine::Journal status(Direction direction, std::string_view effect) const;
  void opened(Direction direction, const std::string& effect, State step);
  void closed(Direction direction, const std::string& effect, State step, json result);

  // Effect name → result of each closed forward effect.
  [[nodiscard]] json facts() const;

  // A forward step: its effects in order.
  [[nodiscard]] std::vector<StepItem> forward_items(std::vector<Effect> effects) const;
  // The effects of stop, tried or not, and those after it that were tried, last first, as undo items, then `proofs`.
  // `known` are the effects of stop … verify in order; what is journalled but not among them is named in `lost`.
  [[nodiscard]] std::vector<StepItem> rollback_items(const std::vector<Effect>& known, std::vector<Effect> proofs,
                                                     std::vector<std::string>& lost) const;

 private:
  struct Entry {
    Direction direction{};
    std::string effect;
    State step{};
    statemachine::Journal status{};
    json result;
  };
  Entry& entry(Direction direction, const std::string& effect, State step);
  [[nodiscard]] const Entry* find(Direction direction, std::string_view effect) const;

  std::vector<Entry> entries_;  // in the order of the first tries
};

}  // namespace rebottle::worker
