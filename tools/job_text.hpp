// Jobs, their history and the requests on them, as cells and as JSON, and why a job does not move.
// Not here: which jobs, and where they go.
#pragma once

#include <optional>
#include <string>

#include "tools/context.hpp"
#include "tools/json_text.hpp"
#include "tools/listing.hpp"

namespace rebottle::tools {

// A job by its id, or the newest job of an approval by the approval's id; "job:7" and "approval:7" where one text is
// both. A conflict where it is and the reference does not say which.
[[nodiscard]] Result<schema::Job> find_job(Context& context, const std::string& reference);

// The same for verbs that take a backend and a bottle, too: a backend without one is wrong usage.
[[nodiscard]] Result<schema::Job> find_job_unless_backend(Context& context, const std::string& reference);

// The state as a word; with a symbol on a terminal, so that colour is never the only sign.
[[nodiscard]] Cell state_cell(statemachine::State state, bool symbol);

// Why a job that could move does not; empty for one that moves or has ended.
struct Waiting {
  std::string code;  // blocked, frozen, scheduled, retry_pause, no_service, turn, attention
  std::string text;
};
[[nodiscard]] std::optional<Waiting> waiting_of(const schema::Job& job, const Context& context, bool service_runs);

// The step that a person has to decide about, or decided about; empty for a job that has gone on since.
[[nodiscard]] std::optional<statemachine::State> interrupted_now(const schema::Job& job);

// Downtime up to now, the present stretch included.
[[nodiscard]] schema::Milliseconds downtime_of(const schema::Job& job, schema::Milliseconds now);

// The columns of jobs_view by their names; times are epoch milliseconds, null where there is none.
[[nodiscard]] Json job_json(const schema::Job& job);
[[nodiscard]] Json history_json(const schema::HistoryRow& row);
[[nodiscard]] Json request_json(const schema::Request& request);

// What an event did, for the eye: "undo: start container dev-1"; with every field if `all`.
[[nodiscard]] std::string what_of(const schema::HistoryRow& row, bool all);

[[nodiscard]] std::vector<Column> history_columns();
// `start`: the time from which a terminal counts the offsets.
[[nodiscard]] Record history_record(const Context& context, const schema::HistoryRow& row, schema::Milliseconds start);

// How the end of a job answers "did it succeed?": ok, not_succeeded or needs_attention without words.
[[nodiscard]] Outcome outcome_of(statemachine::State state);

}  // namespace rebottle::tools
