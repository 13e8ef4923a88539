// Counting deaths, and the row that records them. Not here: the limit (statemachine/policy.hpp).
#include "worker/engine/takeover.hpp"

#include <exception>
#include <utility>

#include "statemachine/machine.hpp"
#include "worker/engine/identity.hpp"
#include "worker/engine/job_context.hpp"
#include "worker/engine/json_text.hpp"
#include "worker/engine/log.hpp"

namespace rebottle::worker {

using statemachine::Event;
using statemachine::to_string;

namespace {

struct Evidence {
  std::optional<schema::Epoch> epoch;  // that had the job
  Journals journals;
};

// A job that ends by being taken over leaves its things behind like any other.
std::vector<schema::Leftover> leftovers_at_end(const Engine& engine, const schema::Job& job, const Evidence& evidence,
                                               State to) {
  const auto* backend = engine.backends.find(job.approval.backend);
  auto parsed = schema::parse_args(job.approval.args);
  if (!statemachine::is_final(to) || backend == nullptr || !std::holds_alternative<schema::Args>(parsed)) return {};
  auto context = make_context(engine, job, std::move(std::get<schema::Args>(parsed)), evidence.journals);
  return leftovers_of(*backend, context, job, to, engine.clock.now());
}

std::string data_of(const schema::Job& job, const Evidence& evidence, bool crash, int crashes, Event event) {
  json data{{"from_epoch", job.epoch_id}, {"crash", crash}, {"crashes", crashes}, {"step", to_string(job.state)}};
  if (evidence.epoch) data["pid"] = evidence.epoch->pid;
  // This becomes the job's detail, so the reason why a rollback was needed goes along.
  if (event == Event::poison && job.state == State::rollback)
    data["cause"] = {{"reason_code", job.reason_code},
                     {"message", job.message},
                     {"detail", json::parse(job.detail, nullptr, false)}};
  return to_text(data);
}

}  // namespace

std::vector<schema::Leftover> leftovers_of(const Backend& backend, const JobContext& context, const schema::Job& job,
                                           State end, Milliseconds now) {
  try {
    auto leftovers = backend.leftovers(context, end);
    for (auto& leftover : leftovers) {
      if (leftover.backend.empty()) leftover.backend = job.approval.backend;
      leftover.not_before += now;
    }
    return leftovers;
  } catch (const std::exception& error) {
    log::error("the backend could not name what is left over; it must be removed by hand",
               {{"job", job.job_id}, {"bottle", job.approval.bottle}, {"error", error.what()}});
    return {};
  }
}

void alert(const Engine& engine, const schema::Job& job, const std::string& reason_code, const std::string& message) {
  log::error("a person should look: the job cannot reach its goal", {{"alert", 1},
                                                                     {"job", job.job_id},
                                                                     {"backend", job.approval.backend},
                                                                     {"bottle", job.approval.bottle},
                                                                     {"state", to_string(job.state)},
                                                                     {"reason", reason_code},
                                                                     {"detail", message},
                                                                     {"epoch", engine.epoch_id}});
}

awaitable<std::optional<schema::Job>> take_over(Engine& engine, schema::Job job) {
  auto read = [job](schema::JobStore& store) { return Evidence{store.epoch(job.epoch_id), read_journals(store, job)}; };
  const auto evidence = co_await engine.store.run(std::move(read));
  const bool crash = evidence.epoch && crashed(*evidence.epoch, engine.boot_id);
  const int crashes = job.crashes + (crash ? 1 : 0);
  const auto event = statemachine::takeover_event(crashes, engine.policy);
  const auto to = statemachine::answer(job.state, event).to;
  schema::Advance ending;
  ending.job_id = job.job_id;
  ending.state = to;
  ending.now = engine.clock.now();
  ending.actor = engine.recovery();
  ending.leftovers = leftovers_at_end(engine, job, evidence, to);
  // Past the poison the next step begins with a clean count.
  auto work = [&engine, ending, event, kept = event == Event::poison ? 0 : crashes,
               data = data_of(job, evidence, crash, crashes, event)](schema::JobStore& store) mutable {
    auto taken =
        store.take_over(ending.job_id, engine.epoch_id, event, ending.state, kept, ending.now, ending.actor, data);
    if (taken.has_error() || ending.leftovers.empty()) return taken;
    ending.fence = taken->fence;
    return store.advance(ending);
  };
  auto taken = co_await engine.store.run(std::move(work));
  if (taken.has_error()) {
    log::warning("job could not be taken over", {{"job", job.job_id}, {"error", taken.error().message()}});
    co_return std::nullopt;
  }
  log::info("job taken over", {{"job", taken->job_id},
                               {"bottle", taken->approval.bottle},
                               {"event", to_string(event)},
                               {"state", to_string(taken->state)},
                               {"crashes", crashes},
                               {"epoch", engine.epoch_id}});
  if (to == State::needs_attention) alert(engine, *taken, taken->reason_code, taken->message);
  co_return std::move(*taken);
}

}  // namespace rebottle::worker
