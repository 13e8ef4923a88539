// undo: looks whether what the bottle's last change replaced is still there, and makes the job that puts it back.
// Not here: the job itself; it goes through the ordinary states.
#include <utility>

#include "worker/engine/job_context.hpp"
#include "worker/engine/json_text.hpp"
#include "worker/engine/plan_json.hpp"
#include "worker/engine/requests.hpp"

namespace rebottle::worker {

using statemachine::to_string;

namespace {

struct Candidate {
  std::optional<schema::Job> job;  // the one that was named, or that stands on the bottle that was named
  schema::Standing standing;
  Journals journals;  // of the undo to be: `undone` is what that job recorded
};

Candidate read_candidate(schema::JobStore& store, const schema::Request& request) {
  Candidate out;
  auto id = request.job_id;
  if (!id) id = store.standing(request.backend, request.bottle).job_id;
  if (!id) return out;
  auto job = store.job(*id);
  if (job.has_error()) return out;
  out.standing = store.standing(job->approval.backend, job->approval.bottle);
  out.journals.undone = store.journal(*id);
  out.job = std::move(*job);
  return out;
}

struct Unfit {
  std::string reason_code;  // empty: it can be undone
  std::string message;
};

// What the database alone knows against it.
Unfit judge(const Candidate& candidate, Milliseconds now) {
  if (!candidate.job) return {"never_changed", "No change stands on this bottle: there is nothing to undo."};
  const auto& job = *candidate.job;
  const auto name = "Job " + std::to_string(job.job_id);
  if (job.undoes)
    return {"not_a_change", name + " is an undo itself; to carry the change out again, approve it or ask for retry."};
  if (job.state != State::succeeded)
    return {"not_a_change", name + " is " + std::string(to_string(job.state)) + ": it has changed nothing for good."};
  const auto& standing = candidate.standing;
  if (standing.job_id != job.job_id)
    return {"not_standing", standing.job_id ? "The change of job " + std::to_string(*standing.job_id) +
                                                  " stands on the bottle now; undo that one first."
                                            : name + " is undone already."};
  if (!standing.kept_until || *standing.kept_until <= now)
    return {"not_kept",
            "What " + name + " replaced is not kept (keep_old_s in the configuration); approve a change back instead."};
  return {};
}

}  // namespace

awaitable<Requests::Reply> Requests::undo(schema::Request request) {
  const auto args = json::parse(request.args);
  const bool only_plan = args.value("plan", false);
  auto read = [request](schema::JobStore& store) { return read_candidate(store, request); };
  auto candidate = co_await engine_.store.run(std::move(read));
  auto unfit = judge(candidate, engine_.clock.now());
  Plan plan;
  if (unfit.reason_code.empty()) {
    const auto& approval = candidate.job->approval;
    auto* backend = engine_.backends.find(approval.backend);
    auto parsed = schema::parse_args(approval.args);
    if (backend == nullptr) {
      auto refusal = engine_.backends.refusal(approval.backend);
      unfit = {std::move(refusal.reason_code), std::move(refusal.message)};
    } else if (const auto* fault = std::get_if<schema::ArgsError>(&parsed)) {
      unfit = {"args_invalid", fault->text()};
    } else {
      auto to_be = *candidate.job;
      to_be.undoes = std::exchange(to_be.job_id, 0);
      const auto context = make_context(engine_, to_be, std::move(std::get<schema::Args>(parsed)), candidate.journals);
      auto made = co_await backend->plan(context);
      plan = std::move(made);
      if (!plan.possible) unfit = {plan.reason_code, plan.message};
    }
  }
  if (!unfit.reason_code.empty()) {
    plan.possible = false;
    plan.reason_code = unfit.reason_code;
    plan.message = unfit.message;
  }
  if (only_plan)
    co_return Reply{"done", plan.possible ? std::string("The undo is possible.") : plan.message, plan_json(plan)};
  if (!plan.possible)
    co_return Reply{"refused", plan.message, {{"reason_code", plan.reason_code}, {"detail", plan.detail}}};
  // The new job and the answer in one transaction: neither is there without the other.
  auto work = [&engine = engine_, request, job_id = candidate.job->job_id](schema::JobStore& store) {
    const auto now = engine.clock.now();
    const auto made = store.undo(job_id, request.requested_by, now);
    if (made.has_error())
      store.answer(request.request_id, "refused", "Another job of this bottle has not ended; wait for its end.",
                   to_text({{"reason_code", "busy"}}), now);
    else
      store.answer(request.request_id, "done",
                   "Job " + std::to_string(*made) + " undoes job " + std::to_string(job_id) + ".",
                   to_text({{"job_id", *made}}), now);
  };
  co_await engine_.store.run(std::move(work));
  engine_.look_again();
  co_return Reply{};
}

}  // namespace rebottle::worker
