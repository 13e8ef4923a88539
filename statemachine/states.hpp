// What each state means for the job and for the bottle: one row per state, and the texts of all enumerators.
// Not here: how one state leads to another (transitions.hpp).
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "statemachine/transitions.hpp"

namespace rebottle::statemachine {

// The stretch of a job's life that a state belongs to.
enum class Phase : std::uint8_t {
  waiting,    // not claimed
  untouched,  // claimed; the bottle runs as before
  touched,    // the bottle is being changed, or changed back
  attention,  // a person decides; the bottle stays excluded from other jobs
  final_,     // no exit
};

struct StateRow {
  State state;
  Phase phase;
  std::string_view bottle;     // what the bottle is doing, for people
  std::string_view meaning;    // one sentence, for people
  std::string_view operator_;  // what a person can do now
};

// clang-format off
inline constexpr auto state_rows = std::to_array<StateRow>({
    {State::queued,               Phase::waiting,   "as before",       "Waits for its turn.",                                                                    "cancel"},
    {State::prepare,              Phase::untouched, "runs",            "Checks that the change is possible and makes all that can be made beforehand.",          "cancel"},
    {State::snapshot,             Phase::untouched, "runs",            "Makes the way back durable and looks for drift a last time.",                            "cancel"},
    {State::stop,                 Phase::touched,   "going down",      "Stops the bottle within a deadline.",                                                    "cancel (rolls back)"},
    {State::apply,                Phase::touched,   "down",            "Keeps the snapshot paths, parks the old bottle and puts the new one in its place.",      "cancel (rolls back)"},
    {State::restart,              Phase::touched,   "coming up",       "Starts the changed bottle.",                                                             "cancel (rolls back)"},
    {State::verify,               Phase::touched,   "runs changed",    "Proves that the changed bottle runs, is healthy and stays so.",                          "cancel (rolls back)"},
    {State::rollback,             Phase::touched,   "coming back",     "Undoes in reverse what the journal says was done, and proves the result.",               "wait"},
    {State::needs_attention,      Phase::attention, "see evidence",    "Neither the change nor the way back could be proved.",                                   "retry, rollback or resolve"},
    {State::succeeded,            Phase::final_,    "runs changed",    "Changed and verified.",                                                                  "undo (while kept), or retry (a new job)"},
    {State::rolled_back,          Phase::final_,    "as it was",       "The change did not work out; the old bottle is back and no worse than before.",          "retry (a new job)"},
    {State::failed,               Phase::final_,    "untouched",       "The change could not be prepared.",                                                      "retry (a new job)"},
    {State::cancelled,            Phase::final_,    "untouched",       "A person cancelled it in time.",                                                         "retry (a new job)"},
    {State::rejected_unsupported, Phase::final_,    "untouched",       "The backend cannot do this; reason_code and detail name what is missing.",               "retry (a new job)"},
    {State::rejected_stale,       Phase::final_,    "untouched",       "The approval expired, or the bottle is not what was approved any more.",                 "approve anew, or retry (a new job)"},
    {State::resolved,             Phase::final_,    "see resolution",  "A person settled it by hand and recorded how.",                                          "retry (a new job)"},
});
// clang-format on

[[nodiscard]] constexpr const StateRow& row_of(State state) { return state_rows[static_cast<std::size_t>(state)]; }
[[nodiscard]] constexpr bool is_final(State state) { return row_of(state).phase == Phase::final_; }
// A job in such a state has an owner (an epoch) and is resumed after a crash.
[[nodiscard]] constexpr bool is_working(State state) {
  return row_of(state).phase == Phase::untouched || row_of(state).phase == Phase::touched;
}

// The texts that database, CLI and docs use; the reverse is empty for any other text.
[[nodiscard]] std::string_view to_string(State state);
[[nodiscard]] std::string_view to_string(Event event);
[[nodiscard]] std::string_view to_string(By by);
[[nodiscard]] std::string_view to_string(Phase phase);
[[nodiscard]] std::optional<State> state_from(std::string_view text);
[[nodiscard]] std::optional<Event> event_from(std::string_view text);

}  // namespace rebottle::statemachine
