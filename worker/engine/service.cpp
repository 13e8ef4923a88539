// Putting the parts together, and taking them down in order. Not here: anything about a single job.
#include "worker/engine/service.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <random>
#include <utility>

#include "worker/engine/log.hpp"
#include "worker/engine/notify.hpp"

namespace rebottle::worker {
namespace {

constexpr Milliseconds halt_wait = 2'000;    // for jobs to reach a boundary once they are told to halt
constexpr Milliseconds cancel_wait = 5'000;  // for coroutines to end once their awaits are cancelled
constexpr Milliseconds drain_tick = 1'000;   // between notifications to systemd while draining
constexpr Milliseconds close_wait = 5'000;   // for the last commits, when another program holds the write lock
constexpr Milliseconds end_wait = halt_wait + 2 * cancel_wait + close_wait;  // from the drain to the process's end

std::function<double()> make_jitter() {
  return [engine = std::mt19937(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
  };
}

statemachine::RetryPolicy policy_of(const ServiceConfig& config) {
  statemachine::RetryPolicy policy;
  policy.attempts_max = config.attempts_max;
  policy.pause_first = std::chrono::milliseconds(config.pause_first_ms);
  policy.pause_max = std::chrono::milliseconds(config.pause_max_ms);
  policy.crashes_max = config.crashes_max;
  return policy;
}

}  // namespace

Service::Service(const boost::asio::any_io_executor& executor, Clock& clock, Config config,
                 const schema::Epoch& process, std::unique_ptr<schema::JobStore> store, Backends backends)
    : clock_(clock),
      config_(std::move(config)),
      backends_(std::move(backends)),
      epoch_id_(process.epoch_id),
      instance_id_(store->instance_id()),
      store_(executor, std::move(store), callbacks()),
      engine_(clock_, store_, backends_, config_),
      background_(executor, clock_, [this](const auto& name, const auto& error) { task_failed(name, error, true); }),
      jobs_(executor, clock_, [this](const auto& name, const auto& error) { task_failed(name, error, false); }),
      capabilities_(engine_),
      leftovers_(engine_, background_),
      requests_(engine_, capabilities_, background_),
      scheduler_(engine_, capabilities_, leftovers_, requests_, jobs_) {
  engine_.policy = policy_of(config_.service);
  engine_.jitter = make_jitter();
  engine_.boot_id = process.boot_id;
  engine_.epoch_id = epoch_id_;
  engine_.instance_id = instance_id_;
}

// They run on the logic thread, so not before this object is complete.
StoreThread::Callbacks Service::callbacks() {
  StoreThread::Callbacks callbacks;
  callbacks.changed = [this] { engine_.look_again(); };
  callbacks.broken = [this](const std::string& why) { broken(why); };
  callbacks.wal_pages = [this](int pages) { scheduler_.wal_pages(pages); };
  return callbacks;
}

awaitable<int> Service::run() {
  log::info("service starts", {{"epoch", engine_.epoch_id}});
  background_.spawn("watchdog", feed_watchdog());
  background_.spawn("service", start());
  while (engine_.stage == Stage::serving) co_await wait(clock_, stage_changed_, std::nullopt);
  co_await drain();
  if (exit_code_ == 0) co_await end_epoch();
  log::info("service stops", {{"epoch", engine_.epoch_id}, {"exit_code", exit_code_}});
  co_return exit_code_;
}

awaitable<void> Service::start() {
  co_await scheduler_.recover();
  co_await capabilities_.begin();
  if (engine_.stage != Stage::serving) co_return;
  ready_ = true;
  notify::ready("Ready");
  log::info("service is ready",
            {{"epoch", engine_.epoch_id}, {"jobs_taken_over", static_cast<Milliseconds>(jobs_.size())}});
  background_.spawn("leftovers", leftovers_.sweep());
  background_.spawn("capabilities", capabilities_.keep_fresh());
  co_await scheduler_.run();
}

// Fed from the logic thread, so that a loop that hangs is noticed.
awaitable<void> Service::feed_watchdog() {
  const auto interval = notify::watchdog_interval();
  if (!interval) co_return;
  for (;;) {
    notify::alive();
    const auto next = clock_.steady() + std::max<Milliseconds>(1, interval->count() / 2);
    while (clock_.steady() < next) co_await wait(clock_, never_, next);
  }
}

void Service::stop() {
  if (engine_.stage == Stage::serving)
    log::info("asked to stop: draining", {{"epoch", engine_.epoch_id}});
  else
    log::warning("asked to stop again: halting", {{"epoch", engine_.epoch_id}});
  enter(engine_.stage == Stage::serving ? Stage::draining : Stage::halting);
}

void Service::enter(Stage stage) {
  engine_.stage = std::max(engine_.stage, stage);
  // Until then a bottle that is down is worth every wait; what cannot be written after it is found again by recovery.
  if (engine_.stage == Stage::halting) store_.hurry();
  engine_.notify_jobs();
  engine_.look_again();
  stage_changed_.notify();
}

void Service::broken(const std::string& why) {
  if (exit_code_ == 0) log::error("the service cannot go on", {{"error", why}, {"epoch", engine_.epoch_id}});
  exit_code_ = 1;
  enter(Stage::halting);
}

void Service::task_failed(const std::string& name, const std::exception_ptr& error, bool fatal) {
  const auto why = what_of(error);
  if (fatal) return broken(name + ": " + why);
  log::error("a task failed", {{"task", name}, {"error", why}, {"epoch", engine_.epoch_id}});
}

awaitable<void> Service::drain() {
  notify::stopping("Draining " + std::to_string(jobs_.size()) + " jobs");
  const auto deadline = clock_.steady() + Milliseconds{1'000} * config_.service.drain_s;
  while (jobs_.size() > 0 && engine_.stage == Stage::draining && clock_.steady() < deadline) {
    notify::extend_timeout(std::chrono::milliseconds(drain_tick + end_wait));
    const auto tick = std::min(deadline, clock_.steady() + drain_tick);
    // A second stop ends the wait early, through the jobs that it halts.
    co_await jobs_.wait_empty(tick);
  }
  notify::extend_timeout(std::chrono::milliseconds(end_wait));
  enter(Stage::halting);
  co_await jobs_.wait_empty(clock_.steady() + halt_wait);
  jobs_.cancel_all();
  co_await jobs_.wait_empty(clock_.steady() + cancel_wait);
  background_.cancel_all();
  co_await background_.wait_empty(clock_.steady() + cancel_wait);
  if (!ended())
    log::warning("some calls did not end in time; the journal knows them as open",
                 {{"jobs", static_cast<Milliseconds>(jobs_.size())}, {"epoch", engine_.epoch_id}});
}

awaitable<void> Service::end_epoch() {
  std::string failure;
  try {
    auto work = [id = engine_.epoch_id, now = clock_.now(), rows = capabilities_.end()](schema::JobStore& store) {
      for (const auto& of_backend : rows)
        if (!of_backend.empty()) store.record_capabilities(of_backend.front().backend, of_backend);
      store.end_epoch(id, now);
    };
    co_await store_.run(std::move(work));
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (!failure.empty()) log::error("the end of the epoch could not be recorded", {{"error", failure}});
}

}  // namespace rebottle::worker
