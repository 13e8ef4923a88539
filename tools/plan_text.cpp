// A plan is data of the service's: what it does not say is not made up here.
// Not here: sending and waiting (ask.hpp).
#include "tools/plan_text.hpp"

#include <ostream>

#include "tools/listing.hpp"
#include "tools/table.hpp"
#include "tools/text.hpp"

namespace rebottle::tools {
namespace {

void print_part(const Context& context, const Json& plan, const char* key, const std::string& heading) {
  const auto part = plan.find(key);
  if (part == plan.end() || !part->is_array() || part->empty()) return;
  context.out() << painted({heading, Tone::strong}, context.colour()) << '\n';
  for (const auto& entry : *part)
    context.out() << "  " << printable(entry.is_string() ? entry.get<std::string>() : json_line(entry)) << '\n';
}

std::string text_of(const Json& plan, const char* key) {
  const auto field = plan.find(key);
  return field != plan.end() && field->is_string() ? field->get<std::string>() : std::string();
}

void print_document(const Context& context, const Json& plan, bool possible) {
  if (context.is_json()) return print_object(context, plan);
  context.out() << painted({possible ? "possible" : "not possible", possible ? Tone::good : Tone::warned},
                           context.colour());
  if (const auto reason = text_of(plan, "reason_code"); !reason.empty()) context.out() << ": " << printable(reason);
  context.out() << '\n';
  if (const auto message = text_of(plan, "message"); !message.empty()) context.out() << printable(message) << '\n';
  if (const auto detail = plan.find("detail"); detail != plan.end())
    if (const auto summary = json_summary(json_line(*detail)); !summary.empty())
      context.out() << printable(summary) << '\n';
  print_part(context, plan, "makes", "Makes");
  print_part(context, plan, "changes", "Changes");
  print_part(context, plan, "removes", "Removes");
  print_part(context, plan, "irreversible", "Cannot be undone");
}

}  // namespace

Outcome print_plan(const Context& context, const schema::Request& answered) {
  if (answered.outcome != "done")
    return Failure{answered.outcome == "refused" ? Errc::conflict : Errc::failure, "no plan: " + answered.message, {}};
  const Json plan = json_of_column(answered.answer);
  const auto possible = plan.find("possible");
  if (possible == plan.end() || !possible->is_boolean())
    return Failure{Errc::failure, "the service's answer is no plan: " + json_line(plan),
                   "update rebottle and rebottled together"};
  print_document(context, plan, possible->get<bool>());
  if (*possible == false) return Failure{Errc::failure, {}, {}};
  return {};
}

}  // namespace rebottle::tools
