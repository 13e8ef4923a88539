// The texts of all enumerators, and the compile-time proof that the tables are complete.
// Not here: any decision.
#include <algorithm>
#include <cstdlib>

#include "statemachine/machine.hpp"
#include "statemachine/recovery.hpp"
#include "statemachine/states.hpp"

namespace rebottle::statemachine {
namespace {

constexpr std::array<std::string_view, state_count> state_texts{
    "queued",         "prepare",         "snapshot",  "stop",        "apply",  "restart",   "verify",
    "rollback",       "needs_attention", "succeeded", "rolled_back", "failed", "cancelled", "rejected_unsupported",
    "rejected_stale", "resolved"};

constexpr std::array<std::string_view, event_count> event_texts{
    "claim",  "step_done", "step_retry", "step_failed", "step_unknown", "unsupported", "stale",
    "cancel", "resume",    "poison",     "retry",       "roll_back",    "resolve"};

constexpr bool is_dynamic(const Transition& row) {
  return row.from == State::needs_attention && row.on == Event::retry;
}

constexpr bool rows_unique() {
  for (std::size_t i = 0; i < transitions.size(); ++i)
    for (std::size_t j = i + 1; j < transitions.size(); ++j) {
      const auto &a = transitions[i], &b = transitions[j];
      if (a.from == b.from && a.on == b.on && !(is_dynamic(a) && a.to != b.to)) return false;
    }
  for (const auto& row : ignored_events)
    for (const auto& move : transitions)
      if (row.in == move.from && row.on == move.on) return false;
  return true;
}

constexpr bool sorted_by_from() {
  return std::ranges::is_sorted(transitions, {}, [](const Transition& row) { return row.from; });
}

constexpr bool finals_have_no_exit() {
  return std::ranges::none_of(transitions, [](const Transition& row) { return is_final(row.from); });
}

constexpr bool every_state_reachable() {
  std::array<bool, state_count> seen{true};
  for (std::size_t pass = 0; pass < state_count; ++pass)
    for (const auto& row : transitions)
      if (seen[static_cast<std::size_t>(row.from)]) seen[static_cast<std::size_t>(row.to)] = true;
  return std::ranges::all_of(seen, [](bool reached) { return reached; });
}

// What every working state must answer, so that no outcome of a step and no crash leaves a job without a way on.
constexpr bool working_states_answer() {
  constexpr std::array wanted{Event::step_done,    Event::step_retry, Event::step_failed,
                              Event::step_unknown, Event::resume,     Event::poison};
  for (const auto& row : state_rows) {
    if (!is_working(row.state)) continue;
    for (const auto event : wanted)
      if (std::ranges::none_of(transitions, [&](const Transition& t) { return t.from == row.state && t.on == event; }))
        return false;
  }
  return true;
}

constexpr bool rows_in_order() {
  for (std::size_t i = 0; i < state_count; ++i)
    if (static_cast<std::size_t>(state_rows[i].state) != i) return false;
  return true;
}

constexpr bool recovery_matches_once() {
  for (const auto journal : {Journal::blank, Journal::open, Journal::closed})
    for (const auto world : {World::absent, World::present, World::foreign, World::unknown})
      if (std::ranges::count_if(recovery_cases, [&](const RecoveryCase& row) {
            return row.journal == journal && row.world == world;
          }) != 1)
        return false;
  return true;
}

constexpr bool texts_present() {
  return std::ranges::none_of(state_texts, &std::string_view::empty) &&
         std::ranges::none_of(event_texts, &std::string_view::empty);
}

static_assert(rows_unique(), "a (from, on) pair stands twice");
static_assert(sorted_by_from(), "the table reads by `from`");
static_assert(finals_have_no_exit());
static_assert(every_state_reachable());
static_assert(working_states_answer());
static_assert(state_rows.size() == state_count && rows_in_order(), "state_rows lists each state once, in order");
static_assert(recovery_matches_once(), "each journal × world has exactly one row");
static_assert(texts_present());

}  // namespace

std::string_view to_string(State state) { return state_texts[static_cast<std::size_t>(state)]; }
std::string_view to_string(Event event) { return event_texts[static_cast<std::size_t>(event)]; }

std::string_view to_string(By by) {
  switch (by) {
    case By::worker: return "worker";
    case By::recovery: return "recovery";
    case By::person: return "person";
  }
  std::abort();
}

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::waiting: return "waiting";
    case Phase::untouched: return "untouched";
    case Phase::touched: return "touched";
    case Phase::attention: return "attention";
    case Phase::final_: return "final";
  }
  std::abort();
}

std::string_view to_string(Journal journal) {
  switch (journal) {
    case Journal::blank: return "blank";
    case Journal::open: return "open";
    case Journal::closed: return "closed";
  }
  std::abort();
}

std::string_view to_string(World world) {
  switch (world) {
    case World::absent: return "absent";
    case World::present: return "present";
    case World::foreign: return "foreign";
    case World::unknown: return "unknown";
  }
  std::abort();
}

std::string_view to_string(Action action) {
  switch (action) {
    case Action::perform: return "perform";
    case Action::adopt: return "adopt";
    case Action::skip: return "skip";
    case Action::redo: return "redo";
    case Action::drifted: return "drifted";
    case Action::wait: return "wait";
  }
  std::abort();
}

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::forward: return "forward";
    case Direction::undo: return "undo";
  }
  std::abort();
}

std::optional<State> state_from(std::string_view text) {
  const auto found = std::ranges::find(state_texts, text);
  if (found == state_texts.end()) return std::nullopt;
  return static_cast<State>(found - state_texts.begin());
}

std::optional<Event> event_from(std::string_view text) {
  const auto found = std::ranges::find(event_texts, text);
  if (found == event_texts.end()) return std::nullopt;
  return static_cast<Event>(found - event_texts.begin());
}

}  // namespace rebottle::statemachine
