// One function per kind of request. What only concerns the database is decided and answered in one transaction, so
// that neither happens without the other. Not here: transitions; statemachine and schema say what is legal.
#include "worker/engine/requests.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "statemachine/machine.hpp"
#include "worker/engine/job_context.hpp"
#include "worker/engine/json_text.hpp"
#include "worker/engine/log.hpp"
#include "worker/engine/other_backend.hpp"
#include "worker/engine/plan_json.hpp"

namespace rebottle::worker {

using statemachine::Event;
using statemachine::to_string;
using statemachine::Verdict;

namespace {

json args_of(const schema::Request& request) {
  auto args = json::parse(request.args, nullptr, false);
  return args.is_object() ? args : json::object();
}

std::string in_state(const schema::Job& job) { return "The job is in state " + std::string(to_string(job.state)); }

json impossible(const Refusal& refusal) {
  Plan plan;
  plan.reason_code = refusal.reason_code;
  plan.message = refusal.message;
  plan.detail = refusal.detail;
  return plan_json(plan);
}

// Both run when the old one was never stopped, or is back, and the new one has been started.
bool two_agents_run(const json& effects) {
  bool old_runs = false;
  bool new_runs = false;
  for (const auto& effect : effects) {
    if (effect.value("begins_downtime", false)) old_runs = old_runs || effect.value("world", "") == "absent";
    if (effect.value("ends_downtime", false)) new_runs = new_runs || effect.value("world", "") == "present";
  }
  return old_runs && new_runs;
}

}  // namespace

Requests::Requests(Engine& engine, Capabilities& capabilities, TaskGroup& tasks)
    : engine_(engine), capabilities_(capabilities), tasks_(tasks) {}

awaitable<void> Requests::answer_pending() {
  auto read = [](schema::JobStore& store) { return store.pending_requests(); };
  auto pending = co_await engine_.store.run(std::move(read));
  for (auto& request : pending) {
    if (in_hand_.contains(request.request_id)) continue;
    if (request.kind == "plan" || request.kind == "resolve" || request.kind == "undo") {
      in_hand_.insert(request.request_id);
      auto name = "request " + std::to_string(request.request_id);
      tasks_.spawn(std::move(name), answer_later(std::move(request)));
    } else {
      co_await answer_now(std::move(request));
    }
  }
}

awaitable<void> Requests::answer_now(schema::Request request) {
  auto work = [this, request](schema::JobStore& store) {
    auto reply = decide(store, request);
    store.answer(request.request_id, reply.outcome, reply.message, to_text(reply.answer), engine_.clock.now());
    return std::pair{std::move(reply), store.freezes(engine_.clock.now())};
  };
  auto answered = co_await engine_.store.run(std::move(work));
  const auto& reply = answered.first;
  log::info("request answered", {{"request", request.request_id},
                                 {"kind", request.kind},
                                 {"job", request.job_id.value_or(0)},
                                 {"by", request.requested_by},
                                 {"outcome", reply.outcome},
                                 {"detail", reply.message}});
  engine_.freezes = std::move(answered.second);
  const auto active = engine_.active.find(request.job_id.value_or(0));
  if (request.kind == "cancel" && reply.outcome == "done" && active != engine_.active.end())
    active->second->cancel_by = request.requested_by;
  engine_.notify_jobs();
  engine_.look_again();
}

Requests::Reply Requests::decide(schema::JobStore& store, const schema::Request& request) const {
  if (request.kind == "freeze") return freeze(store, request);
  if (request.kind == "unfreeze") return unfreeze(store, request);
  const auto job = store.job(request.job_id.value_or(0));
  if (job.has_error()) return {"refused", "There is no such job; list the jobs to find its number.", {}};
  if (request.kind == "cancel") return cancel(store, request, *job);
  if (request.kind == "retry") return retry(store, request, *job);
  if (request.kind == "rollback") return roll_back(store, request, *job);
  return {"refused", "This service does not know requests of kind '" + request.kind + "'.", {}};
}

Requests::Reply Requests::cancel(schema::JobStore& store, const schema::Request& request,
                                 const schema::Job& job) const {
  const auto answer = statemachine::answer(job.state, Event::cancel);
  const json state{{"state", to_string(job.state)}};
  if (answer.verdict == Verdict::refused)
    return {"refused", in_state(job) + ", which a cancel does not end: ask for retry, rollback or resolve.", state};
  if (job.state == State::queued) {
    const auto ended = store.end_queued(job.job_id, Event::cancel, engine_.clock.now(), request.requested_by,
                                        "cancelled", "Cancelled by " + request.requested_by + " before it was claimed.",
                                        to_text({{"cancelled_by", request.requested_by}}));
    if (ended.has_error()) return {"failed", ended.error().message(), state};
    return {"done", "The job is cancelled; the bottle was not touched.", {{"state", "cancelled"}}};
  }
  const auto recorded = store.request_cancel(job.job_id, request.requested_by, engine_.clock.now());
  if (recorded.has_error()) return {"failed", recorded.error().message(), state};
  if (answer.verdict == Verdict::ignored)
    return {job.state == State::cancelled ? "done" : "refused", in_state(job) + "; " + std::string(answer.why) + ".",
            state};
  if (answer.to == State::rollback)
    return {"done",
            job.state == State::verify
                ? "The job will be rolled back at its next safe point, unless the change is verified before that."
                : "The job will be rolled back at its next safe point.",
            state};
  return {"done", "The job will end as cancelled at its next safe point; the bottle is not touched.", state};
}

Requests::Reply Requests::retry(schema::JobStore& store, const schema::Request& request, const schema::Job& job) const {
  const auto now = engine_.clock.now();
  const auto& by = request.requested_by;
  if (job.state == State::needs_attention) {
    const auto moved = store.decide_attention(job.job_id, engine_.epoch_id, Event::retry, now, by, request.args);
    if (moved.has_error()) return {"failed", moved.error().message(), {}};
    return {"done",
            "Step " + std::string(to_string(moved->state)) + " is tried again, after a look at the bottle.",
            {{"job_id", job.job_id}, {"state", to_string(moved->state)}}};
  }
  if (!statemachine::is_final(job.state))
    return {"refused",
            in_state(job) + " and goes on by itself; a retry is for jobs that ended or need attention.",
            {{"state", to_string(job.state)}}};
  if (job.undoes)
    return {"refused",
            "The job is an undo, and has ended; ask for undo again, or for a retry of the change's own job.",
            {{"undoes", *job.undoes}}};
  if (job.approval.expires_at && now >= *job.approval.expires_at)
    return {"refused", "The approval has expired; approve anew.", {{"expires_at", *job.approval.expires_at}}};
  const auto made = store.rerun(job.job_id, by, now);
  if (made.has_error())
    return {"refused", "A newer job of the same approval is not final yet, or the job may not be run again.", {}};
  return {"done", "Job " + std::to_string(*made) + " carries the same approval out again.", {{"job_id", *made}}};
}

Requests::Reply Requests::roll_back(schema::JobStore& store, const schema::Request& request,
                                    const schema::Job& job) const {
  if (job.state != State::needs_attention) {
    const auto way_out = statemachine::is_final(job.state) ? "; it has ended, and nothing is left to roll back."
                                                           : "; to end it and get the old bottle back, ask for cancel.";
    return {"refused", in_state(job) + way_out, {{"state", to_string(job.state)}}};
  }
  const auto moved = store.decide_attention(job.job_id, engine_.epoch_id, Event::roll_back, engine_.clock.now(),
                                            request.requested_by, request.args);
  if (moved.has_error()) return {"failed", moved.error().message(), {}};
  return {"done", "The old bottle is being brought back.", {{"state", to_string(moved->state)}}};
}

Requests::Reply Requests::freeze(schema::JobStore& store, const schema::Request& request) const {
  const auto args = args_of(request);
  schema::Freeze freeze;
  freeze.backend = request.backend;
  freeze.bottle = request.bottle;
  freeze.reason = args.value("reason", "");
  freeze.frozen_by = request.requested_by;
  freeze.created_at = engine_.clock.now();
  if (args.contains("expires_at") && args["expires_at"].is_number_integer())
    freeze.expires_at = args["expires_at"].get<Milliseconds>();
  const auto id = store.add_freeze(freeze);
  return {"done",
          "Frozen: nothing is claimed or stopped there; a job that is past snapshot finishes.",
          {{"freeze_id", id}}};
}

Requests::Reply Requests::unfreeze(schema::JobStore& store, const schema::Request& request) const {
  const auto lifted = store.lift_freezes(request.backend, request.bottle, engine_.clock.now());
  if (lifted == 0)
    return {"refused",
            "No freeze names exactly this backend and bottle; list the freezes and name one of them.",
            {{"lifted", 0}}};
  return {
      "done", std::to_string(lifted) + (lifted == 1 ? " freeze lifted." : " freezes lifted."), {{"lifted", lifted}}};
}

awaitable<void> Requests::answer_later(schema::Request request) {
  const auto id = request.request_id;
  std::string failure;
  try {
    if (request.kind == "plan") {
      auto reply = co_await plan(request);
      co_await send(request, std::move(reply));
    } else {
      auto answering = request.kind == "undo" ? undo(request) : resolve(request);
      auto reply = co_await std::move(answering);
      // What went through was answered in its own transaction.
      if (!reply.outcome.empty()) co_await send(request, std::move(reply));
    }
  } catch (const std::exception& error) {
    failure = error.what();
  }
  in_hand_.erase(id);
  // It stays unanswered in the table, so the scheduler's next slow look takes it up again.
  if (!failure.empty() && engine_.stage == Stage::serving)
    log::error("request could not be answered yet", {{"request", id}, {"kind", request.kind}, {"error", failure}});
}

awaitable<void> Requests::send(schema::Request request, Reply reply) {
  log::info("request answered", {{"request", request.request_id},
                                 {"kind", request.kind},
                                 {"job", request.job_id.value_or(0)},
                                 {"by", request.requested_by},
                                 {"outcome", reply.outcome},
                                 {"detail", reply.message}});
  auto work = [id = request.request_id, reply = std::move(reply), now = engine_.clock.now()](schema::JobStore& store) {
    store.answer(id, reply.outcome, reply.message, to_text(reply.answer), now);
  };
  co_await engine_.store.run(std::move(work));
}

awaitable<Requests::Reply> Requests::plan(schema::Request request) {
  schema::Job job;
  Journals journals;
  if (request.job_id) {
    auto read = [id = *request.job_id](schema::JobStore& store) {
      auto found = store.job(id);
      auto known = found.has_error() ? Journals{} : read_journals(store, *found);
      return std::pair{std::move(found), std::move(known)};
    };
    auto loaded = co_await engine_.store.run(std::move(read));
    if (loaded.first.has_error())
      co_return Reply{"refused", "There is no such job; list the jobs to find its number.", {}};
    job = std::move(*loaded.first);
    journals.undone = std::move(loaded.second.undone);  // its own is left out: a plan begins at the beginning
  } else {
    const auto args = args_of(request);
    job.approval.kind = args.value("kind", std::string(schema::kind_capability_block));
    job.approval.backend = request.backend;
    job.approval.bottle = request.bottle;
    job.approval.args = args.value("args", json::object()).dump();
  }
  auto* backend = engine_.backends.find(job.approval.backend);
  if (backend == nullptr) {
    const auto refusal = engine_.backends.refusal(job.approval.backend);
    co_return Reply{"done", refusal.message, impossible(refusal)};
  }
  auto refusal = co_await capabilities_.refusal(*backend, job.approval.kind);
  if (refusal) co_return Reply{"done", refusal->message, impossible(*refusal)};
  auto parsed = schema::parse_args(job.approval.args);
  if (const auto* fault = std::get_if<schema::ArgsError>(&parsed)) {
    Refusal bad;
    bad.reason_code = "args_invalid";
    bad.message = fault->field + ": " + fault->message;
    bad.detail = json{{"field", fault->field}};
    co_return Reply{"done", bad.message, impossible(bad)};
  }
  job.target = backend->target_of(job.approval.bottle);
  auto read = [name = job.approval.backend, bottle = job.approval.bottle](schema::JobStore& store) {
    return store.current(name, bottle);
  };
  auto current = co_await engine_.store.run(std::move(read));
  journals.current = std::move(current);
  const auto context = make_context(engine_, job, std::move(std::get<schema::Args>(parsed)), journals);
  auto plan = co_await backend->plan(context);
  if (!plan.possible && plan.reason_code == bottle_not_found) {
    auto elsewhere = co_await in_other_backend(engine_, job.approval.backend, job.approval.bottle);
    if (elsewhere) co_return Reply{"done", elsewhere->message, impossible(*elsewhere)};
  }
  auto message = plan.possible ? std::string("The change is possible.") : plan.message;
  co_return Reply{"done", std::move(message), plan_json(plan)};
}

// What the backend says now about every effect that the journal holds.
awaitable<json> Requests::observe(Backend& backend, JobContext context, std::vector<schema::JournalRow> journal) {
  json seen = json::object();
  for (const auto step : {State::prepare, State::snapshot, State::stop, State::apply, State::restart, State::verify}) {
    const auto effects = backend.effects(context, step);
    for (const auto& effect : effects) {
      const bool tried = std::ranges::any_of(journal, [&](const schema::JournalRow& row) {
        return row.direction == Direction::forward && row.effect == effect.name;
      });
      if (!tried || !effect.mutates) continue;
      auto now = co_await backend.observe(context, effect, Direction::forward);
      seen[effect.name] = {{"world", to_string(now.world)},
                           {"detail", now.detail},
                           {"begins_downtime", effect.begins_downtime},
                           {"ends_downtime", effect.ends_downtime}};
    }
  }
  co_return seen;
}

awaitable<Requests::Reply> Requests::resolve(schema::Request request) {
  struct Loaded {
    schema::Result<schema::Job> job;
    Journals journals;
  };
  auto read = [id = request.job_id.value_or(0)](schema::JobStore& store) {
    auto job = store.job(id);
    auto journals = job.has_error() ? Journals{} : read_journals(store, *job);
    return Loaded{std::move(job), std::move(journals)};
  };
  auto loaded = co_await engine_.store.run(std::move(read));
  if (loaded.job.has_error()) co_return Reply{"refused", "There is no such job; list the jobs to find its number.", {}};
  const auto& job = *loaded.job;
  if (job.state != State::needs_attention)
    co_return Reply{"refused",
                    in_state(job) + "; only a job that needs attention is resolved by hand.",
                    {{"state", to_string(job.state)}}};
  json data = args_of(request);
  auto* backend = engine_.backends.find(job.approval.backend);
  auto parsed = schema::parse_args(job.approval.args);
  if (backend != nullptr && std::holds_alternative<schema::Args>(parsed)) {
    auto context = make_context(engine_, job, std::move(std::get<schema::Args>(parsed)), loaded.journals);
    std::string failure;
    try {
      auto observed = co_await observe(*backend, std::move(context), std::move(loaded.journals.own));
      data["observed"] = std::move(observed);
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (!failure.empty()) data["observed"] = {{"error", failure}};
    if (failure.empty() && two_agents_run(data["observed"]))
      co_return Reply{"refused",
                      "Two agents run on this bottle: stop one of them, or ask for rollback or retry.",
                      {{"observed", data["observed"]}}};
  } else {
    data["observed"] = {{"error", "the backend is not served"}};
  }
  auto work = [&engine = engine_, request, data](schema::JobStore& store) {
    auto moved = store.decide_attention(*request.job_id, engine.epoch_id, Event::resolve, engine.clock.now(),
                                        request.requested_by, to_text(data));
    const auto message = moved.has_error() ? moved.error().message() : std::string("The job is resolved.");
    store.answer(request.request_id, moved.has_error() ? "failed" : "done", message,
                 to_text({{"observed", data["observed"]}}), engine.clock.now());
  };
  co_await engine_.store.run(std::move(work));
  engine_.look_again();
  co_return Reply{};
}

}  // namespace rebottle::worker
