// The coroutine that obeys the step cursor and the policy. Not here: any rule about states; where one is needed,
// statemachine is asked.
#include "worker/engine/job_runner.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>

#include "statemachine/machine.hpp"
#include "worker/engine/failpoint.hpp"
#include "worker/engine/log.hpp"
#include "worker/engine/takeover.hpp"

namespace rebottle::worker {

using statemachine::Event;
using statemachine::to_string;

namespace {

constexpr Milliseconds database_pause_first = 200;
constexpr Milliseconds database_pause_max = 5'000;
constexpr Milliseconds silent_pause_max_touched = 2'000;  // a bottle that is down is looked at often
constexpr Milliseconds silent_record_pause = 30'000;      // between history rows about an engine that is silent

// The write was refused because the job is not ours any more.
struct OwnershipLost {
  std::string why;
};

std::string what_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "unknown exception";
  }
}

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

bool takes_down(const StepItem& item) {
  return item.direction == Direction::forward ? item.effect.begins_downtime : item.effect.ends_downtime;
}
bool brings_up(const StepItem& item) {
  return item.direction == Direction::forward ? item.effect.ends_downtime : item.effect.begins_downtime;
}

schema::Advance::EffectResult result_of(const StepCursor::Closed& closed) {
  schema::Advance::EffectResult result;
  result.direction = closed.item.direction;
  result.effect = closed.item.effect.name;
  result.outcome = closed.adopted ? "adopted" : "done";
  result.result = closed.result.dump();
  result.summary = json{{"summary", closed.item.effect.summary}}.dump();
  return result;
}

schema::Advance::EffectResult failure_of(const StepEnd& end) {
  schema::Advance::EffectResult result;
  result.direction = end.direction;
  result.effect = end.effect;
  result.outcome = end.outcome == Outcome::unreachable || end.outcome == Outcome::unknown ? "unknown" : "failed";
  result.result = "{}";
  result.summary = json{{"reason_code", end.reason_code}, {"message", end.message}}.dump();
  return result;
}

std::string_view word(Outcome outcome) {
  switch (outcome) {
    case Outcome::done: return "done";
    case Outcome::transient: return "transient";
    case Outcome::unreachable: return "unreachable";
    case Outcome::permanent: return "permanent";
    case Outcome::unknown: return "unknown";
    case Outcome::unsupported: return "unsupported";
    case Outcome::stale: return "stale";
  }
  std::abort();
}

StepEnd ended(Outcome outcome, std::string reason_code, std::string message, json detail = json::object()) {
  StepEnd end;
  end.outcome = outcome;
  end.reason_code = std::move(reason_code);
  end.message = std::move(message);
  end.detail = std::move(detail);
  return end;
}

// A try that a cancel ended between two effects: whatever it was on the way to, it is not done.
StepEnd cut_short() { return ended(Outcome::transient, "cancelled", "The step was cut short by a cancel."); }

}  // namespace

JobRunner::JobRunner(Engine& engine, std::shared_ptr<JobControl> control, schema::Job job)
    : engine_(engine),
      control_(std::move(control)),
      backend_(engine.backends.find(job.approval.backend)),
      job_(std::move(job)) {}

awaitable<void> JobRunner::run() {
  Milliseconds pause = database_pause_first;
  for (;;) {
    std::string broken;
    try {
      if (!loaded_) co_await load();
      const auto go = co_await run_step();
      if (go == Go::ended) co_return;
      pause = database_pause_first;
    } catch (const OwnershipLost& lost) {
      log::warning("ownership lost: another owner has the job; the bottle is left alone",
                   {{"job", job_.job_id}, {"why", lost.why}, {"epoch", engine_.epoch_id}});
      co_return;
    } catch (const schema::StoreError& error) {
      broken = error.what();
    }
    if (broken.empty()) continue;
    // What the last commit did is unknown, so everything is read and observed again.
    log::error("the database failed; the job waits", {{"job", job_.job_id},
                                                      {"state", to_string(job_.state)},
                                                      {"error", broken},
                                                      {"pause_ms", pause},
                                                      {"epoch", engine_.epoch_id}});
    loaded_ = false;
    const auto until = engine_.clock.now() + pause;
    while (engine_.clock.now() < until) {
      if (must_halt()) co_return;
      co_await wait(engine_.clock, control_->changed, until);
    }
    pause = std::min(pause * 2, database_pause_max);
  }
}

awaitable<void> JobRunner::load() {
  struct Loaded {
    schema::Result<schema::Job> job;
    std::vector<schema::JournalRow> journal;
  };
  auto work = [id = job_.job_id](schema::JobStore& store) { return Loaded{store.job(id), store.journal(id)}; };
  auto loaded = co_await engine_.store.run(std::move(work));
  if (loaded.job.has_error()) throw OwnershipLost{loaded.job.error().message()};
  if (loaded.job->fence != job_.fence || loaded.job->epoch_id != engine_.epoch_id)
    throw OwnershipLost{"fence " + std::to_string(loaded.job->fence) + " is not ours"};
  job_ = std::move(*loaded.job);
  journal_ = JobJournal(loaded.journal);
  auto parsed = schema::parse_args(job_.approval.args);
  args_error_.reset();
  if (auto* fault = std::get_if<schema::ArgsError>(&parsed))
    args_error_ = std::move(*fault);
  else
    context_ = make_context(engine_, job_, std::move(std::get<schema::Args>(parsed)));
  context_.facts = journal_.facts();
  unrecorded_.reset();
  loaded_ = true;
}

bool JobRunner::untouched() const { return statemachine::row_of(job_.state).phase == statemachine::Phase::untouched; }

bool JobRunner::must_halt() const {
  return engine_.stage == Stage::halting || (engine_.stage == Stage::draining && untouched());
}

bool JobRunner::cancel_wanted() const {
  return job_.state != State::rollback && !(control_->cancel_by.empty() && job_.cancel_by.empty());
}

awaitable<JobRunner::Gate> JobRunner::gate(std::optional<Milliseconds> not_before) {
  for (;;) {
    if (must_halt()) co_return Gate::halted;
    if (cancel_wanted()) co_return Gate::cancelled;
    const bool early = not_before && engine_.clock.now() < *not_before;
    const bool frozen = untouched() && engine_.frozen(job_.approval.backend, job_.approval.bottle);
    if (!early && !frozen) co_return Gate::open;
    if (unrecorded_) co_await flush();
    const auto until = early ? not_before : std::nullopt;
    co_await wait(engine_.clock, control_->changed, until);
  }
}

awaitable<JobRunner::Go> JobRunner::run_step() {
  if (!statemachine::is_working(job_.state)) co_return Go::ended;
  [[maybe_unused]] const auto place = "state:" + std::string(to_string(job_.state));
  REBOTTLE_FAILPOINT(place);
  const auto resting = not_before_ ? not_before_ : job_.retry_at;
  const auto way = co_await gate(resting);
  if (way == Gate::halted) co_return Go::ended;
  if (way == Gate::cancelled) {
    auto end = cut_short();
    const auto go = co_await settle(std::move(end));
    co_return go;
  }
  auto end = co_await attempt();
  if (!end) co_return Go::ended;
  const auto go = co_await settle(std::move(*end));
  co_return go;
}

std::variant<std::vector<StepItem>, StepEnd> JobRunner::plan_step() {
  if (backend_ == nullptr) {
    auto refusal = engine_.backends.refusal(job_.approval.backend);
    // Past stop nobody but a person can help: without the backend there is no way forward and none back.
    return ended(untouched() ? Outcome::unsupported : Outcome::unknown, std::move(refusal.reason_code),
                 std::move(refusal.message), std::move(refusal.detail));
  }
  if (args_error_)
    return ended(Outcome::permanent, "args_invalid", args_error_->field + ": " + args_error_->message,
                 {{"field", args_error_->field}});
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
    if (closed) co_await note_closed(std::move(*closed));
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
  co_return cursor.end();
}

awaitable<void> JobRunner::perform(StepCursor& cursor) {
  const auto item = cursor.item();
  auto advance = new_advance();
  advance.intent = {item.direction, item.effect.name, item.effect.step};
  if (takes_down(item) && !job_.down_since) advance.down_since = engine_.clock.now();
  co_await commit(std::move(advance));
  journal_.opened(item.direction, item.effect.name, item.effect.step);
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
  log::info(closed.adopted ? "effect found done" : "effect done", {{"job", job_.job_id},
                                                                   {"step", to_string(job_.state)},
                                                                   {"effect", item.effect.name},
                                                                   {"direction", to_string(item.direction)},
                                                                   {"epoch", engine_.epoch_id}});
  unrecorded_ = std::move(closed);
  silent_since_.reset();
  silent_tries_ = 0;
}

std::optional<Milliseconds> JobRunner::down_for() const {
  if (untouched()) return std::nullopt;
  const auto now = engine_.clock.now();
  // A bottle whose engine is silent may be down: that time counts, too.
  if (job_.down_since) return std::max<Milliseconds>(0, now - *job_.down_since);
  if (silent_since_) return std::max<Milliseconds>(0, now - *silent_since_);
  return std::nullopt;
}

awaitable<JobRunner::Go> JobRunner::settle(StepEnd end) {
  if (end.outcome != Outcome::done && must_halt()) {
    // A try that the halt cut short is no failure; it costs no attempt.
    co_await flush();
    co_return Go::ended;
  }
  if (job_.state == State::snapshot && end.outcome == Outcome::done) {
    const auto& approval = job_.approval;
    if (approval.expires_at && engine_.clock.now() >= *approval.expires_at)
      end = ended(Outcome::stale, "approval_expired", "The approval expired before the bottle was stopped.",
                  {{"expires_at", *approval.expires_at}});
    // What was observed before a freeze is too old to act on after it.
    else if (engine_.frozen(approval.backend, approval.bottle)) {
      co_await flush();
      co_return Go::on;
    }
  }
  if (end.outcome == Outcome::unreachable && !silent_since_) silent_since_ = engine_.clock.now();
  const auto budget = context_.args.limits.max_downtime_s.value_or(engine_.config.service.max_downtime_s);
  statemachine::StepFacts facts{
      job_.state, end.outcome, std::max(1, job_.attempt), std::nullopt, std::chrono::seconds(budget), cancel_wanted()};
  if (const auto down = down_for()) facts.down_for = std::chrono::milliseconds(*down);
  const auto decision = statemachine::decide(facts, engine_.jitter(), engine_.policy);
  if (decision.alert)
    log::error("a person should look: the job cannot reach its goal", {{"alert", 1},
                                                                       {"job", job_.job_id},
                                                                       {"backend", job_.approval.backend},
                                                                       {"bottle", job_.approval.bottle},
                                                                       {"state", to_string(job_.state)},
                                                                       {"reason", end.reason_code},
                                                                       {"detail", end.message},
                                                                       {"epoch", engine_.epoch_id}});
  if (decision.event == Event::step_retry && !decision.attempt_spent) {
    const auto go = co_await wait_for_engine(std::move(end), decision);
    co_return go;
  }
  co_await move(decision.event, std::move(end), decision.pause.count(), decision.attempt_spent);
  co_return Go::on;
}

awaitable<JobRunner::Go> JobRunner::wait_for_engine(StepEnd end, statemachine::Decision) {
  // No attempt is spent, so nothing limits the number of rows but this: a row for the first time, then now and then.
  const auto now = engine_.clock.now();
  ++silent_tries_;
  const auto pause = std::min(statemachine::pause_before(silent_tries_ + 1, engine_.jitter(), engine_.policy).count(),
                              silent_pause_max_touched);
  const bool record = silent_tries_ == 1 || now - silence_recorded_at_ >= silent_record_pause;
  if (record) {
    silence_recorded_at_ = now;
    co_await move(Event::step_retry, std::move(end), pause, false);
  } else {
    if (unrecorded_) co_await flush();
  }
  not_before_ = engine_.clock.now() + pause;
  co_return Go::on;
}

schema::Advance JobRunner::new_advance() const {
  schema::Advance advance;
  advance.job_id = job_.job_id;
  advance.fence = job_.fence;
  advance.state = job_.state;
  advance.now = engine_.clock.now();
  advance.actor = engine_.worker();
  if (unrecorded_) {
    advance.finished = result_of(*unrecorded_);
    if (brings_up(unrecorded_->item) && job_.down_since) advance.up_again = true;
    if (takes_down(unrecorded_->item) && !job_.down_since) advance.down_since = advance.now;
  }
  return advance;
}

awaitable<void> JobRunner::flush() {
  if (!unrecorded_) co_return;
  auto advance = new_advance();
  co_await commit(std::move(advance));
}

awaitable<void> JobRunner::commit(schema::Advance advance) {
  auto work = [advance = std::move(advance)](schema::JobStore& store) { return store.advance(advance); };
  auto result = co_await engine_.store.run(std::move(work));
  if (result.has_error()) throw OwnershipLost{result.error().message()};
  job_ = std::move(*result);
  unrecorded_.reset();
}

awaitable<void> JobRunner::move(Event event, StepEnd end, Milliseconds pause, bool attempt_spent) {
  const auto from = job_.state;
  auto advance = new_advance();
  if (end.performed && !advance.finished) advance.finished = failure_of(end);
  advance.move = make_move(event, end, pause, attempt_spent);
  if (event == Event::cancel) advance.actor = control_->cancel_by.empty() ? job_.cancel_by : control_->cancel_by;
  add_ending(advance, advance.move->to);
  const auto to = advance.move->to;
  co_await commit(std::move(advance));
  not_before_.reset();
  if (to != from) {
    silent_since_.reset();
    silent_tries_ = 0;
  }
  log::info("job moved", {{"job", job_.job_id},
                          {"bottle", job_.approval.bottle},
                          {"step", to_string(from)},
                          {"event", to_string(event)},
                          {"state", to_string(to)},
                          {"attempt", job_.attempt},
                          {"reason", end.reason_code},
                          {"detail", end.message},
                          {"epoch", engine_.epoch_id}});
}

schema::Advance::Move JobRunner::make_move(Event event, const StepEnd& end, Milliseconds pause,
                                           bool attempt_spent) const {
  const auto answer = statemachine::answer(job_.state, event);
  if (answer.verdict != statemachine::Verdict::moved) {
    log::error("no such transition",
               {{"job", job_.job_id}, {"state", to_string(job_.state)}, {"event", to_string(event)}});
    std::abort();
  }
  schema::Advance::Move move;
  move.event = event;
  move.to = answer.to;
  const int attempt = std::max(1, job_.attempt);
  const bool same_step = answer.to == job_.state;
  const bool over = !statemachine::is_working(answer.to);
  move.attempt = same_step ? attempt + (attempt_spent ? 1 : 0) : (over ? attempt : 1);
  move.crashes = same_step ? job_.crashes : 0;
  if (answer.to == State::needs_attention) move.interrupted = job_.state;
  if (event == Event::step_retry) move.retry_at = engine_.clock.now() + pause;
  json data{{"attempt", attempt}};
  if (event != Event::step_done && event != Event::cancel) {
    data["outcome"] = word(end.outcome);
    data["reason_code"] = end.reason_code;
    data["message"] = end.message;
    if (!end.effect.empty()) data["effect"] = end.effect;
    if (event == Event::step_retry) data["pause_ms"] = pause;
  }
  move.data = data.dump();
  explain(move, end);
  return move;
}

// The job's reason is the one that sent it off its way: a rollback that works does not hide why it was needed.
void JobRunner::explain(schema::Advance::Move& move, const StepEnd& end) const {
  // A rollback that is tried again keeps its cause in view; any other step shows what keeps it.
  if (move.event == Event::step_retry && job_.state == State::rollback) return;
  if (move.event == Event::step_done) {
    if (job_.state != State::rollback) return;
    const auto detail = json::parse(job_.detail, nullptr, false);
    if (!detail.is_object() || !detail.contains("cause")) return;
    move.reason_code = detail["cause"].value("reason_code", "");
    move.message = detail["cause"].value("message", "");
    move.detail = detail["cause"].value("detail", json::object()).dump();
    return;
  }
  if (move.event == Event::cancel) {
    const auto& by = control_->cancel_by.empty() ? job_.cancel_by : control_->cancel_by;
    move.reason_code = "cancelled";
    move.message = "Cancelled by " + by + " in step " + std::string(to_string(job_.state)) + ".";
    move.detail = json{{"cancelled_by", by}, {"step", to_string(job_.state)}}.dump();
    return;
  }
  move.reason_code = end.reason_code;
  move.message = end.message;
  auto detail = end.detail.is_object() ? end.detail : json{{"evidence", end.detail}};
  detail["step"] = to_string(job_.state);
  if (!end.effect.empty()) detail["effect"] = end.effect;
  if (job_.state == State::rollback) {
    const auto before = json::parse(job_.detail, nullptr, false);
    const bool known = before.is_object() && before.contains("cause");
    detail["cause"] = known ? before["cause"]
                            : json{{"reason_code", job_.reason_code},
                                   {"message", job_.message},
                                   {"detail", before.is_object() ? before : json::object()}};
  }
  move.detail = detail.dump();
}

void JobRunner::add_ending(schema::Advance& advance, State to) const {
  if (!statemachine::is_final(to) || backend_ == nullptr || args_error_) return;
  advance.leftovers = leftovers_of(*backend_, context_, job_, to);
  if (to != State::succeeded) return;
  try {
    advance.current = backend_->current(context_).dump();
  } catch (const std::exception& error) {
    log::error("the backend could not say what is current", {{"job", job_.job_id}, {"error", error.what()}});
  }
}

}  // namespace rebottle::worker
