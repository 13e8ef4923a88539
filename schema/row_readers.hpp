// Rows of the database as the structs of rows.hpp. Private to schema/.
// Not here: the statements; they name their columns as these readers expect.
#pragma once

#include "schema/database.hpp"
#include "schema/rows.hpp"

namespace rebottle::schema {

// The columns of read_job, from jobs AS j and approvals AS a.
extern const char* const job_columns;

[[nodiscard]] Job read_job(Use& row);
[[nodiscard]] WorkingJob read_working_job(Use& row);
[[nodiscard]] JournalRow read_journal(Use& row);
[[nodiscard]] HistoryRow read_history(Use& row);
[[nodiscard]] Request read_request(Use& row);
[[nodiscard]] PendingRequest read_pending_request(Use& row);
[[nodiscard]] Leftover read_leftover(Use& row);
[[nodiscard]] Capability read_capability(Use& row);
[[nodiscard]] Freeze read_freeze(Use& row);
[[nodiscard]] Bottle read_bottle(Use& row);
[[nodiscard]] BuildLog read_build_log(Use& row);
[[nodiscard]] Epoch read_epoch(Use& row);

// All rows that are left, each through `read`.
template <class Row>
[[nodiscard]] std::vector<Row> read_all(Use& use, Row (*read)(Use&)) {
  std::vector<Row> rows;
  while (use.next()) rows.push_back(read(use));
  return rows;
}

}  // namespace rebottle::schema
