// The loop and the admission of queued jobs. Not here: states past the claim.
#include "worker/engine/scheduler.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "worker/engine/job_runner.hpp"
#include "worker/engine/json_text.hpp"
#include "worker/engine/log.hpp"
#include "worker/engine/notify.hpp"
#include "worker/engine/takeover.hpp"

namespace rebottle::worker {

using statemachine::Event;
using statemachine::to_string;

namespace {

constexpr Milliseconds look_again = 5'000;      // the slow look that needs no wake-up
constexpr Milliseconds claim_pause = 1'000;     // after a claim that failed or a backend's silence, for that job
constexpr Milliseconds stray_pause = 5'000;     // after a job's coroutine ended before its time
constexpr Milliseconds database_pause = 1'000;  // after a database error
constexpr int refusals_at_once = 64;            // of one backend
constexpr int wal_pages_max = 10'000;           // 40 MB: something keeps the WAL from being copied back

}  // namespace

struct Scheduler::Reserved {
  Reserved(Engine& engine_, std::shared_ptr<JobControl> control_) : engine(engine_), control(std::move(control_)) {
    engine.active[control->job_id] = control;
  }
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;
  ~Reserved() {
    engine.active.erase(control->job_id);
    engine.look_again();
  }
  Engine& engine;
  std::shared_ptr<JobControl> control;
};

Scheduler::Scheduler(Engine& engine, Capabilities& capabilities, Leftovers& leftovers, Requests& requests,
                     TaskGroup& jobs)
    : engine_(engine), capabilities_(capabilities), leftovers_(leftovers), requests_(requests), jobs_(jobs) {}

std::shared_ptr<Scheduler::Reserved> Scheduler::reserve(std::int64_t job_id, std::string backend, std::string bottle) {
  auto control = std::make_shared<JobControl>();
  control->job_id = job_id;
  control->backend = std::move(backend);
  control->bottle = std::move(bottle);
  return std::make_shared<Reserved>(engine_, std::move(control));
}

awaitable<void> Scheduler::run() {
  while (engine_.stage == Stage::serving) {
    std::optional<schema::StoreError> failure;
    try {
      co_await look();
    } catch (const schema::StoreError& error) {
      failure = error;
    }
    if (failure) {
      database_failed(*failure, "scheduling");
      const auto again = engine_.clock.steady() + database_pause;
      co_await wait(engine_.clock, engine_.look_signal, again);
      continue;
    }
    if (engine_.stage == Stage::serving) co_await sleep();
  }
}

awaitable<void> Scheduler::look() {
  engine_.look_wanted = false;
  tell_status();
  std::erase_if(not_before_, [now = engine_.clock.steady()](const auto& entry) { return entry.second <= now; });
  co_await requests_.answer_pending();
  engine_.notify_jobs();
  co_await take_over_strays();
  if (engine_.stage == Stage::serving && paused().empty()) co_await claim_what_may_start();
  leftovers_.notify();
}

awaitable<void> Scheduler::sleep() {
  const auto steady = engine_.clock.steady();
  auto until = steady + look_again;
  std::optional<schema::StoreError> failure;
  try {
    auto work = [now = engine_.clock.now()](schema::JobStore& store) { return store.next_due(now); };
    const auto due = co_await engine_.store.run(std::move(work));
    if (due) until = std::min(until, engine_.clock.steady_at(*due, look_again));
  } catch (const schema::StoreError& error) {
    failure = error;
  }
  if (failure) database_failed(*failure, "scheduling");
  for (const auto& [job_id, at] : not_before_) until = std::min(until, at);
  if (!engine_.look_wanted) co_await wait(engine_.clock, engine_.look_signal, std::max(until, steady + 1));
}

awaitable<void> Scheduler::recover() {
  while (engine_.stage == Stage::serving) {
    std::optional<schema::StoreError> failure;
    try {
      co_await take_over_strays();
    } catch (const schema::StoreError& error) {
      failure = error;
    }
    if (!failure) co_return;
    database_failed(*failure, "recovery");
    notify::extend_timeout(std::chrono::seconds(60));  // a try waits up to 30 s for a foreign write lock
    const auto again = engine_.clock.steady() + database_pause;
    while (engine_.clock.steady() < again && engine_.stage == Stage::serving)
      co_await wait(engine_.clock, engine_.look_signal, again);
  }
}

// Every working job has a coroutine. One without is another epoch's, or one whose claim was committed although the
// commit's answer was lost, or one that a person just set going again, or one whose coroutine failed.
awaitable<void> Scheduler::take_over_strays() {
  auto work = [](schema::JobStore& store) { return store.working(); };
  const auto working = co_await engine_.store.run(std::move(work));
  for (const auto& one : working) {
    if (engine_.active.contains(one.job_id) || not_before_.contains(one.job_id)) continue;
    if (one.epoch_id > engine_.epoch_id) {
      log::error("a newer epoch owns the job: is a second service at work?",
                 {{"job", one.job_id}, {"owner", one.epoch_id}, {"epoch", engine_.epoch_id}});
      not_before_[one.job_id] = engine_.clock.steady() + stray_pause;
      continue;
    }
    auto read = [id = one.job_id](schema::JobStore& store) { return store.job(id); };
    auto stray = co_await engine_.store.run(std::move(read));
    if (stray.has_error() || !statemachine::is_working(stray->state)) continue;
    auto job = std::move(*stray);
    auto place = reserve(job.job_id, job.approval.backend, job.approval.bottle);
    if (job.epoch_id != engine_.epoch_id) {
      auto taken = co_await take_over(engine_, std::move(job));
      if (!taken) continue;
      job = std::move(*taken);
      if (!statemachine::is_working(job.state)) continue;
    }
    auto name = "job " + std::to_string(job.job_id);
    jobs_.spawn(std::move(name), carry_on(std::move(place), std::move(job)));
  }
}

awaitable<void> Scheduler::carry_on(std::shared_ptr<Reserved> place, schema::Job job) {
  const auto id = job.job_id;
  JobRunner runner(engine_, place->control, std::move(job));
  std::string failure;
  try {
    co_await runner.run();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  leftovers_.notify();
  // The job is a stray now; the pause keeps a fault that repeats from spinning.
  if (!runner.finished()) not_before_[id] = engine_.clock.steady() + stray_pause;
  if (!failure.empty() && engine_.stage != Stage::halting)
    log::error("the job's coroutine failed; it is started again", {{"job", id}, {"error", failure}});
}

schema::ClaimLimits Scheduler::limits() const {
  schema::ClaimLimits limits;
  for (const auto& backend : engine_.backends.all()) {
    const auto free = backend->concurrency() - engine_.busy(backend->name());
    limits.slots.push_back({std::string(backend->name()), std::max(0, free)});
  }
  // A backend that is known but not served is offered without limit: its jobs are refused at once.
  for (const auto& name : engine_.backends.known())
    if (engine_.backends.find(name) == nullptr) limits.slots.push_back({name, refusals_at_once});
  // A job under admission is still queued, and has its place already.
  for (const auto& [job_id, control] : engine_.active) limits.except.insert(job_id);
  for (const auto& [job_id, at] : not_before_) limits.except.insert(job_id);
  return limits;
}

awaitable<void> Scheduler::claim_what_may_start() {
  const auto now = engine_.clock.now();
  auto work = [now, limits = limits()](schema::JobStore& store) { return store.claimable(now, limits); };
  auto jobs = co_await engine_.store.run(std::move(work));
  for (auto& job : jobs) {
    auto name = "job " + std::to_string(job.job_id);
    auto place = reserve(job.job_id, std::move(job.backend), std::move(job.bottle));
    jobs_.spawn(std::move(name), admit(std::move(place)));
  }
}

awaitable<std::optional<Refusal>> Scheduler::refusal_of(const schema::Job& job) {
  auto* backend = engine_.backends.find(job.approval.backend);
  if (backend == nullptr) {
    auto refusal = engine_.backends.refusal(job.approval.backend);
    co_return refusal;
  }
  const auto expires = job.approval.expires_at;
  if (expires && engine_.clock.now() >= *expires) {
    Refusal expired;
    expired.event = Event::stale;
    expired.reason_code = "approval_expired";
    expired.message = "The approval expired before the job's turn came.";
    expired.detail = json{{"expires_at", *expires}};
    co_return expired;
  }
  auto refusal = co_await capabilities_.refusal(*backend, job.approval.kind);
  co_return refusal;
}

awaitable<void> Scheduler::refuse(schema::Job job, Refusal refusal) {
  auto work = [&engine = engine_, job_id = job.job_id, refusal, now = engine_.clock.now()](schema::JobStore& store) {
    return store.end_queued(job_id, refusal.event, now, engine.worker(), refusal.reason_code, refusal.message,
                            to_text(refusal.detail));
  };
  const auto ended = co_await engine_.store.run(std::move(work));
  if (ended.has_error()) co_return;  // cancelled meanwhile
  log::info("job refused", {{"job", job.job_id},
                            {"backend", job.approval.backend},
                            {"bottle", job.approval.bottle},
                            {"event", to_string(refusal.event)},
                            {"reason", refusal.reason_code},
                            {"detail", refusal.message},
                            {"epoch", engine_.epoch_id}});
}

awaitable<void> Scheduler::admit(std::shared_ptr<Reserved> place) {
  const auto id = place->control->job_id;
  std::optional<schema::StoreError> failure;
  std::string broken;
  try {
    auto read = [id](schema::JobStore& store) { return store.job(id); };
    auto loaded = co_await engine_.store.run(std::move(read));
    auto job = std::move(loaded).value();
    auto refusal = co_await refusal_of(job);
    if (engine_.stage != Stage::serving) co_return;
    if (refusal && refusal->reason_code == backend_timeout) {
      not_before_[id] = engine_.clock.steady() + claim_pause;
      co_return;
    }
    if (refusal) {
      co_await refuse(std::move(job), std::move(*refusal));
      co_return;
    }
    auto target = engine_.backends.find(job.approval.backend)->target_of(job.approval.bottle);
    auto work = [&engine = engine_, id, target = std::move(target), now = engine_.clock.now()](
                    schema::JobStore& store) { return store.claim(id, engine.epoch_id, target, now, engine.worker()); };
    auto claimed = co_await engine_.store.run(std::move(work));
    if (claimed.has_error()) {
      not_before_[id] = engine_.clock.steady() + claim_pause;
      co_return;
    }
    log::info("job claimed", {{"job", id},
                              {"backend", job.approval.backend},
                              {"bottle", job.approval.bottle},
                              {"state", to_string(claimed->state)},
                              {"approved_by", job.approval.approved_by},
                              {"epoch", engine_.epoch_id}});
    co_await carry_on(std::move(place), std::move(*claimed));
  } catch (const schema::StoreError& error) {
    failure = error;
  } catch (const std::exception& error) {
    broken = error.what();
  }
  // If the claim was committed all the same, the next look finds a working job without a coroutine.
  if (!failure && broken.empty()) co_return;
  if (failure)
    database_failed(*failure, "a claim");
  else if (engine_.stage == Stage::serving)
    log::error("a job could not be admitted; it is tried again", {{"job", id}, {"error", broken}});
  not_before_[id] = engine_.clock.steady() + claim_pause;
}

void Scheduler::database_failed(const schema::StoreError& error, std::string_view during) {
  log::error("the database failed", {{"during", during}, {"error", error.what()}, {"epoch", engine_.epoch_id}});
  if (error.disk_full()) disk_full_until_ = engine_.clock.steady() + database_pause;
  tell_status();
}

void Scheduler::tell_status() {
  auto why = paused();
  if (why == told_) return;
  notify::status(why.empty() ? "Ready" : "Paused: " + why + "; nothing is claimed.");
  told_ = std::move(why);
}

void Scheduler::wal_pages(int pages) {
  const bool stuck = pages > wal_pages_max;
  if (stuck == wal_stuck_) return;
  wal_stuck_ = stuck;
  if (stuck)
    log::error(
        "claiming pauses: the database's WAL cannot shrink because a reader holds it; find it with "
        "`fuser` on the -shm file",
        {{"wal_pages", pages}});
  else
    log::info("claiming goes on: the database's WAL has shrunk", {{"wal_pages", pages}});
  engine_.look_again();
}

std::string Scheduler::paused() const {
  if (engine_.clock.steady() < disk_full_until_) return "the disk of the database is full";
  if (wal_stuck_) return "the database's WAL cannot shrink";
  return {};
}

}  // namespace rebottle::worker
