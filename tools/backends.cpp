// supports, backends: what the service found when it last probed the backends.
// Not here: a probe.
#include <algorithm>
#include <ostream>

#include "tools/command_line.hpp"
#include "tools/json_text.hpp"
#include "tools/listing.hpp"
#include "tools/time_text.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

using std::chrono::milliseconds;

struct SupportsOptions {
  std::string backend;
  std::string kind;
  std::optional<milliseconds> age_max;
};

struct BackendsOptions {};

// An answer from further in the future than this says that the clock was set back: its age is not known.
constexpr schema::Milliseconds clock_slack = 5'000;

// Whatever is not known for certain is a no: the asker hides the tool then.
schema::Capability closed(const SupportsOptions& options, std::string reason_code, std::string message) {
  return {.backend = options.backend,
          .kind = options.kind,
          .supported = false,
          .version = {},
          .reason_code = std::move(reason_code),
          .message = std::move(message),
          .detail = "{}",
          .checked_at = 0};
}

// How long the service says that its answer may be believed; an answer that does not say so is not believed.
std::optional<milliseconds> good_for(const schema::Capability& row) {
  const auto detail = json_of_column(row.detail);
  const auto seconds = detail.is_object() ? detail.find("good_for_s") : detail.end();
  if (seconds == detail.end() || !seconds->is_number_integer()) return std::nullopt;
  return std::chrono::seconds(seconds->get<std::int64_t>());
}

schema::Capability look_up(Context& context, schema::OperatorStore& store, const SupportsOptions& options) {
  const auto rows = store.capabilities();
  const auto of_backend = [&](const auto& row) { return row.backend == options.backend; };
  const auto found =
      std::ranges::find_if(rows, [&](const auto& row) { return of_backend(row) && row.kind == options.kind; });
  if (found == rows.end() && std::ranges::any_of(rows, of_backend))
    return closed(options, "kind_unsupported", "the backend does not know jobs of this kind");
  if (found == rows.end()) return closed(options, "not_known", "no service has said anything about this backend");
  auto result = *found;
  if (!result.supported) return result;
  const auto age = context.now() - result.checked_at;
  const auto age_max = options.age_max ? options.age_max : good_for(result);
  if (!context.service_runs()) {
    result.reason_code = "service_not_running";
    result.message = "no service runs that could carry it out";
  } else if (age < -clock_slack) {
    result.reason_code = "answer_stale";
    result.message = "its time is in the future, so the clock was set back";
  } else if (!age_max) {
    result.reason_code = "answer_stale";
    result.message = "it does not say how long it may be believed";
  } else if (age > age_max->count()) {
    result.reason_code = "answer_stale";
    result.message = "last probed " + duration_text(age) + " ago, longer than " + duration_text(age_max->count());
  } else {
    return result;
  }
  result.supported = false;
  return result;
}

Result<schema::Capability> answer_of(Context& context, const SupportsOptions& options) {
  try {
    const auto store = context.store();
    if (store) return look_up(context, **store, options);
    if (store.error().errc != Errc::not_found) return store.error();
    return closed(options, "database_missing", "there is no database at " + context.database().string());
  } catch (const schema::StoreError& error) {
    return closed(options, "not_readable", error.what());
  }
}

Outcome run_supports(Context& context, const SupportsOptions& options) {
  if (context.format() == Format::name)
    return Failure{Errc::usage, "supports has no ids to print", "leave -o name out: the exit code is the answer"};
  const auto answered = answer_of(context, options);
  if (!answered) return answered.error();
  const auto& row = *answered;
  if (context.is_json()) {
    const Json age = row.checked_at > 0 ? Json((context.now() - row.checked_at) / 1000) : Json(nullptr);
    print_object(context, {{"supported", row.supported},
                           {"backend", row.backend},
                           {"kind", row.kind},
                           {"version", row.version},
                           {"reason_code", row.reason_code},
                           {"message", row.message},
                           {"detail", json_of_column(row.detail)},
                           {"age_s", age}});
  } else {
    context.out() << painted({row.supported ? "yes" : "no", row.supported ? Tone::good : Tone::warned},
                             context.colour());
    if (!row.supported)
      context.out() << ": " << painted({row.reason_code + (row.message.empty() ? "" : ": " + row.message)}, false);
    context.out() << '\n';
  }
  if (!row.supported) return Failure{Errc::failure, {}, {}};
  return {};
}

Outcome run_backends(Context& context, const BackendsOptions& /*options*/) {
  const auto store = context.store();
  if (!store) return store.error();
  Listing listing{.columns = {{.title = "BACKEND"},
                              {.title = "KIND"},
                              {.title = "SUPPORTED"},
                              {.title = "VERSION"},
                              {.title = "CHECKED"},
                              {.title = "NOTE", .stretches = true}},
                  .records = {},
                  .empty = "no backend has been probed yet"};
  for (const auto& row : (*store)->capabilities()) {
    const std::string note =
        row.reason_code + (row.reason_code.empty() || row.message.empty() ? "" : ": ") + row.message;
    listing.records.push_back(
        {.object = {{"backend", row.backend},
                    {"kind", row.kind},
                    {"supported", row.supported},
                    {"version", row.version},
                    {"reason_code", row.reason_code},
                    {"message", row.message},
                    {"detail", json_of_column(row.detail)},
                    {"checked_at", row.checked_at}},
         .name = row.backend + "/" + row.kind,
         .cells = {{row.backend},
                   {row.kind},
                   {row.supported ? "yes" : "no", row.supported ? Tone::good : Tone::warned},
                   {row.version},
                   {context.when(row.checked_at > 0 ? std::optional(row.checked_at) : std::nullopt)},
                   {note}}});
  }
  print_listing(context, listing);
  if (!context.service_runs()) context.say("no service runs; these answers are as old as they say");
  return {};
}

}  // namespace

void add_backends(CommandLine& line) {
  auto options = std::make_shared<SupportsOptions>();
  CLI::App& supports =
      add_verb(line,
               {.name = "supports",
                .summary = "Exit 0 if a backend can do a kind now, 1 if not or not known lately",
                .examples = "supports docker capability_block\nsupports smolmachines capability_block -o json"},
               options, run_supports);
  add_argument(supports, "BACKEND", options->backend, "docker, podman or smolmachines");
  add_argument(supports, "KIND", options->kind, "capability_block");
  add_duration(supports, "--max-age", options->age_max,
               "An older answer counts as not known (default: as the service said)");
  add_verb(line,
           {.name = "backends",
            .summary = "List what each backend can do, as last probed",
            .examples = "backends\nbackends -o json"},
           std::make_shared<BackendsOptions>(), run_backends);
}

}  // namespace rebottle::tools
