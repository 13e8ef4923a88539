// The state machine of a job: every state, every event, every transition, in one table.
// Not here: what a step does (worker/backends) and when an event is raised (policy.hpp, recovery.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rebottle::statemachine {

// Enumerators equal the text in the database, in the CLI and in the docs.
enum class State : std::uint8_t {
  queued,                // waits for its turn
  prepare,               // admission, baseline, and all that can fail early; the bottle runs
  snapshot,              // makes the way back durable, looks for drift a last time; the bottle runs
  stop,                  // graceful stop within a deadline
  apply,                 // keeps the paths, parks the old one, puts the new one in its place
  restart,               // starts the changed bottle
  verify,                // proves that it works; passing it is the commit point
  rollback,              // undoes, in reverse, what the journal says was done
  needs_attention,       // neither way could be proved: a person decides
  succeeded,             // changed and verified
  rolled_back,           // as it was
  failed,                // untouched; the change could not be prepared
  cancelled,             // untouched; a person changed their mind
  rejected_unsupported,  // untouched; the backend cannot do this, reason_code says what is missing
  rejected_stale,        // untouched; expired, or the bottle is not what was approved any more
  resolved,              // a person settled it by hand and said how
};

enum class Event : std::uint8_t {
  claim,         // the worker takes the job
  step_done,     // every effect of the step is proved done
  step_retry,    // a transient failure: the same step again, after a pause
  step_failed,   // a permanent failure, or attempts or the downtime budget are used up
  step_unknown,  // an effect's outcome could not be observed
  unsupported,   // the backend cannot do it; nothing was called that changes anything
  stale,         // the approval expired, or the bottle drifted
  cancel,        // a person asked for it
  resume,        // a new epoch of the worker takes an in-flight job over
  poison,        // the worker died too often in this step
  retry,         // a person wants the interrupted step tried again
  roll_back,     // a person wants the old bottle back
  resolve,       // a person settled it by hand
};

// Who raises the event.
enum class By : std::uint8_t { worker, recovery, person };

struct Transition {
  State from;
  Event on;
  State to;
  By by;
  std::string_view why;  // empty where the names say it all
};

// Sorted by `from`. (from, on) is unique, except for needs_attention × retry, whose target is the step
// that was interrupted.
// clang-format off
inline constexpr auto transitions = std::to_array<Transition>({
    {State::queued,          Event::claim,        State::prepare,              By::worker,   ""},
    {State::queued,          Event::unsupported,  State::rejected_unsupported, By::worker,   "known from the row and the last probe alone"},
    {State::queued,          Event::stale,        State::rejected_stale,       By::worker,   "expired before its turn came"},
    {State::queued,          Event::cancel,       State::cancelled,            By::person,   ""},

    {State::prepare,         Event::step_done,    State::snapshot,             By::worker,   ""},
    {State::prepare,         Event::step_retry,   State::prepare,              By::worker,   ""},
    {State::prepare,         Event::step_failed,  State::failed,               By::worker,   ""},
    {State::prepare,         Event::step_unknown, State::failed,               By::worker,   "what was made is a leftover; the bottle never knew"},
    {State::prepare,         Event::unsupported,  State::rejected_unsupported, By::worker,   ""},
    {State::prepare,         Event::stale,        State::rejected_stale,       By::worker,   ""},
    {State::prepare,         Event::cancel,       State::cancelled,            By::person,   ""},
    {State::prepare,         Event::resume,       State::prepare,              By::recovery, ""},
    {State::prepare,         Event::poison,       State::failed,               By::recovery, ""},

    {State::snapshot,        Event::step_done,    State::stop,                 By::worker,   "the last exit that leaves the bottle untouched is behind us"},
    {State::snapshot,        Event::step_retry,   State::snapshot,             By::worker,   ""},
    {State::snapshot,        Event::step_failed,  State::failed,               By::worker,   ""},
    {State::snapshot,        Event::step_unknown, State::failed,               By::worker,   ""},
    {State::snapshot,        Event::unsupported,  State::rejected_unsupported, By::worker,   "the engine changed meanwhile"},
    {State::snapshot,        Event::stale,        State::rejected_stale,       By::worker,   ""},
    {State::snapshot,        Event::cancel,       State::cancelled,            By::person,   ""},
    {State::snapshot,        Event::resume,       State::snapshot,             By::recovery, ""},
    {State::snapshot,        Event::poison,       State::failed,               By::recovery, ""},

    {State::stop,            Event::step_done,    State::apply,                By::worker,   ""},
    {State::stop,            Event::step_retry,   State::stop,                 By::worker,   ""},
    {State::stop,            Event::step_failed,  State::rollback,             By::worker,   ""},
    {State::stop,            Event::step_unknown, State::needs_attention,      By::worker,   ""},
    {State::stop,            Event::cancel,       State::rollback,             By::person,   ""},
    {State::stop,            Event::resume,       State::stop,                 By::recovery, ""},
    {State::stop,            Event::poison,       State::rollback,             By::recovery, ""},

    {State::apply,           Event::step_done,    State::restart,              By::worker,   ""},
    {State::apply,           Event::step_retry,   State::apply,                By::worker,   ""},
    {State::apply,           Event::step_failed,  State::rollback,             By::worker,   ""},
    {State::apply,           Event::step_unknown, State::needs_attention,      By::worker,   ""},
    {State::apply,           Event::cancel,       State::rollback,             By::person,   ""},
    {State::apply,           Event::resume,       State::apply,                By::recovery, ""},
    {State::apply,           Event::poison,       State::rollback,             By::recovery, ""},

    {State::restart,         Event::step_done,    State::verify,               By::worker,   ""},
    {State::restart,         Event::step_retry,   State::restart,              By::worker,   ""},
    {State::restart,         Event::step_failed,  State::rollback,             By::worker,   ""},
    {State::restart,         Event::step_unknown, State::needs_attention,      By::worker,   ""},
    {State::restart,         Event::cancel,       State::rollback,             By::person,   ""},
    {State::restart,         Event::resume,       State::restart,              By::recovery, ""},
    {State::restart,         Event::poison,       State::rollback,             By::recovery, ""},

    {State::verify,          Event::step_done,    State::succeeded,            By::worker,   "the commit point"},
    {State::verify,          Event::step_retry,   State::verify,               By::worker,   ""},
    {State::verify,          Event::step_failed,  State::rollback,             By::worker,   ""},
    {State::verify,          Event::step_unknown, State::needs_attention,      By::worker,   ""},
    {State::verify,          Event::cancel,       State::rollback,             By::person,   ""},
    {State::verify,          Event::resume,       State::verify,               By::recovery, ""},
    {State::verify,          Event::poison,       State::rollback,             By::recovery, ""},

    {State::rollback,        Event::step_done,    State::rolled_back,          By::worker,   "no worse than the baseline, and proved"},
    {State::rollback,        Event::step_retry,   State::rollback,             By::worker,   ""},
    {State::rollback,        Event::step_failed,  State::needs_attention,      By::worker,   ""},
    {State::rollback,        Event::step_unknown, State::needs_attention,      By::worker,   ""},
    {State::rollback,        Event::resume,       State::rollback,             By::recovery, ""},
    {State::rollback,        Event::poison,       State::needs_attention,      By::recovery, ""},

    {State::needs_attention, Event::retry,        State::stop,                 By::person,   "where stop was interrupted"},
    {State::needs_attention, Event::retry,        State::apply,                By::person,   "where apply was interrupted"},
    {State::needs_attention, Event::retry,        State::restart,              By::person,   "where restart was interrupted"},
    {State::needs_attention, Event::retry,        State::verify,               By::person,   "where verify was interrupted"},
    {State::needs_attention, Event::retry,        State::rollback,             By::person,   "where rollback was interrupted"},
    {State::needs_attention, Event::roll_back,    State::rollback,             By::person,   ""},
    {State::needs_attention, Event::resolve,      State::resolved,             By::person,   ""},
});

// Legal, without effect on the state: recorded in the history. Whatever is in neither table is refused.
struct Ignored {
  State in;
  Event on;
  std::string_view why;
};

inline constexpr auto ignored_events = std::to_array<Ignored>({
    {State::rollback,             Event::cancel, "too late: the old bottle is already on its way back"},
    {State::succeeded,            Event::cancel, "too late: the change is verified"},
    {State::rolled_back,          Event::cancel, "too late: the bottle is as it was"},
    {State::failed,               Event::cancel, "too late: the job ended without touching the bottle"},
    {State::cancelled,            Event::cancel, "already cancelled"},
    {State::rejected_unsupported, Event::cancel, "too late: the job was refused"},
    {State::rejected_stale,       Event::cancel, "too late: the job was refused"},
    {State::resolved,             Event::cancel, "too late: a person settled it"},
});
// clang-format on

inline constexpr std::size_t state_count = static_cast<std::size_t>(State::resolved) + 1;
inline constexpr std::size_t event_count = static_cast<std::size_t>(Event::resolve) + 1;

}  // namespace rebottle::statemachine
