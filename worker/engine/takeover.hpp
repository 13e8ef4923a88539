// Gives an in-flight job of another epoch to this one: resumes it, or ends its step as poison.
// Not here: looking for such jobs (scheduler), what follows (job_runner).
#pragma once

#include <optional>
#include <string>

#include "worker/engine/engine.hpp"

namespace rebottle::worker {

// The job as it is now; empty if somebody else has it. Throws StoreError.
awaitable<std::optional<schema::Job>> take_over(Engine& engine, schema::Job job);

// Says in the log that a person should look at the job, and why.
void alert(const Engine& engine, const schema::Job& job, const std::string& reason_code, const std::string& message);

// What remains to be removed after the job ended in `end`; what the backend throws is logged, and nothing returned.
[[nodiscard]] std::vector<schema::Leftover> leftovers_of(const Backend& backend, const JobContext& context,
                                                         const schema::Job& job, State end, Milliseconds now);

}  // namespace rebottle::worker
