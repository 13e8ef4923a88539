// Looks at the database whenever something may have changed: answers requests, takes over strays, claims what may
// start. Not here: carrying a job out (job_runner), answering (requests).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "worker/engine/capabilities.hpp"
#include "worker/engine/engine.hpp"
#include "worker/engine/leftovers.hpp"
#include "worker/engine/requests.hpp"
#include "worker/engine/task_group.hpp"

namespace rebottle::worker {

class Scheduler {
 public:
  // `jobs` gets one coroutine per job. All arguments outlive the scheduler.
  Scheduler(Engine& engine, Capabilities& capabilities, Leftovers& leftovers, Requests& requests, TaskGroup& jobs);

  // Until the service stops serving. Survives a database that fails for a while.
  awaitable<void> run();
  // Takes over every in-flight job that has no coroutine, and starts its coroutine. Returns when all are taken over;
  // tries for as long as the database fails.
  awaitable<void> recover();

  // The WAL's size after a checkpoint: while it cannot shrink, nothing is claimed.
  void wal_pages(int pages);
  // Why nothing is claimed at present; empty if claiming goes on.
  [[nodiscard]] std::string paused() const;

 private:
  struct Reserved;  // a job's place among the active ones, given back at the end of its coroutine

  awaitable<void> look();
  awaitable<void> take_over_strays();
  awaitable<void> carry_on(std::shared_ptr<Reserved> place, schema::Job job);
  awaitable<void> claim_what_may_start();
  awaitable<void> admit(std::shared_ptr<Reserved> place);
  awaitable<std::optional<Refusal>> refusal_of(const schema::Job& job);
  awaitable<void> refuse(schema::Job job, Refusal refusal);
  [[nodiscard]] schema::ClaimLimits limits() const;
  [[nodiscard]] std::shared_ptr<Reserved> reserve(std::int64_t job_id, std::string backend, std::string bottle);
  awaitable<void> sleep();
  void tell_status();  // systemd, when it has changed
  void database_failed(const schema::StoreError& error, std::string_view during);

  Engine& engine_;
  Capabilities& capabilities_;
  Leftovers& leftovers_;
  Requests& requests_;
  TaskGroup& jobs_;
  std::map<std::int64_t, Milliseconds> not_before_;  // queued jobs whose claim just failed; steady
  Milliseconds disk_full_until_ = 0;
  bool wal_stuck_ = false;
  std::string told_;  // why it is paused, as systemd knows it
};

}  // namespace rebottle::worker
