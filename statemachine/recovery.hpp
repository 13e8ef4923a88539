// The recovery table: what the journal says about one effect × what the world says → what to do.
// It is consulted before *every* effect, so resuming after a crash is the ordinary path, not a special one.
// Not here: how the world is asked (worker/backends), how an action is carried out (worker/engine).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rebottle::statemachine {

// What the journal knows of an effect.
enum class Journal : std::uint8_t {
  blank,   // never tried
  open,    // an intent without a result: a crash or a lost answer may have hidden the outcome
  closed,  // recorded as done
};

// What the backend observes of an effect's result.
enum class World : std::uint8_t {
  absent,   // the result is not there
  present,  // it is there, and it is ours: right name, labels and content
  foreign,  // something else stands in its place, made or changed by someone else
  unknown,  // the backend could not be asked
};

enum class Direction : std::uint8_t {
  forward,  // the effect is wanted
  undo,     // the effect is to be taken back; "present" then means: it *is* taken back
};

enum class Action : std::uint8_t {
  perform,  // write the intent, then do it
  adopt,    // it is done already: record that
  skip,     // recorded and still true: go on
  redo,     // recorded, but the world lost it: do it again under a new intent
  drifted,  // someone else changed the bottle: stale before stop, roll back or ask a person after it
  wait,     // ask again later
};

struct RecoveryCase {
  Journal journal;
  World world;
  Action action;
  std::string_view why;
};

// Exactly one row for each of the twelve combinations, checked at compile time.
// clang-format off
inline constexpr auto recovery_cases = std::to_array<RecoveryCase>({
    {Journal::blank,  World::absent,  Action::perform, "the ordinary first try"},
    {Journal::blank,  World::present, Action::adopt,   "the wish is already true, as for a bottle that had stopped by itself"},
    {Journal::blank,  World::foreign, Action::drifted, "a name or place that we need is taken"},
    {Journal::blank,  World::unknown, Action::wait,    "never act blindly"},

    {Journal::open,   World::absent,  Action::perform, "the crash came before the effect, or the engine undid it"},
    {Journal::open,   World::present, Action::adopt,   "the crash came after the effect: its result is found and recorded"},
    {Journal::open,   World::foreign, Action::drifted, "someone used the gap"},
    {Journal::open,   World::unknown, Action::wait,    "the outcome can still be observed later"},

    {Journal::closed, World::absent,  Action::redo,    "an engine restart revived or dropped it"},
    {Journal::closed, World::present, Action::skip,    "done earlier in this job"},
    {Journal::closed, World::foreign, Action::drifted, "someone changed it after we did"},
    {Journal::closed, World::unknown, Action::wait,    "a closed row is no observation"},
});
// clang-format on

[[nodiscard]] constexpr const RecoveryCase* recovery_case(Journal journal, World world) {
  for (const auto& row : recovery_cases)
    if (row.journal == journal && row.world == world) return &row;
  return nullptr;
}

[[nodiscard]] constexpr Action recover(Journal journal, World world) { return recovery_case(journal, world)->action; }

[[nodiscard]] std::string_view to_string(Journal journal);
[[nodiscard]] std::string_view to_string(World world);
[[nodiscard]] std::string_view to_string(Action action);
[[nodiscard]] std::string_view to_string(Direction direction);

}  // namespace rebottle::statemachine
