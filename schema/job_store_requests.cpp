// What people ask for: cancels, retries, decisions on needs_attention, freezes.
// Not here: what the wish means for the engine.
#include <sqlite3.h>

#include <nlohmann/json.hpp>

#include "schema/sqlite_job_store.hpp"
#include "statemachine/machine.hpp"

namespace rebottle::schema {

using statemachine::Event;
using statemachine::State;
using statemachine::Verdict;

std::vector<PendingRequest> SqliteJobStore::requests_pending(std::int64_t after, int limit) {
  return translated("cannot look for requests", [&] {
    Use rows(statements_.requests_pending);
    rows.bind(":after", after).bind(":limit", std::int64_t{limit});
    return read_all(rows, read_pending_request);
  });
}

Result<Request> SqliteJobStore::request(std::int64_t request_id) {
  return translated("cannot read a request", [&]() -> Result<Request> {
    Use row(statements_.request);
    row.bind(":request_id", request_id);
    if (!row.next()) return StoreErrc::not_found;
    return read_request(row);
  });
}

void SqliteJobStore::answer(std::int64_t request_id, const std::string& outcome, const std::string& message,
                            const std::string& answer, Milliseconds now) {
  write("cannot answer a request", [&] {
    const int rows = Use(statements_.answer)
                         .bind(":request_id", request_id)
                         .bind(":outcome", outcome)
                         .bind(":message", message)
                         .bind(":answer", answer.empty() ? "{}" : answer)
                         .bind(":now", now)
                         .run();
    if (rows == 0)
      throw StoreError("request " + std::to_string(request_id) + " is answered already, or does not exist",
                       SQLITE_CONSTRAINT, false);
  });
}

Result<Job> SqliteJobStore::request_cancel(std::int64_t job_id, const std::string& by, Milliseconds now) {
  return write("cannot record a cancel", [&]() -> Result<Job> {
    const auto found = find_job(job_id);
    if (!found) return StoreErrc::not_found;
    const auto answer = statemachine::answer(found->state, Event::cancel, found->interrupted);
    if (answer.verdict == Verdict::refused) return StoreErrc::conflict;
    if (answer.verdict == Verdict::ignored) {
      Use(statements_.ignored_cancel)
          .bind(":job_id", job_id)
          .bind(":actor", by)
          .bind(":why", answer.why)
          .bind(":now", now)
          .run();
    } else if (found->state == State::queued) {
      const auto ended = end_queued(job_id, Event::cancel, now, by, "cancelled", "Cancelled by " + by + ".", "{}");
      if (!ended) return ended.error();
    } else if (found->cancel_by.empty()) {
      Use(statements_.wish_cancel).bind(":job_id", job_id).bind(":actor", by).bind(":now", now).run();
    }
    return existing_job(job_id);
  });
}

Result<std::int64_t> SqliteJobStore::rerun(std::int64_t job_id, const std::string& by, Milliseconds now) {
  return write("cannot run an approval again", [&]() -> Result<std::int64_t> {
    Use row(statements_.newest_run);
    row.bind(":job_id", job_id);
    if (!row.next()) return StoreErrc::not_found;
    const auto newest = read_job(row);
    if (!statemachine::is_final(newest.state)) return StoreErrc::conflict;
    if (newest.approval.expires_at && *newest.approval.expires_at <= now) return StoreErrc::conflict;
    Use(statements_.insert_rerun).bind(":job_id", newest.job_id).bind(":actor", by).bind(":now", now).run();
    return std::int64_t{connection_.sql().getLastInsertRowid()};
  });
}

Standing SqliteJobStore::standing(const std::string& backend, const std::string& bottle) {
  return translated("cannot read what stands on a bottle", [&]() -> Standing {
    Use row(statements_.standing);
    row.bind(":backend", backend).bind(":bottle", bottle);
    if (!row.next()) return {};
    return {row.maybe_integer("job_id"), row.maybe_integer("kept_until")};
  });
}

Result<std::int64_t> SqliteJobStore::undo(std::int64_t job_id, const std::string& by, Milliseconds now) {
  return write("cannot undo a job", [&]() -> Result<std::int64_t> {
    const auto found = find_job(job_id);
    if (!found) return StoreErrc::not_found;
    const auto stands = standing(found->approval.backend, found->approval.bottle);
    if (stands.job_id != job_id || !stands.kept_until || *stands.kept_until <= now) return StoreErrc::conflict;
    if (Use(statements_.unfinished_beside).bind(":job_id", job_id).next()) return StoreErrc::conflict;
    Use(statements_.insert_undo).bind(":job_id", job_id).bind(":actor", by).bind(":now", now).run();
    return std::int64_t{connection_.sql().getLastInsertRowid()};
  });
}

Result<Job> SqliteJobStore::decide_attention(std::int64_t job_id, std::int64_t epoch_id, Event event, Milliseconds now,
                                             const std::string& by, const std::string& data) {
  return write("cannot record a decision", [&]() -> Result<Job> {
    const auto found = find_job(job_id);
    if (!found) return StoreErrc::not_found;
    const auto answer = statemachine::answer(found->state, event, found->interrupted);
    if (found->state != State::needs_attention || answer.verdict != Verdict::moved) return StoreErrc::conflict;
    if (!is_newest(epoch_id)) return StoreErrc::ownership_lost;
    NewOwner owner{job_id, epoch_id, event, found->state, answer.to, 1, 0, now, by, data, {}, {}, {}};
    if (event == Event::retry && answer.to != State::rollback) {
      // A fresh start of the step: what went wrong before is in the history. A roll-back keeps why it is needed.
      owner.reason_code = owner.message = "";
      owner.detail = "{}";
    } else if (event == Event::resolve) {
      const auto said = nlohmann::json::parse(data, nullptr, false);
      if (!said.is_object()) throw StoreError("a resolution without its JSON object", SQLITE_MISMATCH, false);
      owner.reason_code = "resolved_" + said.value("outcome", std::string("unknown"));
      owner.message = said.value("reason", std::string());
      owner.detail = data;
    }
    set_owner(owner);
    // A person settled what came of an undo: nothing that it was about is removed behind their back.
    if (event == Event::resolve && found->undoes) withdraw_leftovers(*found->undoes, now);
    return existing_job(job_id);
  });
}

std::int64_t SqliteJobStore::add_freeze(const Freeze& freeze) {
  return write("cannot record a freeze", [&] {
    Use(statements_.insert_freeze)
        .bind(":backend", freeze.backend)
        .bind(":bottle", freeze.bottle)
        .bind(":reason", freeze.reason)
        .bind(":frozen_by", freeze.frozen_by)
        .bind(":created_at", freeze.created_at)
        .bind(":expires_at", freeze.expires_at)
        .run();
    return std::int64_t{connection_.sql().getLastInsertRowid()};
  });
}

int SqliteJobStore::lift_freezes(const std::string& backend, const std::string& bottle, Milliseconds now) {
  return write("cannot lift a freeze", [&] {
    return Use(statements_.lift_freezes).bind(":backend", backend).bind(":bottle", bottle).bind(":now", now).run();
  });
}

void SqliteJobStore::lift_expired_freezes(Milliseconds now) {
  write("cannot lift a freeze", [&] { Use(statements_.lift_expired_freezes).bind(":now", now).run(); });
}

std::vector<FreezeScope> SqliteJobStore::freezes(Milliseconds now) {
  return translated("cannot read the freezes", [&] {
    Use rows(statements_.freezes);
    rows.bind(":now", now);
    std::vector<FreezeScope> freezes;
    while (rows.next())
      freezes.push_back({rows.text("backend"), rows.text("bottle"), rows.maybe_integer("expires_at")});
    return freezes;
  });
}

}  // namespace rebottle::schema
