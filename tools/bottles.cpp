// bottles: what is current on the bottles that rebottle has worked on, and which of them are frozen.
// Not here: what the engine says now.
#include <algorithm>

#include "tools/command_line.hpp"
#include "tools/listing.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

struct BottlesOptions {
  std::string backend;
};

Json freeze_json(const schema::Freeze& freeze) {
  return {{"freeze_id", freeze.freeze_id},
          {"backend", freeze.backend.empty() ? Json(nullptr) : Json(freeze.backend)},
          {"bottle", freeze.bottle.empty() ? Json(nullptr) : Json(freeze.bottle)},
          {"reason", freeze.reason},
          {"frozen_by", freeze.frozen_by},
          {"created_at", freeze.created_at},
          {"expires_at", freeze.expires_at ? Json(*freeze.expires_at) : Json(nullptr)}};
}

std::string scope_of(const schema::Freeze& freeze) {
  if (freeze.backend.empty()) return "every bottle";
  return freeze.bottle.empty() ? "every bottle of " + freeze.backend : freeze.backend + " " + freeze.bottle;
}

Record record_of(const Context& context, const schema::Bottle& bottle, const std::vector<schema::Freeze>& freezes) {
  const auto frozen = std::ranges::find_if(freezes, [&bottle](const auto& freeze) {
    return (freeze.backend.empty() || freeze.backend == bottle.backend) &&
           (freeze.bottle.empty() || freeze.bottle == bottle.bottle);
  });
  const bool is_frozen = frozen != freezes.end();
  const bool can_undo = bottle.undo_job_id && bottle.undo_until.value_or(0) > context.now();
  return {.object = {{"backend", bottle.backend},
                     {"bottle", bottle.bottle},
                     {"target", bottle.target},
                     {"last_job_id", bottle.last_job_id ? Json(*bottle.last_job_id) : Json(nullptr)},
                     {"last_state", bottle.last_state},
                     {"current", json_of_column(bottle.current)},
                     {"changed_at", bottle.changed_at ? Json(*bottle.changed_at) : Json(nullptr)},
                     {"undo_job_id", can_undo ? Json(*bottle.undo_job_id) : Json(nullptr)},
                     {"undo_until", can_undo ? Json(*bottle.undo_until) : Json(nullptr)},
                     {"frozen", is_frozen ? freeze_json(*frozen) : Json(nullptr)}},
          .name = bottle.backend + "/" + bottle.bottle,
          .cells = {{bottle.backend},
                    {bottle.bottle},
                    {bottle.last_job_id ? std::to_string(*bottle.last_job_id) : "-"},
                    {bottle.last_state},
                    {context.when(bottle.changed_at)},
                    {can_undo ? context.when(*bottle.undo_until) : "-"},
                    {is_frozen ? frozen->reason : "-", is_frozen ? Tone::warned : Tone::plain},
                    {bottle.target},
                    {json_summary(bottle.current)}}};
}

Outcome run_bottles(Context& context, const BottlesOptions& options) {
  const auto store = context.store();
  if (!store) return store.error();
  const auto freezes = (*store)->freezes(context.now());
  Listing listing{.columns = {{.title = "BACKEND"},
                              {.title = "BOTTLE"},
                              {.title = "JOB"},
                              {.title = "STATE"},
                              {.title = "CHANGED"},
                              {.title = "UNDO UNTIL"},
                              {.title = "FROZEN"},
                              {.title = "TARGET", .wide_only = true},
                              {.title = "CURRENT", .stretches = true}},
                  .records = {},
                  .empty = "no job has had a bottle yet"};
  for (const auto& bottle : (*store)->bottles())
    if (options.backend.empty() || options.backend == bottle.backend)
      listing.records.push_back(record_of(context, bottle, freezes));
  print_listing(context, listing);
  // A freeze may cover bottles that no job has had yet.
  for (const auto& freeze : freezes)
    context.say("frozen: " + scope_of(freeze) + ", by " + freeze.frozen_by + ": " + freeze.reason);
  return {};
}

}  // namespace

void add_bottles(CommandLine& line) {
  auto options = std::make_shared<BottlesOptions>();
  CLI::App& verb = add_verb(line,
                            {.name = "bottles",
                             .summary = "List the bottles that jobs have had, what is current on them, and freezes",
                             .examples = "bottles\nbottles --backend docker -o json"},
                            options, run_bottles);
  verb.add_option("--backend", options->backend, "Only bottles of this backend")->type_name("NAME");
}

}  // namespace rebottle::tools
