// Who owns a job: claims, take-overs, and the fences that tell owners apart.
// Not here: what an owner then does (job_store_advance.cpp), what people ask for (job_store_requests.cpp).
#include <sqlite3.h>

#include <map>
#include <nlohmann/json.hpp>

#include "schema/sqlite_job_store.hpp"
#include "statemachine/machine.hpp"

namespace rebottle::schema {

using statemachine::Event;
using statemachine::State;

std::int64_t SqliteJobStore::next_fence() {
  Use row(statements_.next_fence);
  if (!row.next()) throw StoreError("the table `instance` is empty; restore a backup", SQLITE_CORRUPT, true);
  const auto fence = row.integer("last_fence");
  while (row.next()) {
  }
  return fence;
}

// The service of an older epoch has lost everything, even before the newer one took its jobs over.
bool SqliteJobStore::is_newest(std::int64_t epoch_id) {
  Use row(statements_.newest_epoch);
  return row.next() && row.maybe_integer("epoch_id") == epoch_id;
}

bool SqliteJobStore::is_held(const Job& job, const std::string& target) {
  return Use(statements_.holder)
      .bind(":backend", job.approval.backend)
      .bind(":bottle", job.approval.bottle)
      .bind(":target", target)
      .bind(":job_id", job.job_id)
      .next();
}

bool SqliteJobStore::is_frozen(const Approval& approval, Milliseconds now) {
  return Use(statements_.frozen)
      .bind(":backend", approval.backend)
      .bind(":bottle", approval.bottle)
      .bind(":now", now)
      .next();
}

std::vector<ClaimableJob> SqliteJobStore::claimable(Milliseconds now, const ClaimLimits& limits) {
  std::map<std::string, int> free;
  auto open = nlohmann::json::array();
  auto listed = nlohmann::json::array();
  for (const auto& slot : limits.slots) {
    free[slot.backend] = slot.free;
    listed.push_back(slot.backend);
    if (slot.free > 0) open.push_back(slot.backend);
  }
  return translated("cannot look for work", [&] {
    Use rows(statements_.claimable);
    rows.bind(":now", now).bind(":open", open.dump()).bind(":listed", listed.dump());
    std::vector<ClaimableJob> jobs;
    while (jobs.size() < claimable_max && rows.next()) {
      ClaimableJob job{rows.integer("job_id"), rows.text("backend"), rows.text("bottle")};
      if (limits.except.contains(job.job_id)) continue;
      const auto slot = free.find(job.backend);
      if (slot != free.end() && slot->second-- <= 0) continue;
      jobs.push_back(std::move(job));
    }
    return jobs;
  });
}

std::optional<Milliseconds> SqliteJobStore::next_due(Milliseconds now) {
  return translated("cannot look for what is due next", [&] {
    Use row(statements_.next_due);
    row.bind(":now", now);
    return row.next() ? row.maybe_integer("due") : std::nullopt;
  });
}

Result<Job> SqliteJobStore::claim(std::int64_t job_id, std::int64_t epoch_id, const std::string& target,
                                  Milliseconds now, const std::string& actor) {
  return write("cannot claim a job", [&]() -> Result<Job> {
    const auto found = find_job(job_id);
    if (!found) return StoreErrc::not_found;
    if (found->state != State::queued || !is_newest(epoch_id)) return StoreErrc::ownership_lost;
    if (is_held(*found, target)) return StoreErrc::target_held;
    if (is_frozen(found->approval, now)) return StoreErrc::frozen;
    const auto fence = next_fence();
    Use(statements_.claim)
        .bind(":job_id", job_id)
        .bind(":epoch_id", epoch_id)
        .bind(":target", target)
        .bind(":fence", fence)
        .bind(":now", now)
        .bind(":actor", actor)
        .run();
    Use(statements_.bottle_claimed)
        .bind(":backend", found->approval.backend)
        .bind(":bottle", found->approval.bottle)
        .bind(":target", target)
        .bind(":job_id", job_id)
        .run();
    return existing_job(job_id);
  });
}

Result<void> SqliteJobStore::end_queued(std::int64_t job_id, Event event, Milliseconds now, const std::string& actor,
                                        const std::string& reason_code, const std::string& message,
                                        const std::string& detail) {
  return write("cannot end a queued job", [&]() -> Result<void> {
    const auto found = find_job(job_id);
    if (!found) return StoreErrc::not_found;
    if (found->state != State::queued) return StoreErrc::ownership_lost;
    const auto answer = statemachine::answer(State::queued, event);
    if (answer.verdict != statemachine::Verdict::moved || !statemachine::is_final(answer.to))
      return StoreErrc::conflict;
    Use(statements_.end_queued)
        .bind(":job_id", job_id)
        .bind(":to", statemachine::to_string(answer.to))
        .bind(":event", statemachine::to_string(event))
        .bind(":actor", actor)
        .bind(":reason_code", reason_code)
        .bind(":message", message)
        .bind(":detail", detail.empty() ? "{}" : detail)
        .bind(":now", now)
        .run();
    return boost::system::in_place_value;
  });
}

std::vector<WorkingJob> SqliteJobStore::working() {
  return translated("cannot look for jobs at work", [&] {
    Use rows(statements_.working);
    return read_all(rows, read_working_job);
  });
}

void SqliteJobStore::set_owner(const NewOwner& owner) {
  const auto fence = next_fence();
  const std::optional<Milliseconds> finalized_at =
      statemachine::is_final(owner.to) ? std::optional(owner.now) : std::nullopt;
  Use(statements_.new_owner)
      .bind(":job_id", owner.job_id)
      .bind(":from", statemachine::to_string(owner.from))
      .bind(":to", statemachine::to_string(owner.to))
      .bind(":event", statemachine::to_string(owner.event))
      .bind(":actor", owner.actor)
      .bind(":data", owner.data.empty() ? "{}" : owner.data)
      .bind(":fence", fence)
      .bind(":epoch_id", owner.epoch_id)
      .bind(":attempt", std::int64_t{owner.attempt})
      .bind(":crashes", std::int64_t{owner.crashes})
      .bind(":reason_code", owner.reason_code)
      .bind(":message", owner.message)
      .bind(":detail", owner.detail)
      .bind(":finalized_at", finalized_at)
      .bind(":now", owner.now)
      .run();
}

Result<Job> SqliteJobStore::take_over(std::int64_t job_id, std::int64_t epoch_id, Event event, State to, int crashes,
                                      Milliseconds now, const std::string& actor, const std::string& data) {
  return write("cannot take a job over", [&]() -> Result<Job> {
    const auto found = find_job(job_id);
    if (!found) return StoreErrc::not_found;
    if (!statemachine::is_working(found->state) || found->epoch_id == epoch_id || !is_newest(epoch_id))
      return StoreErrc::ownership_lost;
    NewOwner owner{job_id, epoch_id, event, found->state, to, found->attempt, crashes, now, actor, data, {}, {}, {}};
    if (to != found->state) owner.attempt = 1;
    if (event == Event::poison) {
      owner.reason_code = "worker_crashed";
      owner.message = "The worker died too often in the step " + std::string(statemachine::to_string(found->state)) +
                      "; see its log.";
      owner.detail = data.empty() ? "{}" : data;
    }
    set_owner(owner);
    return existing_job(job_id);
  });
}

}  // namespace rebottle::schema
