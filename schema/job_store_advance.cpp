// Progress of an owned job: the end of one effect, the transition and the next intent, in one commit.
// Not here: who owns the job (job_store_owner.cpp), what the progress should be (worker/engine).
#include "schema/sqlite_job_store.hpp"

namespace rebottle::schema {
namespace {

using statemachine::Event;
using statemachine::State;

std::string_view text_or_empty_object(const std::string& text) { return text.empty() ? "{}" : std::string_view(text); }

// An effect that did not prove itself stays open: something may have happened, and must be observed first.
bool proves_done(const Advance::EffectResult& finished) {
  return finished.outcome == "done" || finished.outcome == "adopted";
}

void bind_guard(Use& use, const Advance& advance) {
  use.bind(":job_id", advance.job_id)
      .bind(":state", statemachine::to_string(advance.state))
      .bind(":fence", advance.fence)
      .bind(":actor", advance.actor)
      .bind(":now", advance.now);
}

void bind_downtime(Use& use, const Advance& advance, bool carries) {
  const bool up = carries && advance.up_again;
  const bool down = carries && !up && advance.down_since.has_value();
  use.bind(":down_since", carries ? advance.down_since : std::nullopt)
      .bind(":up", std::int64_t{up})
      .bind(":mark", up     ? R"({"downtime":"ends"})"
                     : down ? R"({"downtime":"begins"})"
                            : "{}");
}

}  // namespace

Result<Job> SqliteJobStore::advance(const Advance& advance) {
  return write("cannot advance a job", [&]() -> Result<Job> {
    const auto found = find_job(advance.job_id);
    if (!found) return StoreErrc::not_found;
    if (found->state != advance.state || found->fence != advance.fence || !is_newest(found->epoch_id))
      return StoreErrc::ownership_lost;
    // Asked here, where no freeze can be answered in between.
    if (found->state == State::snapshot && advance.move && advance.move->to == State::stop &&
        is_frozen(found->approval, advance.now))
      return StoreErrc::frozen;

    // The downtime rides on the first row that is written, or gets a note of its own.
    bool downtime = advance.down_since.has_value() || advance.up_again;
    const auto carries_downtime = [&downtime] { return std::exchange(downtime, false); };
    if (advance.finished) {
      close_intent(advance, *advance.finished);
      record_effect(advance, carries_downtime());
    }
    if (!advance.note.empty()) record_note(advance, advance.note, carries_downtime());
    if (downtime && !advance.move)
      record_note(advance, advance.up_again ? "the bottle is up again" : "the bottle goes down", carries_downtime());
    if (advance.move) record_move(advance, *advance.move, carries_downtime());
    if (advance.intent) open_intent(advance, *advance.intent);
    for (const auto& leftover : advance.leftovers) add_leftover(*found, leftover, advance.now);
    if (advance.current)
      Use(statements_.bottle_changed)
          .bind(":backend", found->approval.backend)
          .bind(":bottle", found->approval.bottle)
          .bind(":current", *advance.current)
          .bind(":now", advance.now)
          .run();
    if (advance.build_log) keep_build_log(advance, *advance.build_log);
    if (found->undoes && advance.move && advance.move->to == State::succeeded)
      withdraw_leftovers(*found->undoes, advance.now);
    return existing_job(advance.job_id);
  });
}

void SqliteJobStore::record_effect(const Advance& advance, bool carries_downtime) {
  Use use(statements_.advance_effect);
  bind_guard(use, advance);
  bind_downtime(use, advance, carries_downtime);
  use.bind(":effect", advance.finished->effect)
      .bind(":direction", statemachine::to_string(advance.finished->direction))
      .bind(":outcome", advance.finished->outcome)
      .bind(":summary", text_or_empty_object(advance.finished->summary))
      .run();
}

void SqliteJobStore::record_note(const Advance& advance, const std::string& note, bool carries_downtime) {
  Use use(statements_.advance_note);
  bind_guard(use, advance);
  bind_downtime(use, advance, carries_downtime);
  use.bind(":note", note).run();
}

void SqliteJobStore::record_move(const Advance& advance, const Advance::Move& move, bool carries_downtime) {
  Use use(statements_.advance_move);
  bind_guard(use, advance);
  bind_downtime(use, advance, carries_downtime);
  // A step that got through in the end takes the reason of its failed tries along; a roll-back keeps its cause.
  const bool clear = move.event == Event::step_done && move.to != State::rolled_back && move.reason_code.empty();
  use.bind(":to", statemachine::to_string(move.to))
      .bind(":event", statemachine::to_string(move.event))
      .bind(":data", text_or_empty_object(move.data))
      .bind(":clear", std::int64_t{clear})
      .bind_or_null(":reason_code", move.reason_code)
      .bind_or_null(":message", move.message)
      .bind_or_null(":detail", move.detail)
      .bind(":attempt", std::int64_t{move.attempt})
      .bind(":crashes", std::int64_t{move.crashes})
      .bind(":retry_at", move.retry_at);
  if (move.interrupted)
    use.bind(":interrupted", statemachine::to_string(*move.interrupted));
  else
    use.bind(":interrupted", std::optional<std::string>());
  use.bind(":finalized_at", statemachine::is_final(move.to) ? std::optional(advance.now) : std::nullopt).run();
}

void SqliteJobStore::open_intent(const Advance& advance, const Advance::Intent& intent) {
  const auto bind_key = [&](Use& use) {
    use.bind(":job_id", advance.job_id)
        .bind(":direction", statemachine::to_string(intent.direction))
        .bind(":effect", intent.effect)
        .bind(":step", statemachine::to_string(intent.step))
        .bind(":fence", advance.fence)
        .bind(":now", advance.now);
  };
  Use again(statements_.open_intent);
  bind_key(again);
  if (again.run() > 0) return;
  Use first(statements_.insert_intent);
  bind_key(first);
  first.bind(":status", "open")
      .bind(":tries", std::int64_t{1})
      .bind(":closed_at", std::optional<std::int64_t>())
      .bind(":outcome", "")
      .bind(":result", "{}")
      .run();
}

void SqliteJobStore::close_intent(const Advance& advance, const Advance::EffectResult& finished) {
  const bool done = proves_done(finished);
  const std::optional<Milliseconds> closed_at = done ? std::optional(advance.now) : std::nullopt;
  const auto bind_end = [&](Use& use) {
    use.bind(":job_id", advance.job_id)
        .bind(":direction", statemachine::to_string(finished.direction))
        .bind(":effect", finished.effect)
        .bind(":status", done ? "closed" : "open")
        .bind(":fence", advance.fence)
        .bind(":closed_at", closed_at)
        .bind(":outcome", finished.outcome)
        .bind(":result", done ? text_or_empty_object(finished.result) : "{}");
  };
  Use close(statements_.close_intent);
  bind_end(close);
  if (close.run() > 0 || !done) return;
  // Found done without ever having been tried: adopted.
  Use adopt(statements_.insert_intent);
  bind_end(adopt);
  adopt.bind(":step", statemachine::to_string(advance.state))
      .bind(":tries", std::int64_t{0})
      .bind(":now", advance.now)
      .run();
}

void SqliteJobStore::add_leftover(const Job& job, const Leftover& leftover, Milliseconds now) {
  Use revive(statements_.revive_leftover);
  revive.bind(":job_id", job.job_id)
      .bind(":kind", leftover.kind)
      .bind(":reference", leftover.reference)
      .bind(":not_before", leftover.not_before);
  if (revive.run() > 0) return;
  Use(statements_.insert_leftover)
      .bind(":job_id", job.job_id)
      .bind(":backend", job.approval.backend)
      .bind(":kind", leftover.kind)
      .bind(":reference", leftover.reference)
      .bind(":not_before", leftover.not_before)
      .bind(":way_back", std::int64_t{leftover.way_back})
      .bind(":now", now)
      .run();
}

void SqliteJobStore::withdraw_leftovers(std::int64_t job_id, Milliseconds now) {
  Use(statements_.withdraw_leftovers).bind(":job_id", job_id).bind(":now", now).run();
}

void SqliteJobStore::keep_build_log(const Advance& advance, const BuildLog& log) {
  const auto bind_log = [&](Use& use) -> Use& {
    return use.bind(":job_id", advance.job_id)
        .bind(":head", log.head)
        .bind(":tail", log.tail)
        .bind(":cut_bytes", log.cut_bytes)
        .bind(":now", advance.now);
  };
  Use again(statements_.write_build_log);
  if (bind_log(again).run() > 0) return;
  Use first(statements_.insert_build_log);
  bind_log(first).run();
}

}  // namespace rebottle::schema
