// log JOB: what the builder of the job's image printed.
// Not here: the job's events (history.cpp), the agent's own output.
#include <ostream>

#include "tools/command_line.hpp"
#include "tools/job_text.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

struct LogOptions {
  std::string job;
};

Json log_json(const schema::Job& job, const schema::BuildLog& log) {
  return {{"job_id", job.job_id},
          {"head", log.head},
          {"cut_bytes", log.cut_bytes},
          {"tail", log.tail},
          {"updated_at", log.updated_at}};
}

// Escaped on a pipe, too: what reads it is a terminal in the end.
void print_lines(const Context& context, const std::string& text) {
  for (const auto& line : printable_lines(text)) context.out() << line << '\n';
}

Outcome run_log(Context& context, const LogOptions& options) {
  const auto job = find_job(context, options.job);
  if (!job) return job.error();
  const auto log = (*context.store())->build_log(job->job_id);
  if (!log)
    return Failure{Errc::not_found, "job " + std::to_string(job->job_id) + " has no build log",
                   "only a Dockerfile or commands are built, and only once the build has begun"};
  if (context.is_json()) {
    print_object(context, log_json(*job, *log));
    return {};
  }
  if (context.format() == Format::name) {
    context.out() << job->job_id << '\n';
    return {};
  }
  print_lines(context, log->head);
  if (log->cut_bytes > 0)
    context.out() << painted({"[… " + std::to_string(log->cut_bytes) + " bytes left out …]", Tone::warned},
                             context.colour())
                  << '\n';
  print_lines(context, log->tail);
  return {};
}

}  // namespace

void add_log(CommandLine& line) {
  auto options = std::make_shared<LogOptions>();
  CLI::App& verb = add_verb(line,
                            {.name = "log",
                             .summary = "Print what the build of a job's image printed",
                             .examples = "log 7\nlog prop-7f3\nlog 7 -o json"},
                            options, run_log);
  add_argument(verb, "JOB", options->job, "Id of a job or of an approval");
}

}  // namespace rebottle::tools
