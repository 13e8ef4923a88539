// The job's coroutine: its life, its boundaries, its commits. Not here: a try of a step (job_runner_attempt.cpp) and
// what follows from it (job_runner_settle.cpp).
#include "worker/engine/job_runner.hpp"

#include <algorithm>
#include <utility>

#include "worker/engine/failpoint.hpp"
#include "worker/engine/job_context.hpp"
#include "worker/engine/json_text.hpp"
#include "worker/engine/log.hpp"

namespace rebottle::worker {

using statemachine::to_string;

namespace {

constexpr Milliseconds database_pause_first = 200;
constexpr Milliseconds database_pause_max = 5'000;

// The write was refused because the job is not ours any more.
struct OwnershipLost {
  std::string why;
};

schema::Advance::EffectResult result_of(const StepCursor::Closed& closed) {
  schema::Advance::EffectResult result;
  result.direction = closed.item.direction;
  result.effect = closed.item.effect.name;
  result.outcome = closed.adopted ? "adopted" : "done";
  result.result = to_text(closed.result);
  result.summary = to_text({{"summary", closed.item.effect.summary}});
  return result;
}

}  // namespace

JobRunner::JobRunner(Engine& engine, std::shared_ptr<JobControl> control, schema::Job job)
    : engine_(engine),
      control_(std::move(control)),
      backend_(engine.backends.find(job.approval.backend)),
      job_(std::move(job)),
      build_log_(static_cast<std::size_t>(engine.config.service.build_log_max_kib) << 10) {}

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
    const auto until = engine_.clock.steady() + pause;
    while (engine_.clock.steady() < until) {
      if (must_halt()) co_return;
      co_await wait(engine_.clock, control_->changed, until);
    }
    pause = std::min(pause * 2, database_pause_max);
  }
}

awaitable<void> JobRunner::load() {
  struct Loaded {
    schema::Result<schema::Job> job;
    Journals journals;
  };
  auto work = [id = job_.job_id](schema::JobStore& store) {
    auto job = store.job(id);
    auto journals = job.has_error() ? Journals{} : read_journals(store, *job);
    return Loaded{std::move(job), std::move(journals)};
  };
  auto loaded = co_await engine_.store.run(std::move(work));
  if (loaded.job.has_error()) throw OwnershipLost{loaded.job.error().message()};
  if (loaded.job->fence != job_.fence || loaded.job->epoch_id != engine_.epoch_id)
    throw OwnershipLost{"fence " + std::to_string(loaded.job->fence) + " is not ours"};
  know(std::move(*loaded.job));
  journal_ = JobJournal(loaded.journals.own);
  auto parsed = schema::parse_args(job_.approval.args);
  args_error_.reset();
  if (auto* fault = std::get_if<schema::ArgsError>(&parsed))
    args_error_ = std::move(*fault);
  else
    context_ = make_context(engine_, job_, std::move(std::get<schema::Args>(parsed)), loaded.journals);
  context_.print = [this](std::string_view piece) { build_log_.append(piece); };
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

// Gives the job's place to others during a freeze; after it, takes the next one that is free.
void JobRunner::rest(bool frozen) {
  if (frozen == control_->resting) return;
  if (!frozen && backend_ != nullptr && engine_.busy(control_->backend) >= backend_->concurrency()) return;
  control_->resting = frozen;
  if (frozen) engine_.look_again();
}

awaitable<JobRunner::Gate> JobRunner::gate(std::optional<Milliseconds> not_before) {
  for (;;) {
    if (must_halt()) co_return Gate::halted;
    if (cancel_wanted()) co_return Gate::cancelled;
    const bool early = not_before && engine_.clock.steady() < *not_before;
    const bool frozen = untouched() && engine_.frozen(job_.approval.backend, job_.approval.bottle);
    rest(frozen);
    if (!early && !frozen && !control_->resting) co_return Gate::open;
    if (unrecorded_) co_await flush();
    const auto until = early ? not_before : std::nullopt;
    co_await wait(engine_.clock, control_->changed, until);
  }
}

awaitable<JobRunner::Go> JobRunner::run_step() {
  if (!statemachine::is_working(job_.state)) co_return Go::ended;
  [[maybe_unused]] const auto place = "state:" + std::string(to_string(job_.state));
  REBOTTLE_FAILPOINT(place);
  auto resting = not_before_;
  if (!resting && job_.retry_at) resting = engine_.clock.steady_at(*job_.retry_at, engine_.policy.pause_max.count());
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

schema::Advance JobRunner::new_advance() {
  schema::Advance advance;
  advance.job_id = job_.job_id;
  advance.fence = job_.fence;
  advance.state = job_.state;
  advance.now = engine_.clock.now();
  advance.actor = engine_.worker();
  advance.build_log = build_log_.unstored();
  if (unrecorded_) {
    advance.finished = result_of(*unrecorded_);
    if (unrecorded_->item.brings_up() && job_.down_since) advance.up_again = true;
    if (unrecorded_->item.takes_down() && !job_.down_since) advance.down_since = advance.now;
  }
  return advance;
}

awaitable<void> JobRunner::flush() {
  if (!unrecorded_) co_return;
  auto advance = new_advance();
  co_await commit(std::move(advance));
}

awaitable<bool> JobRunner::commit(schema::Advance advance) {
  auto work = [advance = std::move(advance)](schema::JobStore& store) { return store.advance(advance); };
  auto result = co_await engine_.store.run(std::move(work));
  if (result.has_error() && result.error() == make_error_code(schema::StoreErrc::frozen)) co_return false;
  if (result.has_error()) throw OwnershipLost{result.error().message()};
  know(std::move(*result));
  unrecorded_.reset();
  build_log_.stored();
  co_return true;
}

// How long it was down before this process knew of it is a matter of wall time; from then on of steady time.
void JobRunner::know(schema::Job job) {
  job_ = std::move(job);
  if (!job_.down_since)
    down_since_.reset();
  else if (!down_since_)
    down_since_ = engine_.clock.steady() - std::max<Milliseconds>(0, engine_.clock.now() - *job_.down_since);
}

}  // namespace rebottle::worker
