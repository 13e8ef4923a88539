// What a job's effects need to know, put together from the database's rows.
// Not here: what they do with it (worker/backends).
#pragma once

#include <string>
#include <vector>

#include "worker/engine/engine.hpp"

namespace rebottle::worker {

// The rows of a job's journal, those of the job that it undoes, and what is current on the bottle.
struct Journals {
  std::vector<schema::JournalRow> own;
  std::vector<schema::JournalRow> undone;
  std::string current = "{}";
};
// On the store thread.
[[nodiscard]] Journals read_journals(schema::JobStore& store, const schema::Job& job);

// `args` must have been parsed. Throws nlohmann::json::exception if a result in a journal is no JSON.
[[nodiscard]] JobContext make_context(const Engine& engine, const schema::Job& job, schema::Args args,
                                      const Journals& journals);

}  // namespace rebottle::worker
