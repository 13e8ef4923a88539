// bottles, freezes: what is current on the bottles that rebottle has worked on, and what keeps jobs from beginning.
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

struct FreezesOptions {};

Json freeze_json(const schema::Freeze& freeze) {
  return {{"freeze_id", freeze.freeze_id},
          {"backend", freeze.backend.empty() ? Json(nullptr) : Json(freeze.backend)},
          {"bottle", freeze.bottle.empty() ? Json(nullptr) : Json(freeze.bottle)},
          {"reason", freeze.reason},
          {"frozen_by", freeze.frozen_by},
          {"created_at", freeze.created_at},
          {"expires_at", freeze.expires_at ? Json(*freeze.expires_at) : Json(nullptr)}};
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
  return {};
}

Outcome run_freezes(Context& context, const FreezesOptions& /*options*/) {
  const auto store = context.store();
  if (!store) return store.error();
  Listing listing{.columns = {{.title = "FREEZE"},
                              {.title = "BACKEND"},
                              {.title = "BOTTLE"},
                              {.title = "BY"},
                              {.title = "SINCE"},
                              {.title = "UNTIL"},
                              {.title = "REASON", .stretches = true}},
                  .records = {},
                  .empty = "nothing is frozen"};
  for (const auto& freeze : (*store)->freezes(context.now()))
    listing.records.push_back({.object = freeze_json(freeze),
                               .name = std::to_string(freeze.freeze_id),
                               .cells = {{std::to_string(freeze.freeze_id)},
                                         {freeze.backend.empty() ? "(all)" : freeze.backend},
                                         {freeze.bottle.empty() ? "(all)" : freeze.bottle},
                                         {freeze.frozen_by},
                                         {context.when(freeze.created_at)},
                                         {context.when(freeze.expires_at)},
                                         {freeze.reason, Tone::warned}}});
  print_listing(context, listing);
  return {};
}

}  // namespace

void add_bottles(CommandLine& line) {
  auto options = std::make_shared<BottlesOptions>();
  CLI::App& verb = add_verb(line,
                            {.name = "bottles",
                             .summary = "List the bottles that jobs have had, and what is current on them",
                             .examples = "bottles\nbottles --backend docker -o json"},
                            options, run_bottles);
  verb.add_option("--backend", options->backend, "Only bottles of this backend")->type_name("NAME");
  add_verb(line,
           {.name = "freezes",
            .summary = "List what is frozen: by whom, why and until when",
            .examples = "freezes\nfreezes -o json"},
           std::make_shared<FreezesOptions>(), run_freezes);
}

}  // namespace rebottle::tools
