// A store with an epoch, an operator's store beside it, and short ways to move a job about.
// Not here: any expectation.
#pragma once

#include "fixtures.hpp"

namespace rebottle::schema::testing {

class StoreTest : public ::testing::Test {
 protected:
  using Event = statemachine::Event;
  using State = statemachine::State;
  using Direction = statemachine::Direction;

  void SetUp() override {
    store_ = JobStore::open(folder_.database(), {});
    people_ = OperatorStore::open(folder_.database());
    epoch_ = store_->begin_epoch(epoch_of("first"));
  }

  std::int64_t enqueue(const Approval& approval) { return people_->enqueue(approval).value().job_id; }
  Job claim(std::int64_t job_id, const std::string& target = "t") {
    return store_->claim(job_id, epoch_, target + std::to_string(job_id), 20, "worker:1").value();
  }
  // An Advance that believes what `job` says.
  static Advance advance_of(const Job& job, Milliseconds now = 30) {
    Advance advance;
    advance.job_id = job.job_id;
    advance.fence = job.fence;
    advance.state = job.state;
    advance.now = now;
    advance.actor = "worker:1";
    return advance;
  }
  static Advance::Move move_of(Event event, State to) {
    Advance::Move move;
    move.event = event;
    move.to = to;
    move.attempt = 1;
    return move;
  }
  Job move(const Job& job, Event event, State to, const std::string& reason_code = "") {
    auto advance = advance_of(job);
    advance.move = move_of(event, to);
    advance.move->reason_code = reason_code;
    return store_->advance(advance).value();
  }
  // Leads a queued job forward to a working state.
  Job lead(std::int64_t job_id, State to) {
    auto job = claim(job_id);
    for (const auto next : {State::snapshot, State::stop, State::apply, State::restart, State::verify}) {
      if (job.state == to) break;
      job = move(job, Event::step_done, next);
    }
    return job;
  }
  Job lead_to_attention(std::int64_t job_id, State through) {
    return move(lead(job_id, through), Event::step_unknown, State::needs_attention, "cannot_tell");
  }
  std::vector<std::string> events(std::int64_t job_id) {
    std::vector<std::string> found;
    for (const auto& row : people_->history(job_id, 0)) found.push_back(row.event);
    return found;
  }

  Folder folder_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<OperatorStore> people_;
  std::int64_t epoch_ = 0;
};

}  // namespace rebottle::schema::testing
