// One try of a step: which effects it has, and for each the look, the intent, the call and its result.
// Not here: what follows from the try's end (job_runner_settle.cpp).
#include <exception>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "worker/engine/failpoint.hpp"
#include "worker/engine/job_runner.hpp"
#include "worker/engine/log.hpp"
#include "worker/engine/other_backend.hpp"
#include "worker/engine/task_group.hpp"

namespace rebottle::worker {

using statemachine::to_string;

namespace {

// A backend that throws has not said what happened: the world will be asked.
awaitable<Performed> guarded_perform(Backend& backend, const JobContext& job, const Effect& effect,
                                     Direction direction) {
  std::exception_ptr error;
  try {
    auto done = co_await backend.perform(job, effect, direction);
    co_return done;
  } catch (...) {
    error = std::current_exception();
  }
  co_return Performed::failed(Outcome::unknown, "backend_exception", effect.name + ": " + what_of(error));
}

awaitable<Observed> guarded_observe(Backend& backend, const JobContext& job, const Effect& effect,
                                    Direction direction) {
  std::exception_ptr error;
  try {
    auto seen = co_await backend.observe(job, effect, direction);
    co_return seen;
  } catch (...) {
    error = std::current_exception();
  }
  Observed blind;
  blind.world = World::unknown;
  blind.detail = what_of(error);
  co_return blind;
}

}  // namespace

std::variant<std::vector<StepItem>, StepEnd> JobRunner::plan_step() {
  if (backend_ == nullptr) {
    auto refusal = engine_.backends.refusal(job_.approval.backend);
    // Past stop nobody but a person can help: without the backend there is no way forward and none back.
    return ended(untouched() ? Outcome::unsupported : Outcome::unknown, std::move(refusal.reason_code),
                 std::move(refusal.message), std::move(refusal.detail));
  }
  if (args_error_)
    return ended(Outcome::permanent, "args_invalid", args_error_->text(), {{"field", args_error_->field}});
  try {
    if (job_.state != State::rollback) return journal_.forward_items(backend_->effects(context_, job_.state));
    std::vector<Effect> known;
    for (const auto step : {State::stop, State::apply, State::restart, State::verify})
      for (auto& effect : backend_->effects(context_, step)) known.push_back(std::move(effect));
    std::vector<std::string> lost;
    auto items = journal_.rollback_items(known, backend_->effects(context_, State::rollback), lost);
    if (lost.empty()) return items;
    return ended(Outcome::permanent, "journal_unknown_effect",
                 "The journal holds effects that this version's backend does not know: the way back is not certain.",
                 {{"effects", lost}});
  } catch (const std::exception& error) {
    return ended(Outcome::transient, "backend_exception", error.what());
  }
}

awaitable<std::optional<StepEnd>> JobRunner::attempt() {
  auto plan = plan_step();
  if (auto* end = std::get_if<StepEnd>(&plan)) co_return std::move(*end);
  StepCursor cursor(std::move(std::get<std::vector<StepItem>>(plan)));
  while (cursor.want() != StepCursor::Want::end) {
    if (cursor.want() == StepCursor::Want::perform) {
      co_await perform(cursor);
    } else {
      const auto item = cursor.item();
      auto seen = co_await guarded_observe(*backend_, context_, item.effect, item.direction);
      cursor.observed(seen);
    }
    auto closed = cursor.take_closed();
    if (closed) {
      co_await note_closed(std::move(*closed));
      follow_facts(cursor);
    }
    if (cursor.want() == StepCursor::Want::end) break;
    // Between an answer that proves nothing and the look at the world there is no boundary.
    if (cursor.in_doubt()) continue;
    const auto way = co_await gate(std::nullopt);
    if (way == Gate::cancelled) co_return cut_short();
    if (way == Gate::halted) {
      co_await flush();
      co_return std::nullopt;
    }
  }
  auto end = cursor.end();
  if (never_found(end)) co_await look_elsewhere(end);
  co_return end;
}

// The admission itself found no such bottle; nothing was done before it.
bool JobRunner::never_found(const StepEnd& end) const {
  return job_.state == State::prepare && end.outcome == Outcome::stale && end.reason_code == bottle_not_found &&
         context_.facts.empty();
}

awaitable<void> JobRunner::look_elsewhere(StepEnd& end) {
  auto refusal = co_await in_other_backend(engine_, job_.approval.backend, job_.approval.bottle);
  if (!refusal) co_return;
  end.outcome = Outcome::unsupported;
  end.reason_code = std::move(refusal->reason_code);
  end.message = std::move(refusal->message);
  end.detail = std::move(refusal->detail);
}

void JobRunner::follow_facts(StepCursor& cursor) {
  if (job_.state == State::rollback) return;  // what is undone adds nothing
  auto plan = plan_step();
  if (auto* items = std::get_if<std::vector<StepItem>>(&plan)) cursor.follow(std::move(*items));
}

awaitable<void> JobRunner::perform(StepCursor& cursor) {
  const auto item = cursor.item();
  auto advance = new_advance();
  advance.intent = {item.direction, item.effect.name, item.effect.step};
  if (item.takes_down() && !job_.down_since) advance.down_since = engine_.clock.now();
  co_await commit(std::move(advance));
  journal_.opened(item.direction, item.effect.name, item.effect.step);
  build_log_.restart();
  [[maybe_unused]] const auto before = "intent:" + item.effect.name;
  REBOTTLE_FAILPOINT(before);
  log::debug("effect begins", {{"job", job_.job_id},
                               {"step", to_string(job_.state)},
                               {"effect", item.effect.name},
                               {"direction", to_string(item.direction)},
                               {"epoch", engine_.epoch_id}});
  auto done = co_await call(item);
  [[maybe_unused]] const auto after = "effect:" + item.effect.name;
  REBOTTLE_FAILPOINT(after);
  cursor.performed(done);
}

awaitable<Performed> JobRunner::call(StepItem item) {
  if (!item.effect.interruptible) {
    auto done = co_await guarded_perform(*backend_, context_, item.effect, item.direction);
    co_return done;
  }
  using namespace boost::asio::experimental::awaitable_operators;
  auto work = guarded_perform(*backend_, context_, item.effect, item.direction);
  auto interrupt = wait_for_interrupt();
  auto first = co_await (std::move(work) || std::move(interrupt));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  co_return Performed::failed(Outcome::unknown, "interrupted", item.effect.name + " was abandoned");
}

awaitable<void> JobRunner::wait_for_interrupt() {
  while (!must_halt() && !cancel_wanted()) co_await wait(engine_.clock, control_->changed, std::nullopt);
}

awaitable<void> JobRunner::note_closed(StepCursor::Closed closed) {
  // One commit carries one result: an adopted effect after an unrecorded one takes a commit of its own.
  if (unrecorded_) co_await flush();
  const auto& item = closed.item;
  journal_.closed(item.direction, item.effect.name, item.effect.step, closed.result);
  context_.facts = journal_.facts();
  // When the step began, a name that only the admission could find was not known yet.
  for (auto& effect : backend_->effects(context_, item.effect.step))
    if (effect.name == item.effect.name) closed.item.effect.summary = std::move(effect.summary);
  log::info(closed.adopted ? "effect found done" : "effect done", {{"job", job_.job_id},
                                                                   {"step", to_string(job_.state)},
                                                                   {"effect", item.effect.name},
                                                                   {"direction", to_string(item.direction)},
                                                                   {"epoch", engine_.epoch_id}});
  unrecorded_ = std::move(closed);
  silent_since_.reset();
  silent_tries_ = 0;
}

}  // namespace rebottle::worker
