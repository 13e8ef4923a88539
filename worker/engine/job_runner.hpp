// Carries one claimed job from its present state to a final one, or to needs_attention: observes, commits the intent,
// performs, commits the result, decides, moves on.
// Not here: claiming (scheduler), the decisions themselves (step_cursor, statemachine).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "worker/engine/build_log.hpp"
#include "worker/engine/engine.hpp"
#include "worker/engine/job_journal.hpp"
#include "worker/engine/step_cursor.hpp"

namespace rebottle::worker {

class JobRunner {
 public:
  // `engine` outlives the runner. `job` is in a working state and its fence belongs to this epoch.
  JobRunner(Engine& engine, std::shared_ptr<JobControl> control, schema::Job job);

  // Returns when the job needs no worker any more, when the service halts it, or when its ownership is lost.
  // Survives a database that fails for a while. The runner outlives the coroutine.
  awaitable<void> run();
  // Whether the job needs no worker any more.
  [[nodiscard]] bool finished() const { return !statemachine::is_working(job_.state); }

 private:
  enum class Gate : std::uint8_t {
    open,       // go on
    cancelled,  // a person wants the job to end
    halted,     // the service stops; leave everything as it is
  };
  enum class Go : std::uint8_t { on, ended };

  // One try of the present step and what follows from it.
  awaitable<Go> run_step();
  awaitable<void> load();
  void know(schema::Job job);
  awaitable<Gate> gate(std::optional<Milliseconds> not_before);
  void rest(bool frozen);
  [[nodiscard]] bool must_halt() const;
  [[nodiscard]] bool cancel_wanted() const;
  [[nodiscard]] bool untouched() const;

  // Empty if the service halts the job.
  awaitable<std::optional<StepEnd>> attempt();
  [[nodiscard]] bool never_found(const StepEnd& end) const;
  awaitable<void> look_elsewhere(StepEnd& end);  // another backend that has the bottle makes it a refusal
  [[nodiscard]] std::variant<std::vector<StepItem>, StepEnd> plan_step();
  // The effect that was just closed may have added others to the step.
  void follow_facts(StepCursor& cursor);
  awaitable<void> perform(StepCursor& cursor);
  awaitable<Performed> call(StepItem item);
  awaitable<void> wait_for_interrupt();
  awaitable<void> note_closed(StepCursor::Closed closed);

  awaitable<Go> settle(StepEnd end);
  awaitable<Go> wait_for_engine(StepEnd end);
  [[nodiscard]] bool silence_is_due() const;  // to be recorded
  awaitable<void> move(statemachine::Event event, StepEnd end, Milliseconds pause, bool attempt_spent);
  [[nodiscard]] schema::Advance::Move make_move(statemachine::Event event, const StepEnd& end, Milliseconds pause,
                                                bool attempt_spent) const;
  void explain(schema::Advance::Move& move, const StepEnd& end) const;
  void add_ending(schema::Advance& advance, State to) const;
  [[nodiscard]] std::optional<Milliseconds> down_for() const;

  [[nodiscard]] schema::Advance new_advance();
  awaitable<void> flush();
  awaitable<bool> commit(schema::Advance advance);  // false: a freeze forbids the move, and nothing was written

  Engine& engine_;
  std::shared_ptr<JobControl> control_;
  Backend* backend_;
  schema::Job job_;
  JobContext context_;  // prints into build_log_
  BuildLog build_log_;
  std::optional<schema::ArgsError> args_error_;
  JobJournal journal_;
  bool loaded_ = false;

  // The last effect's result, on its way into the next commit.
  std::optional<StepCursor::Closed> unrecorded_;
  std::optional<Milliseconds> down_since_;  // as in the row, but steady
  // While the engine does not answer: since when, how often asked, when recorded last, not to be asked before; steady.
  std::optional<Milliseconds> silent_since_;
  int silent_tries_ = 0;
  Milliseconds silence_recorded_at_ = 0;
  std::optional<Milliseconds> not_before_;
};

}  // namespace rebottle::worker
