// One function per kind of request. What only concerns the database is decided and answered in one transaction, so
// that neither happens without the other. Not here: transitions; statemachine and schema say what is legal.
#include "worker/engine/requests.hpp"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <limits>
#include <utility>

#include "schema/args_json.hpp"
#include "statemachine/machine.hpp"
#include "worker/engine/job_context.hpp"
#include "worker/engine/json_text.hpp"
#include "worker/engine/log.hpp"
#include "worker/engine/other_backend.hpp"
#include "worker/engine/plan_json.hpp"
#include "worker/engine/takeover.hpp"

namespace rebottle::worker {

using statemachine::Event;
using statemachine::to_string;
using statemachine::Verdict;

namespace {

constexpr std::size_t answering_max = 8;  // that look at a backend, at the same time
constexpr auto no_such_job = "There is no such job; list the jobs to find its number.";
constexpr int page = 60;  // of pending requests: a batch of the store thread

// For a row that was read strictly: see fault_of.
json args_of(const schema::Request& request) { return json::parse(request.args); }

std::string text_of(const json& args, const char* key) {
  const auto found = args.find(key);
  return found != args.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Why the row cannot be answered; empty if it can. The database's guards read JSON as SQLite does, and producers get
// past them with a key that is there twice or written with escapes.
std::string fault_of(const schema::Request& request) {
  const auto parsed = schema::parse_strictly(request.args, "args");
  if (const auto* error = std::get_if<schema::ArgsError>(&parsed)) return error->text();
  const auto& args = std::get<json>(parsed);
  if (!args.is_object()) return "args: must be an object";
  for (const auto* key : {"reason", "outcome", "kind"})
    if (args.contains(key) && !args[key].is_string()) return "args." + std::string(key) + ": must be text";
  if (args.contains("plan") && !args["plan"].is_boolean()) return "args.plan: must be true or false";
  if (args.contains("args") && !args["args"].is_object()) return "args.args: must be an object";
  if (!args.contains("expires_at") || args["expires_at"].is_null()) return {};
  const auto& at = args["expires_at"];
  const bool fits = at.is_number_integer() &&
                    (!at.is_number_unsigned() ||
                     at.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<Milliseconds>::max()));
  return fits ? std::string() : "args.expires_at: must be a time in milliseconds since 1970";
}

void log_answer(const schema::Request& request, const std::string& outcome, const std::string& message) {
  log::info("request answered", {{"request", request.request_id},
                                 {"kind", request.kind},
                                 {"job", request.job_id.value_or(0)},
                                 {"by", request.requested_by},
                                 {"outcome", outcome},
                                 {"detail", message}});
}

std::string in_state(const schema::Job& job) { return "The job is in state " + std::string(to_string(job.state)); }

json impossible(const Refusal& refusal) {
  Plan plan;
  plan.reason_code = refusal.reason_code;
  plan.message = refusal.message;
  plan.detail = refusal.detail;
  return plan_json(plan);
}

bool asks_backend(const schema::PendingRequest& request) {
  return request.kind == "plan" || request.kind == "resolve" || request.kind == "undo";
}

bool is_store_error(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const schema::StoreError&) {
    return true;
  } catch (...) {
    return false;
  }
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
  // The oldest that look at a backend have seen_ behind them.
  const auto turns = in_hand_.size() < answering_max ? static_cast<int>(2 * answering_max) : 0;
  auto read = [after = seen_, turns](schema::JobStore& store) {
    return std::pair{store.requests_pending(0, turns), store.requests_pending(after, page)};
  };
  const auto pending = co_await engine_.store.run(std::move(read));
  for (const auto* requests : {&pending.first, &pending.second})
    for (const auto& request : *requests) answer_in_turn(request);
  std::vector<std::int64_t> now;
  for (const auto& request : pending.second)
    if (!asks_backend(request)) now.push_back(request.request_id);
  co_await answer_now(std::move(now));
  if (!pending.second.empty()) seen_ = pending.second.back().request_id;
  if (static_cast<int>(pending.second.size()) == page) engine_.look_again();
}

void Requests::answer_in_turn(const schema::PendingRequest& request) {
  const auto id = request.request_id;
  if (!asks_backend(request) || in_hand_.size() >= answering_max || !in_hand_.insert(id).second) return;
  tasks_.spawn("request " + std::to_string(id), answer_later(id));
}

awaitable<schema::Request> Requests::load(std::int64_t id) {
  auto read = [id](schema::JobStore& store) { return store.request(id).value(); };  // rows are never deleted
  auto request = co_await engine_.store.run(std::move(read));
  co_return request;
}

awaitable<void> Requests::answer_now(std::vector<std::int64_t> ids) {
  std::vector<Answered> answered(ids.size());
  std::vector<std::function<void(schema::JobStore&)>> work;
  for (std::size_t i = 0; i < ids.size(); ++i)
    work.emplace_back([this, id = ids[i], &one = answered[i]](schema::JobStore& store) { one = answer(store, id); });
  std::vector<schema::FreezeScope> freezes;
  work.emplace_back([now = engine_.clock.now(), &freezes](schema::JobStore& store) {
    store.lift_expired_freezes(now);
    freezes = store.freezes(now);
  });
  const auto errors = co_await engine_.store.run_all(std::move(work));
  auto broken = errors.back();
  if (!broken) engine_.freezes = std::move(freezes);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!errors[i])
      tell(answered[i]);
    else if (is_store_error(errors[i]))
      broken = errors[i];
    else
      co_await answer_failed(ids[i], errors[i]);
  }
  if (broken) std::rethrow_exception(broken);
}

// No row may end the service, so one that it stumbles over is answered, too.
awaitable<void> Requests::answer_failed(std::int64_t id, std::exception_ptr error) {
  const auto request = co_await load(id);
  Reply reply{"failed", "The request cannot be carried out: " + what_of(error), {}};
  co_await send(request, std::move(reply));
}

Requests::Answered Requests::answer(schema::JobStore& store, std::int64_t id) const {
  Answered one;
  one.request = store.request(id).value();
  one.reply = decide(store, one.request);
  store.answer(id, one.reply.outcome, one.reply.message, to_text(one.reply.answer), engine_.clock.now());
  return one;
}

void Requests::tell(const Answered& answered) {
  const auto& [request, reply] = answered;
  log_answer(request, reply.outcome, reply.message);
  const auto active = engine_.active.find(request.job_id.value_or(0));
  if (request.kind == "cancel" && reply.outcome == "done" && active != engine_.active.end())
    active->second->cancel_by = request.requested_by;
}

Requests::Reply Requests::decide(schema::JobStore& store, const schema::Request& request) const {
  if (auto fault = fault_of(request); !fault.empty()) return {"refused", std::move(fault), {}};
  if (request.kind == "freeze") return freeze(store, request);
  if (request.kind == "unfreeze") return unfreeze(store, request);
  const auto job = store.job(request.job_id.value_or(0));
  if (job.has_error()) return {"refused", no_such_job, {}};
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
  freeze.reason = text_of(args, "reason");
  freeze.frozen_by = request.requested_by;
  freeze.created_at = engine_.clock.now();
  if (const auto at = args.find("expires_at"); at != args.end() && !at->is_null())
    freeze.expires_at = at->get<Milliseconds>();
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

awaitable<void> Requests::answer_later(std::int64_t id) {
  std::string broken;
  try {
    const auto request = co_await load(id);
    auto reply = co_await reply_later(request);
    // What went through was answered in its own transaction.
    if (!reply.outcome.empty()) co_await send(request, std::move(reply));
  } catch (const std::exception& error) {
    broken = error.what();
  }
  in_hand_.erase(id);
  if (broken.empty()) engine_.look_again();  // another one may have its turn
  // It stays unanswered in the table, so the scheduler's next slow look, or the next service, takes it up again.
  if (!broken.empty() && engine_.stage == Stage::serving)
    log::error("request could not be answered yet", {{"request", id}, {"error", broken}});
}

awaitable<Requests::Reply> Requests::reply_later(schema::Request request) {
  if (auto fault = fault_of(request); !fault.empty()) co_return Reply{"refused", std::move(fault), {}};
  std::string failure;
  try {
    auto answering = request.kind == "plan" ? plan(request) : request.kind == "undo" ? undo(request) : resolve(request);
    auto reply = co_await std::move(answering);
    co_return reply;
  } catch (const schema::StoreError&) {
    throw;
  } catch (const std::exception& error) {
    // The service's own end cancels what waits here; that is no answer.
    if (engine_.stage != Stage::serving) throw;
    failure = error.what();
  }
  co_return Reply{"failed", "The request cannot be carried out: " + failure, {}};
}

awaitable<void> Requests::send(schema::Request request, Reply reply) {
  log_answer(request, reply.outcome, reply.message);
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
    if (loaded.first.has_error()) co_return Reply{"refused", no_such_job, {}};
    job = std::move(*loaded.first);
    journals.undone = std::move(loaded.second.undone);  // its own is left out: a plan begins at the beginning
  } else {
    const auto args = args_of(request);
    job.approval.kind = args.contains("kind") ? text_of(args, "kind") : std::string(schema::kind_capability_block);
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
    bad.message = fault->text();
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
  if (loaded.job.has_error()) co_return Reply{"refused", no_such_job, {}};
  const auto& job = *loaded.job;
  if (job.state != State::needs_attention)
    co_return Reply{"refused",
                    in_state(job) + "; only a job that needs attention is resolved by hand.",
                    {{"state", to_string(job.state)}}};
  json data = args_of(request);
  schema::Advance ending;
  ending.job_id = job.job_id;
  ending.state = State::resolved;
  ending.actor = request.requested_by;
  auto* backend = engine_.backends.find(job.approval.backend);
  auto parsed = schema::parse_args(job.approval.args);
  if (backend == nullptr) data["observed"] = {{"error", engine_.backends.refusal(job.approval.backend).message}};
  if (const auto* fault = std::get_if<schema::ArgsError>(&parsed)) data["observed"] = {{"error", fault->text()}};
  if (backend != nullptr && std::holds_alternative<schema::Args>(parsed)) {
    auto context = make_context(engine_, job, std::move(std::get<schema::Args>(parsed)), loaded.journals);
    ending.leftovers = leftovers_of(*backend, context, job, State::resolved, engine_.clock.now());
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
  }
  auto work = [&engine = engine_, request, data, ending = std::move(ending)](schema::JobStore& store) mutable {
    ending.now = engine.clock.now();
    auto moved = store.decide_attention(ending.job_id, engine.epoch_id, Event::resolve, ending.now,
                                        request.requested_by, to_text(data));
    if (!moved.has_error() && !ending.leftovers.empty()) {
      ending.fence = moved->fence;
      moved = store.advance(ending);
    }
    const auto message = moved.has_error() ? moved.error().message() : std::string("The job is resolved.");
    store.answer(request.request_id, moved.has_error() ? "failed" : "done", message,
                 to_text({{"observed", data["observed"]}}), ending.now);
  };
  co_await engine_.store.run(std::move(work));
  engine_.look_again();
  co_return Reply{};
}

}  // namespace rebottle::worker
