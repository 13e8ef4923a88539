// The database's own copy of the state machine: every state × event × state, and every other way in which a foreign
// program could bend a job, its history or the service's tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "fixtures.hpp"
#include "statemachine/machine.hpp"

namespace rebottle::schema {
namespace {

using statemachine::Event;
using statemachine::State;
using testing::approval_of;
using ::testing::ElementsAre;
using testing::epoch_of;
using testing::Folder;
using testing::Foreign;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

constexpr std::string_view owner_events[] = {"claim", "resume", "poison", "retry", "roll_back", "resolve"};
bool changes_owner(std::string_view event) { return std::ranges::find(owner_events, event) != std::end(owner_events); }

std::vector<std::string> all_events() {
  std::vector<std::string> events{"effect", "note", "enqueued", "", "nonsense"};
  for (std::size_t i = 0; i < statemachine::event_count; ++i)
    events.emplace_back(statemachine::to_string(static_cast<Event>(i)));
  return events;
}

// The UPDATE that the service would make for this move; legal exactly if the move is.
std::string move_of(State from, std::string_view event, State to) {
  std::string sql = "UPDATE jobs SET seq = seq + 1, state = " + quoted(statemachine::to_string(to)) +
                    ", event = " + quoted(event) + ", actor = 'x', event_data = '{}', updated_at = updated_at + 1";
  if (changes_owner(event))
    sql += ", fence = (SELECT last_fence FROM instance), epoch_id = (SELECT max(epoch_id) FROM epochs)";
  if (event == "claim") sql += ", target = 't'";
  if (to == State::needs_attention && from != to) sql += ", interrupted = state";
  if (statemachine::is_final(to)) sql += ", finalized_at = coalesce(finalized_at, 5)";
  return sql + " WHERE job_id = 1";
}

bool is_legal(State from, const std::string& event, State to, std::optional<State> interrupted) {
  if (event == "effect" || event == "note") return from == to;
  const auto known = statemachine::event_from(event);
  if (!known) return false;
  const auto answer = statemachine::answer(from, *known, interrupted);
  return answer.verdict != statemachine::Verdict::refused && answer.to == to;
}

// A way from queued to each state, and to needs_attention through each step that it can interrupt.
struct Place {
  State state;
  std::optional<State> interrupted;
  std::vector<std::string> way;
};

std::vector<Place> places() {
  std::vector<Place> found;
  std::set<std::pair<State, std::optional<State>>> seen;
  std::deque<Place> open{{State::queued, {}, {}}};
  while (!open.empty()) {
    auto place = open.front();
    open.pop_front();
    if (!seen.insert({place.state, place.interrupted}).second) continue;
    found.push_back(place);
    // Ways on from needs_attention lead to states that are known already.
    if (place.state == State::needs_attention && place.interrupted != State::stop) continue;
    for (const auto& row : statemachine::transitions) {
      if (row.from != place.state) continue;
      if (row.on == Event::retry && row.to != place.interrupted) continue;
      auto next = place;
      next.state = row.to;
      next.interrupted = row.to == State::needs_attention ? std::optional(row.from) : std::nullopt;
      next.way.push_back(move_of(row.from, statemachine::to_string(row.on), row.to));
      open.push_back(std::move(next));
    }
  }
  return found;
}

class ServiceGuards : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = JobStore::open(folder_.database(), {});
    epoch_ = store_->begin_epoch(epoch_of("a"));
    enqueue("one", "dev-1");
  }

  std::int64_t enqueue(const std::string& approval_id, const std::string& bottle) {
    return OperatorStore::open(folder_.database())->enqueue(approval_of(approval_id, bottle))->job_id;
  }
  Job claim(std::int64_t job_id, const std::string& target) {
    return store_->claim(job_id, epoch_, target, 10, "worker:1").value();
  }

  Folder folder_;
  std::unique_ptr<JobStore> store_;
  std::int64_t epoch_ = 0;
};

TEST_F(ServiceGuards, HoldExactlyTheTableOfTransitions) {
  std::set<std::string> expected;
  for (const auto& row : statemachine::transitions)
    expected.insert(std::string(to_string(row.from)) + " " + std::string(to_string(row.on)) + " " +
                    std::string(to_string(row.to)) + " " + std::string(to_string(row.by)));
  for (const auto& row : statemachine::ignored_events)
    expected.insert(std::string(to_string(row.in)) + " " + std::string(to_string(row.on)) + " " +
                    std::string(to_string(row.in)) + " person");
  const auto rows =
      Foreign(folder_.database())
          .values("SELECT from_state || ' ' || event || ' ' || to_state || ' ' || raised_by FROM transitions");
  EXPECT_EQ(std::set<std::string>(rows.begin(), rows.end()), expected);
  EXPECT_EQ(rows.size(), statemachine::transitions.size() + statemachine::ignored_events.size());
}

TEST_F(ServiceGuards, LetThroughExactlyTheLegalMoves) {
  Foreign foreign(folder_.database());
  const auto all_places = places();
  // 16 states; needs_attention is reached from five steps.
  ASSERT_EQ(all_places.size(), statemachine::state_count + 4);
  std::size_t legal = 0;
  for (const auto& place : all_places) {
    foreign.run("BEGIN IMMEDIATE");
    // Each owner needs a fence of its own: more are given out than the longest way needs.
    for (const auto& step : place.way) {
      foreign.run("UPDATE instance SET last_fence = last_fence + 1");
      foreign.run(step);
    }
    foreign.run("UPDATE instance SET last_fence = last_fence + 1");
    const auto history = foreign.value("SELECT count(*) FROM history");
    for (const auto& event : all_events())
      for (const auto& to : statemachine::state_rows) {
        foreign.run("SAVEPOINT one");
        const auto refusal = foreign.refusal(move_of(place.state, event, to.state));
        const bool expected = is_legal(place.state, event, to.state, place.interrupted);
        EXPECT_EQ(refusal.empty(), expected)
            << to_string(place.state) << " × " << event << " → " << to_string(to.state) << ": " << refusal;
        if (!expected) {
          EXPECT_THAT(refusal, StartsWith("jobs.")) << event;
        }
        EXPECT_EQ(foreign.value("SELECT count(*) - " + history + " FROM history"), expected ? "1" : "0");
        legal += refusal.empty() ? 1 : 0;
        foreign.run("ROLLBACK TO one; RELEASE one");
      }
    foreign.run("ROLLBACK");
  }
  // Each row once; needs_attention: two rows and one retry for each of its five places; two notes everywhere.
  const auto own_rows = statemachine::transitions.size() - 7;
  EXPECT_EQ(legal, own_rows + 5 * 3 + statemachine::ignored_events.size() + 2 * all_places.size());
}

TEST_F(ServiceGuards, RefuseAnUnknownStateUnderEverySetting) {
  Foreign foreign(folder_.database());
  foreign.run("PRAGMA ignore_check_constraints = ON");
  EXPECT_THAT(foreign.refusal("UPDATE jobs SET seq = seq + 1, state = 'done', event = 'claim'"),
              StartsWith("jobs.state: the table of transitions has no such move"));
  // OR REPLACE would put the column's default in the place of a NULL.
  for (const std::string verb : {"UPDATE", "UPDATE OR REPLACE"})
    for (const std::string set : {"state = NULL, event = 'note'", "event = NULL", "state = NULL, event = NULL"})
      EXPECT_THAT(foreign.refusal(verb + " jobs SET seq = seq + 1, " + set),
                  StartsWith("jobs.state: the table of transitions has no such move"));
}

struct BadUpdate {
  std::string set;  // in a legal row of history, if nothing else were wrong
  std::string message;
};

TEST_F(ServiceGuards, RefuseUpdatesThatNoMoveMakes) {
  claim(1, "t1");
  enqueue("two", "dev-2");
  const std::vector<BadUpdate> updates{
      {"state = 'succeeded'", "jobs.state: only the service moves a job"},
      {"state = 'prepare'", "jobs.state: only the service moves a job"},
      {"message = 'hello'", "jobs.state: only the service moves a job"},
      {"seq = seq + 2, event = 'note'", "jobs.state: only the service moves a job"},
      {"seq = NULL, event = 'note'", "jobs.state: only the service moves a job"},
      {"seq = seq - 1, event = 'note'", "jobs.state: only the service moves a job"},
      {"seq = seq + 1, event = 'note', job_id = 77", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', run = 2", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', approval_id = 'two'", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', backend = 'podman'", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', bottle = 'x'", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', kind = 'x'", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', priority = 9", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', scheduled_at = 9", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', expires_at = 9", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', created_at = 9", "jobs.approval_id: and all else that was approved"},
      {"seq = seq + 1, event = 'note', fence = fence - 1", "jobs.fence: goes down"},
      {"seq = seq + 1, event = 'note', fence = NULL", "jobs.fence: goes down"},
      {"seq = seq + 1, event = 'note', fence = 1000", "jobs.fence: was never given out"},
      {"seq = seq + 1, event = 'note', epoch_id = NULL", "jobs.fence: the owner changes by"},
      {"seq = seq + 1, event = 'resume'", "jobs.fence: a new owner needs a new fence"},
      {"seq = seq + 1, event = 'note', target = 'other'", "jobs.target: is set by the claim"},
      {"seq = seq + 1, event = 'note', target = NULL", "jobs.target: is set by the claim"},
      {"seq = seq + 1, event = 'note', finalized_at = 5", "jobs.finalized_at: is set exactly when"},
      {"seq = seq + 1, event = 'step_failed', state = 'failed'", "jobs.finalized_at: is set exactly when"},
      {"seq = seq + 1, event = 'note', event_data = 'x'", "jobs.event_data: is not valid JSON"},
      {"seq = seq + 1, event = 'note', event_data = NULL", "jobs.event_data: is not valid JSON"},
      {"seq = seq + 1, event = 'note', detail = '{'", "jobs.detail: is not valid JSON"},
  };
  for (const std::string pragma : {"", "PRAGMA ignore_check_constraints = ON", "PRAGMA recursive_triggers = ON"})
    for (const std::string verb : {"UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE"}) {
      Foreign foreign(folder_.database());
      foreign.run(pragma);
      for (const auto& update : updates)
        EXPECT_THAT(foreign.refusal(verb + " jobs SET " + update.set + " WHERE job_id = 1"), StartsWith(update.message))
            << verb << " " << update.set << " " << pragma;
    }
  EXPECT_EQ(Foreign(folder_.database()).value("SELECT count(*) FROM jobs"), "2");
}

TEST_F(ServiceGuards, RefuseASecondHolderAndKeepTheFirst) {
  claim(1, "t1");
  enqueue("two", "dev-2");
  for (const std::string verb : {"UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE"}) {
    Foreign foreign(folder_.database());
    foreign.run("BEGIN; UPDATE instance SET last_fence = last_fence + 1");
    EXPECT_THAT(foreign.refusal(verb + " jobs SET seq = seq + 1, state = 'prepare', event = 'claim', target = 't1', "
                                       "fence = (SELECT last_fence FROM instance), epoch_id = 1 WHERE job_id = 2"),
                StartsWith("jobs.target: is held by another job"));
    foreign.run("ROLLBACK");
  }
  EXPECT_THAT(Foreign(folder_.database()).values("SELECT state FROM jobs ORDER BY job_id"),
              ElementsAre("prepare", "queued"));
}

TEST_F(ServiceGuards, RefuseAClaimOfAnOldEpoch) {
  store_->begin_epoch(epoch_of("b"));
  Foreign foreign(folder_.database());
  foreign.run("BEGIN; UPDATE instance SET last_fence = last_fence + 1");
  EXPECT_THAT(foreign.refusal("UPDATE jobs SET seq = seq + 1, state = 'prepare', event = 'claim', target = 't1', "
                              "fence = (SELECT last_fence FROM instance), epoch_id = 1"),
              StartsWith("jobs.fence: a new owner needs a new fence and the newest epoch"));
}

TEST_F(ServiceGuards, RefuseJobsThatNoApprovalMade) {
  const std::string columns =
      "INTO jobs (approval_id, run, kind, backend, bottle, priority, scheduled_at, actor, created_at, updated_at) ";
  const std::vector<std::pair<std::string, std::string>> inserts{
      {columns + "VALUES ('none', 1, 'capability_block', 'docker', 'dev-1', 0, 0, 'x', 1, 1)",
       "jobs.approval_id: no approval says this"},
      {columns + "VALUES ('one', 1, 'capability_block', 'docker', 'other', 0, 0, 'x', 1, 1)",
       "jobs.approval_id: no approval says this"},
      {columns + "VALUES ('one', 1, 'capability_block', 'docker', 'dev-1', 0, 0, 'x', 1, 1)",
       "jobs.run: is not the next"},
      {columns + "VALUES ('one', 2, 'capability_block', 'docker', 'dev-1', 0, 0, 'x', 1, 1)",
       "jobs.run: an earlier run is not final"},
      {"INTO jobs SELECT * FROM jobs", "jobs.job_id: is given by the database"},
      {"INTO jobs (rowid, approval_id, run, kind, backend, bottle, priority, scheduled_at, actor, created_at, "
       "updated_at)"
       " VALUES (9223372036854775807, 'one', 2, 'capability_block', 'docker', 'dev-1', 0, 0, 'x', 1, 1)",
       "jobs.job_id: is given by the database"},
  };
  for (const std::string pragma : {"", "PRAGMA foreign_keys = OFF", "PRAGMA recursive_triggers = ON"})
    for (const std::string verb : {"INSERT ", "INSERT OR REPLACE ", "INSERT OR IGNORE "}) {
      Foreign foreign(folder_.database());
      foreign.run(pragma);
      for (const auto& [sql, message] : inserts) EXPECT_THAT(foreign.refusal(verb + sql), StartsWith(message)) << sql;
    }
  // A rerun in any other state than queued.
  ASSERT_TRUE(store_->end_queued(1, Event::cancel, 5, "x", "", "", "{}"));
  for (const std::string more : {"state", "seq", "fence", "attempt", "crashes", "downtime_ms"})
    EXPECT_THAT(
        Foreign(folder_.database())
            .refusal("INSERT INTO jobs (approval_id, run, kind, backend, bottle, priority, scheduled_at, actor, "
                     "created_at, updated_at, " +
                     more +
                     ") VALUES ('one', 2, 'capability_block', 'docker', "
                     "'dev-1', 0, 0, 'x', 1, 1, " +
                     (more == "state" ? "'prepare'" : "7") + ")"),
        StartsWith("jobs.state: a job begins as queued"))
        << more;
}

TEST_F(ServiceGuards, RefuseHistoryThatNoMoveMade) {
  claim(1, "t1");
  const std::vector<std::string> inserts{
      "INTO history VALUES (1, 3, 10, 'note', 'prepare', 'prepare', 'x', '{}')",
      "INTO history VALUES (1, 2, 10, 'claim', 'queued', 'prepare', 'eve', '{}')",
      "INTO history VALUES (1, 1, 10, 'enqueued', NULL, 'queued', 'alice', '{}')",
      "INTO history VALUES (1, 0, 10, 'enqueued', NULL, 'queued', 'alice', '{}')",
      "INTO history VALUES (2, 1, 10, 'enqueued', NULL, 'queued', 'alice', '{}')",
      "INTO history VALUES (1, 99, 10, 'note', 'prepare', 'prepare', 'x', '{}')",
      "INTO history SELECT * FROM history",
      "INTO history SELECT job_id, seq, updated_at, event, 'queued', state, actor, event_data FROM jobs",
  };
  for (const std::string pragma : {"", "PRAGMA ignore_check_constraints = ON", "PRAGMA recursive_triggers = ON"})
    for (const std::string verb : {"INSERT ", "INSERT OR REPLACE ", "INSERT OR IGNORE "}) {
      Foreign foreign(folder_.database());
      foreign.run(pragma);
      for (const auto& sql : inserts)
        EXPECT_THAT(foreign.refusal(verb + sql), StartsWith("history: is written by the database")) << sql;
    }
  EXPECT_EQ(Foreign(folder_.database()).value("SELECT count(*) FROM history"), "2");
}

// Brings a row into every table, so that each refusal meets one.
TEST_F(ServiceGuards, RefuseChangesAndDeletionsOfRecords) {
  const auto job = claim(1, "t1");
  Advance advance;
  advance.job_id = 1;
  advance.fence = job.fence;
  advance.state = State::prepare;
  advance.now = 20;
  advance.actor = "worker:1";
  advance.intent = Advance::Intent{statemachine::Direction::forward, "build", State::prepare};
  Leftover leftover;
  leftover.kind = "image";
  leftover.reference = R"({"id":"x"})";
  advance.leftovers = {leftover};
  ASSERT_TRUE(store_->advance(advance));
  store_->add_freeze({0, "docker", "", "audit", "bob", 10, {}});
  Foreign(folder_.database()).run("INSERT INTO requests (kind, job_id, requested_by) VALUES ('cancel', 1, 'bob')");
  store_->answer(1, "done", "ok", "{}", 30);

  const std::vector<std::pair<std::string, std::string>> statements{
      {"UPDATE approvals SET args = '{}'", "approvals: a row is never changed"},
      {"UPDATE OR REPLACE approvals SET approval_id = 'x'", "approvals: a row is never changed"},
      {"DELETE FROM approvals", "approvals: a row is never deleted"},
      {"DELETE FROM jobs", "jobs: a row is never deleted"},
      {"UPDATE history SET actor = 'eve'", "history: a row is never changed"},
      {"UPDATE OR REPLACE history SET seq = 2", "history: a row is never changed"},
      {"DELETE FROM history", "history: a row is never deleted"},
      {"DELETE FROM history WHERE seq = 1", "history: a row is never deleted"},
      {"UPDATE requests SET message = 'x'", "requests.outcome: the request was answered"},
      {"DELETE FROM requests", "requests: a row is never deleted"},
      {"DELETE FROM intents", "intents: a row is never deleted"},
      {"UPDATE intents SET tries = 0", "intents.fence: and tries never go down"},
      {"UPDATE intents SET fence = 0", "intents.fence: and tries never go down"},
      {"UPDATE intents SET fence = fence + 1", "intents.fence: the journal is written by the owner"},
      {"UPDATE intents SET effect = 'x'", "intents.effect: a journal row never becomes"},
      {"UPDATE intents SET status = 'x'", "intents.status: is neither open nor closed"},
      {"INSERT OR REPLACE INTO intents SELECT * FROM intents", "intents.effect: is in the journal"},
      {"INSERT INTO intents SELECT job_id, direction, 'new', 9, step, status, 0, 0, 1, NULL, '', '{}' FROM intents",
       "intents.fence: the journal is written by the owner"},
      {"INSERT INTO intents SELECT job_id, direction, 'new', 9, 'queued', status, 0, fence, 1, NULL, '', '{}' FROM "
       "intents",
       "intents.step: is no working state"},
      {"INSERT INTO intents SELECT job_id, 'aside', 'new', 9, step, status, 0, fence, 1, NULL, '', '{}' FROM intents",
       "intents.direction: is neither"},
      {"DELETE FROM instance", "instance: there is exactly one row"},
      {"INSERT OR REPLACE INTO instance VALUES (1, 'x', 0, 1)", "instance: there is exactly one row"},
      {"UPDATE instance SET instance_id = 'x'", "instance.instance_id: is never changed"},
      {"UPDATE instance SET last_fence = 0", "instance.last_fence: grows by one"},
      {"UPDATE instance SET last_fence = last_fence + 2", "instance.last_fence: grows by one"},
      {"DELETE FROM epochs", "epochs: a row is never deleted"},
      {"UPDATE epochs SET pid = 1", "epochs: only a graceful stop"},
      {"INSERT OR REPLACE INTO epochs SELECT * FROM epochs", "epochs.epoch_id: is given by the database"},
      {"INSERT INTO epochs (boot_id, pid, process_start, nonce, host, version, fence, started_at) "
       "VALUES ('b', 1, 's', 'n', 'h', 'v', 1, 1)",
       "epochs.fence: is not a new one"},
      {"DELETE FROM leftovers", "leftovers: a row is never deleted"},
      {"UPDATE leftovers SET reference = '{}'", "leftovers.reference: what is to be removed"},
      {"INSERT OR REPLACE INTO leftovers SELECT * FROM leftovers", "leftovers.leftover_id: is given"},
      {"INSERT OR REPLACE INTO leftovers (job_id, backend, kind, reference, not_before, created_at) "
       "SELECT job_id, backend, kind, reference, 0, 1 FROM leftovers",
       "leftovers.reference: is recorded"},
      {"INSERT INTO leftovers (job_id, backend, kind, reference, not_before, created_at) "
       "SELECT job_id, 'podman', kind, '{}', 0, 1 FROM leftovers",
       "leftovers.job_id: there is no such job"},
      {"DELETE FROM freezes", "freezes: a row is never deleted"},
      {"UPDATE freezes SET reason = 'x'", "freezes: a freeze is only lifted"},
      {"INSERT OR REPLACE INTO freezes SELECT * FROM freezes", "freezes.freeze_id: is given"},
      {"DELETE FROM bottles", "bottles: a row is never deleted"},
      {"DELETE FROM transitions", "transitions: the state machine is fixed"},
      {"UPDATE transitions SET to_state = 'succeeded'", "transitions: the state machine is fixed"},
      {"INSERT INTO transitions VALUES ('queued', 'claim', 'succeeded', 'worker')", "transitions: the state machine"},
  };
  for (const std::string pragma :
       {"", "PRAGMA ignore_check_constraints = ON", "PRAGMA recursive_triggers = ON", "PRAGMA foreign_keys = OFF",
        "PRAGMA writable_schema = ON", "PRAGMA foreign_keys = ON; PRAGMA defer_foreign_keys = ON"}) {
    Foreign foreign(folder_.database());
    foreign.run(pragma);
    for (const auto& [sql, message] : statements)
      EXPECT_THAT(foreign.refusal(sql), StartsWith(message)) << sql << " " << pragma;
  }
}

TEST_F(ServiceGuards, LetARequestBeAnsweredOnceAndWholly) {
  Foreign foreign(folder_.database());
  foreign.run("INSERT INTO requests (kind, job_id, requested_by) VALUES ('cancel', 1, 'bob')");
  EXPECT_THAT(foreign.refusal("UPDATE requests SET kind = 'retry'"), StartsWith("requests.kind: and all else"));
  EXPECT_THAT(foreign.refusal("UPDATE OR REPLACE requests SET request_id = 2"),
              StartsWith("requests.kind: and all else"));
  EXPECT_THAT(foreign.refusal("UPDATE requests SET outcome = 'perhaps', message = '', answer = '{}', answered_at = 1"),
              StartsWith("requests.outcome: only the service"));
  EXPECT_THAT(foreign.refusal("UPDATE requests SET outcome = 'done', message = '', answer = '{}'"),
              StartsWith("requests.outcome: only the service"));
  EXPECT_THAT(foreign.refusal("UPDATE requests SET outcome = 'done', message = '', answer = 'x', answered_at = 1"),
              StartsWith("requests.answer: is not valid JSON"));
  store_->answer(1, "done", "cancelled", R"({"job_id":1})", 30);
  EXPECT_THAT(foreign.values("SELECT outcome, message, answer, answered_at FROM requests"),
              ElementsAre("done", "cancelled", R"({"job_id":1})", "30"));
  EXPECT_THROW(store_->answer(1, "failed", "", "{}", 31), StoreError);
  EXPECT_THROW(store_->answer(2, "failed", "", "{}", 31), StoreError);
}

TEST_F(ServiceGuards, UniqueIndexBacksTheGuardUp) {
  claim(1, "t1");
  EXPECT_THAT(
      Foreign(folder_.database())
          .values("SELECT sql LIKE '%WHERE state IN (''prepare'', ''snapshot'', ''stop'', ''apply'', ''restart'', "
                  "''verify'', ''rollback'', ''needs_attention'')%' FROM sqlite_schema WHERE name = "
                  "'jobs_target_holder'"),
      ElementsAre("1"));
  std::string holders;
  for (const auto& row : statemachine::state_rows)
    if (is_working(row.state) || row.state == State::needs_attention)
      holders += std::string(to_string(row.state)) + " ";
  EXPECT_EQ(holders, "prepare snapshot stop apply restart verify rollback needs_attention ");
}

}  // namespace
}  // namespace rebottle::schema
