// enqueue BACKEND BOTTLE: records an approval; the database writes the job in the same transaction.
// Not here: whether the change is possible; `plan` asks the service.
#include <ostream>
#include <random>

#include <fmt/format.h>

#include "tools/change_options.hpp"
#include "tools/job_text.hpp"
#include "tools/time_text.hpp"
#include "tools/verbs.hpp"
#include "tools/wait.hpp"

namespace rebottle::tools {
namespace {

using std::chrono::milliseconds;

struct EnqueueOptions {
  std::string backend;
  std::string bottle;
  ChangeOptions change;
  std::string approval_id;
  std::string by;
  std::string justification;
  std::int64_t priority = 0;
  std::optional<milliseconds> expires_in;
  std::string at;
  bool wait = false;
  std::optional<milliseconds> timeout;
};

// Without an id of the caller's own, every call is an approval of its own.
std::string fresh_approval_id() {
  std::random_device random;
  return fmt::format("cli-{:08x}{:08x}", random(), random());
}

// "+2h", or a time. An empty text means at once.
Result<schema::Milliseconds> start_time(const Context& context, const std::string& at) {
  if (at.empty()) return schema::Milliseconds{0};
  if (at.starts_with('+'))
    if (const auto later = parse_duration(std::string_view(at).substr(1))) return context.now() + *later;
  if (const auto time = parse_rfc3339(at)) return *time;
  return Failure{Errc::usage, "--at: no time: " + at, "write for example +2h or 2026-11-23T09:00:00Z"};
}

Result<schema::Approval> approval_of(Context& context, const EnqueueOptions& options) {
  auto args = args_text(context, options.change);
  if (!args) return args.error();
  const auto start = start_time(context, options.at);
  if (!start) return start.error();
  schema::Approval approval{.approval_id = options.approval_id.empty() ? fresh_approval_id() : options.approval_id,
                            .kind = options.change.kind,
                            .backend = options.backend,
                            .bottle = options.bottle,
                            .args = *std::move(args),
                            .approved_by = options.by.empty() ? context.environment().user : options.by,
                            .priority = options.priority,
                            .scheduled_at = *start,
                            .expires_at = {},
                            .justification = options.justification,
                            .meta = "{}"};
  if (options.expires_in) approval.expires_at = context.now() + options.expires_in->count();
  return approval;
}

// Relative times count from the first submission, else no approval with one could be submitted twice.
void keep_relative_times(schema::OperatorStore& store, const EnqueueOptions& options, schema::Approval& approval) {
  if (options.approval_id.empty()) return;
  const auto before = store.job_of_approval(approval.approval_id);
  if (!before) return;
  if (options.expires_in && before->approval.expires_at) approval.expires_at = before->approval.expires_at;
  if (options.at.starts_with('+')) approval.scheduled_at = before->approval.scheduled_at;
}

void print_enqueued(const Context& context, const schema::Approval& approval, const schema::Enqueued& enqueued) {
  if (context.is_json())
    print_object(context,
                 {{"job_id", enqueued.job_id}, {"approval_id", approval.approval_id}, {"existed", enqueued.existed}});
  else
    context.out() << enqueued.job_id << '\n';
  context.out().flush();
  const std::string job = "job " + std::to_string(enqueued.job_id);
  const std::string of = " of approval " + approval.approval_id;
  if (enqueued.existed)
    context.say(job + of + " existed already, with the same content");
  else
    context.say(job + of + " is recorded" +
                (context.service_runs() ? "" : "; no service runs, it starts with the next one"));
}

Outcome run_enqueue(Context& context, const EnqueueOptions& options) {
  auto approval = approval_of(context, options);
  if (!approval) return approval.error();
  const auto store = context.store();
  if (!store) return store.error();
  keep_relative_times(**store, options, *approval);
  const auto enqueued = (*store)->enqueue(*approval);
  if (!enqueued && enqueued.error() == schema::make_error_code(schema::StoreErrc::conflict))
    return Failure{Errc::conflict, "approval " + approval->approval_id + " exists already with other content",
                   "an approval is immutable: give the changed one an id of its own"};
  if (!enqueued) return Failure{Errc::failure, enqueued.error().message(), {}};
  print_enqueued(context, *approval, *enqueued);
  if (!options.wait) return {};
  return wait_for(context, enqueued->job_id, {.job = {}, .state = {}, .timeout = options.timeout});
}

}  // namespace

void add_enqueue(CommandLine& line) {
  auto options = std::make_shared<EnqueueOptions>();
  CLI::App& verb =
      add_verb(line,
               {.name = "enqueue",
                .summary = "Record an approved change; the service carries it out",
                .examples = "enqueue docker dev-fix-12 --dockerfile Dockerfile --snapshot /workspace\n"
                            "enqueue docker dev-fix-12 --image debian:12-slim --approval-id prop-7f3 --wait\n"
                            "enqueue docker dev-fix-12 --command 'apt-get update' --command 'apt-get -y install jq'"},
               options, run_enqueue);
  add_argument(verb, "BACKEND", options->backend, "docker, podman or smolmachines");
  add_argument(verb, "BOTTLE", options->bottle, "The bottle's name within its backend");
  verb.add_option("--approval-id", options->approval_id,
                  "The same id with the same content is the same job (default: a new one)")
      ->type_name("ID");
  verb.add_option("--by", options->by, "Who approved it (default: you)")->type_name("NAME");
  verb.add_option("--justification", options->justification, "Why; shown, never interpreted")->type_name("TEXT");
  verb.add_option("--priority", options->priority, "Lower goes first (default: 0)")->type_name("N");
  add_duration(verb, "--expires-in", options->expires_in, "Refuse the change if it has not begun by then");
  verb.add_option("--at", options->at, "Not before this time: +2h, or 2026-11-23T09:00:00Z")->type_name("TIME");
  auto* const wait = verb.add_flag("--wait", options->wait, "Wait until the job ends, as the verb wait does");
  add_duration(verb, "--timeout", options->timeout, "With --wait: give up after this long")
      ->needs(wait)
      ->option_text("DURATION");
  add_change_options(verb, options->change);
}

}  // namespace rebottle::tools
