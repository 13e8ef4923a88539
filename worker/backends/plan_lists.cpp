// Leftovers as people read them, in a plan before and in the history after. Not here: their removal.
#include "worker/backends/plan_lists.hpp"

#include <algorithm>

#include "worker/backends/json_access.hpp"

namespace rebottle::worker {

Plan plan_after(const Performed& admitted) {
  Plan plan;
  plan.possible = admitted.outcome == Outcome::done;
  if (plan.possible) return plan;
  plan.reason_code = admitted.reason_code;
  plan.message = admitted.message;
  plan.detail = admitted.detail;
  return plan;
}

void list_skipped_paths(Plan& plan, const json& baseline) {
  for (const auto& skipped : at(baseline, "paths_skipped"))
    plan.irreversible.push_back("snapshot path " + text(at(skipped, "path")) +
                                " is not kept: " + text(at(skipped, "why")));
}

std::string text_of(const schema::Leftover& leftover) {
  std::string text = leftover.kind;
  std::ranges::replace(text, '_', ' ');
  const auto reference = json::parse(leftover.reference, nullptr, false);
  for (const auto* const key : {"name", "tag", "directory", "path", "mark"})
    if (reference.contains(key) && reference[key].is_string()) return text + " " + reference[key].get<std::string>();
  return text;
}

void list_leftovers(Plan& plan, const std::vector<schema::Leftover>& leftovers, std::string_view when) {
  for (const auto& leftover : leftovers) {
    const auto kept_s = leftover.not_before / 1000;  // what is kept for a while after the end
    plan.removes.push_back(text_of(leftover) + ", " + (kept_s > 0 ? std::to_string(kept_s) + " s " : "") + "after " +
                           std::string(when));
  }
}

}  // namespace rebottle::worker
