// Facts are what survives a crash. Not here: the journal's own model (job_journal.hpp).
#include "worker/engine/job_context.hpp"

#include <utility>

#include "worker/engine/job_journal.hpp"

namespace rebottle::worker {
namespace {

std::string key_of(const Engine& engine, std::int64_t job_id) {
  return engine.instance_id + "-" + std::to_string(job_id);
}

}  // namespace

Journals read_journals(schema::JobStore& store, const schema::Job& job) {
  Journals journals;
  journals.own = store.journal(job.job_id);
  if (job.undoes) journals.undone = store.journal(*job.undoes);
  journals.current = store.current(job.approval.backend, job.approval.bottle);
  return journals;
}

JobContext make_context(const Engine& engine, const schema::Job& job, schema::Args args, const Journals& journals) {
  JobContext context;
  context.job_id = job.job_id;
  context.job_key = key_of(engine, job.job_id);
  context.fence = job.fence;
  context.bottle = job.approval.bottle;
  context.target = job.target;
  context.args = std::move(args);
  context.current = json::parse(journals.current);
  context.facts = JobJournal(journals.own).facts();
  if (job.undoes) context.undoes = Undone{key_of(engine, *job.undoes), JobJournal(journals.undone).facts()};
  return context;
}

}  // namespace rebottle::worker
