// A store whose transactions fail when told to: before the commit, or after it, as when its answer is lost.
// Not here: anything else; all calls go through to the real store.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "schema/job_store.hpp"

namespace rebottle::test {

struct StoreFaults {
  int transactions = 0;       // that carried work, so far
  int nth = 0;                // the first that fails; 0: none does
  int times = 1;              // how many in a row
  bool after_commit = false;  // it happened all the same
  int sqlite_code = 5;        // SQLITE_BUSY
  bool fatal = false;
};

class FaultyStore final : public schema::JobStore {
 public:
  template <class T>
  using Result = schema::Result<T>;
  using Milliseconds = schema::Milliseconds;
  using Event = statemachine::Event;
  using Text = const std::string&;

  FaultyStore(std::unique_ptr<schema::JobStore> store, StoreFaults& faults) : s_(std::move(store)), faults_(faults) {}

  void transaction(const std::vector<std::function<void()>>& work) override {
    const int now = ++faults_.transactions;
    const bool fails = faults_.nth > 0 && now >= faults_.nth && now < faults_.nth + faults_.times;
    if (!fails || faults_.after_commit) s_->transaction(work);
    if (fails) throw schema::StoreError("scripted: the transaction failed", faults_.sqlite_code, faults_.fatal);
  }

  std::string instance_id() override { return s_->instance_id(); }
  std::int64_t begin_epoch(const schema::Epoch& epoch) override { return s_->begin_epoch(epoch); }
  void end_epoch(std::int64_t id, Milliseconds now) override { s_->end_epoch(id, now); }
  std::optional<schema::Epoch> epoch(std::int64_t id) override { return s_->epoch(id); }
  std::vector<schema::ClaimableJob> claimable(Milliseconds now, const schema::ClaimLimits& limits) override {
    return s_->claimable(now, limits);
  }
  Result<schema::Job> claim(std::int64_t job, std::int64_t epoch, Text target, Milliseconds now, Text actor) override {
    return s_->claim(job, epoch, target, now, actor);
  }
  std::optional<Milliseconds> next_due(Milliseconds now) override { return s_->next_due(now); }
  Result<void> end_queued(std::int64_t job, Event event, Milliseconds now, Text actor, Text reason, Text message,
                          Text detail) override {
    return s_->end_queued(job, event, now, actor, reason, message, detail);
  }
  std::vector<schema::WorkingJob> working() override { return s_->working(); }
  Result<schema::Job> take_over(std::int64_t job, std::int64_t epoch, Event event, statemachine::State to, int crashes,
                                Milliseconds now, Text actor, Text data) override {
    return s_->take_over(job, epoch, event, to, crashes, now, actor, data);
  }
  Result<schema::Job> job(std::int64_t id) override { return s_->job(id); }
  std::vector<schema::JournalRow> journal(std::int64_t id) override { return s_->journal(id); }
  std::string current(const std::string& backend, const std::string& bottle) override {
    return s_->current(backend, bottle);
  }
  Result<schema::Job> advance(const schema::Advance& advance) override { return s_->advance(advance); }
  std::vector<schema::PendingRequest> requests_pending(std::int64_t after, int limit) override {
    return s_->requests_pending(after, limit);
  }
  Result<schema::Request> request(std::int64_t id) override { return s_->request(id); }
  void answer(std::int64_t id, Text outcome, Text message, Text answer, Milliseconds now) override {
    s_->answer(id, outcome, message, answer, now);
  }
  Result<schema::Job> request_cancel(std::int64_t job, Text by, Milliseconds now) override {
    return s_->request_cancel(job, by, now);
  }
  Result<std::int64_t> rerun(std::int64_t job, Text by, Milliseconds now) override { return s_->rerun(job, by, now); }
  schema::Standing standing(Text backend, Text bottle) override { return s_->standing(backend, bottle); }
  Result<std::int64_t> undo(std::int64_t job, Text by, Milliseconds now) override { return s_->undo(job, by, now); }
  Result<schema::Job> decide_attention(std::int64_t job, std::int64_t epoch, Event event, Milliseconds now, Text by,
                                       Text data) override {
    return s_->decide_attention(job, epoch, event, now, by, data);
  }
  std::int64_t add_freeze(const schema::Freeze& freeze) override { return s_->add_freeze(freeze); }
  int lift_freezes(Text backend, Text bottle, Milliseconds now) override {
    return s_->lift_freezes(backend, bottle, now);
  }
  void lift_expired_freezes(Milliseconds now) override { s_->lift_expired_freezes(now); }
  std::vector<schema::FreezeScope> freezes(Milliseconds now) override { return s_->freezes(now); }
  std::vector<schema::Leftover> leftovers_due(Milliseconds now) override { return s_->leftovers_due(now); }
  void leftover_removed(std::int64_t id, Milliseconds now) override { s_->leftover_removed(id, now); }
  void leftover_failed(std::int64_t id, Text error, Milliseconds next) override {
    s_->leftover_failed(id, error, next);
  }
  void record_capabilities(Text backend, const std::vector<schema::Capability>& rows) override {
    s_->record_capabilities(backend, rows);
  }
  void keep_capabilities(const std::vector<std::string>& backends) override { s_->keep_capabilities(backends); }
  void hurry() noexcept override { s_->hurry(); }
  bool changed_by_others() override { return s_->changed_by_others(); }
  [[nodiscard]] const std::filesystem::path& path() const override { return s_->path(); }
  void check_file() override { s_->check_file(); }
  int checkpoint() override { return s_->checkpoint(); }

 private:
  std::unique_ptr<schema::JobStore> s_;
  StoreFaults& faults_;
};

}  // namespace rebottle::test
