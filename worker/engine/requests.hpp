// Answers what people and dashboards ask for: each request exactly once, also when the answer is no.
// Not here: the INSERT that makes a request (schema guards it), what follows for a running job (job_runner).
#pragma once

#include <exception>
#include <set>
#include <string>
#include <vector>

#include "worker/engine/capabilities.hpp"
#include "worker/engine/engine.hpp"
#include "worker/engine/task_group.hpp"

namespace rebottle::worker {

class Requests {
 public:
  // What needs a backend is answered in a coroutine of `tasks`, so that a slow engine delays nobody else.
  Requests(Engine& engine, Capabilities& capabilities, TaskGroup& tasks);

  // Answers the oldest that wait, a page in one commit, and asks for another look if there are more. The engine knows
  // the freezes in force after it. Throws StoreError.
  awaitable<void> answer_pending();

 private:
  struct Reply {
    std::string outcome;  // done, refused, failed
    std::string message;
    json answer = json::object();
  };

  struct Answered {
    schema::Request request;
    Reply reply;
  };

  void answer_in_turn(const schema::PendingRequest& request);  // if it looks at a backend, and has its turn
  awaitable<schema::Request> load(std::int64_t id);
  // Those that concern the database alone, and what is frozen then.
  awaitable<void> answer_now(std::vector<std::int64_t> ids);
  awaitable<void> answer_failed(std::int64_t id, std::exception_ptr error);
  [[nodiscard]] Answered answer(schema::JobStore& store, std::int64_t id) const;
  void tell(const Answered& answered);
  [[nodiscard]] Reply decide(schema::JobStore& store, const schema::Request& request) const;
  [[nodiscard]] Reply cancel(schema::JobStore& store, const schema::Request& request, const schema::Job& job) const;
  [[nodiscard]] Reply retry(schema::JobStore& store, const schema::Request& request, const schema::Job& job) const;
  [[nodiscard]] Reply roll_back(schema::JobStore& store, const schema::Request& request, const schema::Job& job) const;
  [[nodiscard]] Reply freeze(schema::JobStore& store, const schema::Request& request) const;
  [[nodiscard]] Reply unfreeze(schema::JobStore& store, const schema::Request& request) const;

  awaitable<void> answer_later(std::int64_t id);
  awaitable<Reply> reply_later(schema::Request request);  // without an outcome: it is answered already
  awaitable<Reply> plan(schema::Request request);
  awaitable<Reply> resolve(schema::Request request);
  awaitable<Reply> undo(schema::Request request);  // requests_undo.cpp
  awaitable<json> observe(Backend& backend, JobContext context, std::vector<schema::JournalRow> journal);
  awaitable<void> send(schema::Request request, Reply reply);

  Engine& engine_;
  Capabilities& capabilities_;
  TaskGroup& tasks_;
  std::set<std::int64_t> in_hand_;  // being answered by a coroutine
  std::int64_t seen_ = 0;           // up to this one, only those that look at a backend are not answered
};

}  // namespace rebottle::worker
