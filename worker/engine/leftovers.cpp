// The sweeping coroutine. Not here: any effect on a job's result; clean-up never changes it.
#include "worker/engine/leftovers.hpp"

#include <algorithm>
#include <exception>
#include <map>
#include <utility>

#include "worker/engine/log.hpp"

namespace rebottle::worker {
namespace {

constexpr Milliseconds hour = 3'600'000;
constexpr Milliseconds look_again = 5'000;  // the safety net under notify(), and the pause after a database error

}  // namespace

Milliseconds leftover_pause(int tries, Milliseconds first, bool permanent) {
  if (permanent) return 24 * hour;
  return std::min(hour, first * (Milliseconds{1} << std::clamp(tries, 0, 20)));
}

awaitable<void> Leftovers::sweep() {
  for (;;) {
    std::string broken;
    try {
      auto work = [now = engine_.clock.now()](schema::JobStore& store) { return store.leftovers_due(now); };
      auto due = co_await engine_.store.run(std::move(work));
      std::map<std::string, std::vector<schema::Leftover>> by_backend;
      for (auto& leftover : due) by_backend[leftover.backend].push_back(std::move(leftover));
      for (auto& [backend, of_backend] : by_backend)
        if (at_work_.insert(backend).second)
          tasks_.spawn("leftovers of " + backend, remove_all(backend, std::move(of_backend)));
    } catch (const schema::StoreError& error) {
      broken = error.what();
    }
    if (!broken.empty()) log::warning("leftovers wait for the database", {{"error", broken}});
    const auto again = engine_.clock.steady() + look_again;
    co_await wait(engine_.clock, wake_, again);
  }
}

awaitable<void> Leftovers::remove_all(std::string backend, std::vector<schema::Leftover> due) {
  std::string broken;
  try {
    for (auto& leftover : due) co_await remove(std::move(leftover));
  } catch (const schema::StoreError& error) {
    broken = error.what();
  }
  at_work_.erase(backend);
  if (broken.empty())
    notify();  // more may have come due meanwhile
  else
    log::warning("leftovers wait for the database", {{"backend", backend}, {"error", broken}});
}

Milliseconds Leftovers::pause_after(const schema::Leftover& leftover, Outcome outcome) const {
  return leftover_pause(leftover.tries, Milliseconds{1'000} * engine_.config.service.leftover_retry_s,
                        outcome == Outcome::permanent);
}

awaitable<void> Leftovers::remove(schema::Leftover leftover) {
  Performed done;
  if (auto* backend = engine_.backends.find(leftover.backend)) {
    std::string failure;
    try {
      done = co_await backend->remove(leftover);
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (!failure.empty()) done = Performed::failed(Outcome::transient, "backend_exception", failure);
  } else {
    auto refusal = engine_.backends.refusal(leftover.backend);
    done = Performed::failed(Outcome::permanent, std::move(refusal.reason_code), std::move(refusal.message));
  }
  const auto now = engine_.clock.now();
  if (done.outcome == Outcome::done) {
    auto work = [id = leftover.leftover_id, now](schema::JobStore& store) { store.leftover_removed(id, now); };
    co_await engine_.store.run(std::move(work));
    log::info("leftover removed", {{"job", leftover.job_id}, {"kind", leftover.kind}, {"what", leftover.reference}});
    co_return;
  }
  const auto next = now + pause_after(leftover, done.outcome);
  log::warning("leftover could not be removed; it will be tried again", {{"job", leftover.job_id},
                                                                         {"kind", leftover.kind},
                                                                         {"what", leftover.reference},
                                                                         {"reason", done.reason_code},
                                                                         {"detail", done.message},
                                                                         {"tries", leftover.tries + 1},
                                                                         {"next_in_ms", next - now}});
  auto work = [id = leftover.leftover_id, error = done.reason_code + ": " + done.message,
               next](schema::JobStore& store) { store.leftover_failed(id, error, next); };
  co_await engine_.store.run(std::move(work));
}

}  // namespace rebottle::worker
