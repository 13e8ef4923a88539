// states: the state machine as the program has it, for people, programs and the docs.
// Not here: a second copy of any rule; all of it is read from statemachine/*.hpp.
#include <ostream>

#include "statemachine/recovery.hpp"
#include "statemachine/states.hpp"
#include "tools/command_line.hpp"
#include "tools/job_text.hpp"
#include "tools/listing.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

using statemachine::State;
using statemachine::to_string;

struct StatesOptions {
  bool diagram = false;
  bool markdown = false;
};

Json state_json(const statemachine::StateRow& row) {
  return {
      {"state", to_string(row.state)}, {"phase", to_string(row.phase)}, {"final", statemachine::is_final(row.state)},
      {"bottle", row.bottle},          {"meaning", row.meaning},        {"operator", row.operator_}};
}

Json machine_json() {
  Json states = Json::array(), transitions = Json::array(), ignored = Json::array(), recovery = Json::array();
  for (const auto& row : statemachine::state_rows) states.push_back(state_json(row));
  for (const auto& row : statemachine::transitions)
    transitions.push_back({{"from", to_string(row.from)},
                           {"on", to_string(row.on)},
                           {"to", to_string(row.to)},
                           {"by", to_string(row.by)},
                           {"why", row.why}});
  for (const auto& row : statemachine::ignored_events)
    ignored.push_back({{"in", to_string(row.in)}, {"on", to_string(row.on)}, {"why", row.why}});
  for (const auto& row : statemachine::recovery_cases)
    recovery.push_back({{"journal", to_string(row.journal)},
                        {"world", to_string(row.world)},
                        {"action", to_string(row.action)},
                        {"why", row.why}});
  return {{"states", states}, {"transitions", transitions}, {"ignored", ignored}, {"recovery", recovery}};
}

// One arrow for each pair of states, named by its events; staying in a state is left to the table.
void print_diagram(std::ostream& out) {
  out << "stateDiagram-v2\n  [*] --> " << to_string(State::queued) << '\n';
  for (const auto& from : statemachine::state_rows)
    for (const auto& to : statemachine::state_rows) {
      if (from.state == to.state) continue;
      std::string events;
      for (const auto& row : statemachine::transitions) {
        if (row.from != from.state || row.to != to.state) continue;
        if (!events.empty()) events += ", ";
        events += to_string(row.on);
      }
      if (!events.empty())
        out << "  " << to_string(from.state) << " --> " << to_string(to.state) << " : " << events << '\n';
    }
  for (const auto& row : statemachine::state_rows)
    if (statemachine::is_final(row.state)) out << "  " << to_string(row.state) << " --> [*]\n";
}

void print_row(std::ostream& out, std::initializer_list<std::string_view> cells) {
  for (const auto cell : cells) out << "| " << cell << ' ';
  out << "|\n";
}

void print_markdown(std::ostream& out) {
  out << "## States\n\n| state | phase | the bottle | meaning | a person can |\n|---|---|---|---|---|\n";
  for (const auto& row : statemachine::state_rows)
    print_row(out, {to_string(row.state), to_string(row.phase), row.bottle, row.meaning, row.operator_});
  out << "\n## Diagram\n\n```mermaid\n";
  print_diagram(out);
  out << "```\n\n## Transitions\n\n| from | on | to | by | remark |\n|---|---|---|---|---|\n";
  for (const auto& row : statemachine::transitions)
    print_row(out, {to_string(row.from), to_string(row.on), to_string(row.to), to_string(row.by), row.why});
  out << "\n## Ignored events\n\nRecorded, without effect. What is in neither table is refused.\n\n"
         "| in | on | remark |\n|---|---|---|\n";
  for (const auto& row : statemachine::ignored_events) print_row(out, {to_string(row.in), to_string(row.on), row.why});
  out << "\n## Recovery\n\nAsked before every effect: what the journal says, what the world says, what to do.\n\n"
         "| journal | world | action | remark |\n|---|---|---|---|\n";
  for (const auto& row : statemachine::recovery_cases)
    print_row(out, {to_string(row.journal), to_string(row.world), to_string(row.action), row.why});
}

Outcome run_states(Context& context, const StatesOptions& options) {
  if ((options.diagram || options.markdown) && context.format() != Format::table)
    return Failure{Errc::usage, "--diagram and --markdown have one form each", "leave -o out"};
  if (options.diagram) {
    print_diagram(context.out());
    return {};
  }
  if (options.markdown) {
    print_markdown(context.out());
    return {};
  }
  if (context.is_json()) {
    print_object(context, machine_json());
    return {};
  }
  Listing listing{.columns = {{.title = "STATE"},
                              {.title = "PHASE"},
                              {.title = "BOTTLE"},
                              {.title = "YOU CAN"},
                              {.title = "MEANING", .stretches = true}},
                  .records = {},
                  .empty = {}};
  for (const auto& row : statemachine::state_rows)
    listing.records.push_back({.object = state_json(row),
                               .name = std::string(to_string(row.state)),
                               .cells = {state_cell(row.state, context.environment().out_is_tty),
                                         {std::string(to_string(row.phase))},
                                         {std::string(row.bottle)},
                                         {std::string(row.operator_)},
                                         {std::string(row.meaning)}}});
  print_listing(context, listing);
  return {};
}

}  // namespace

void add_states(CommandLine& line) {
  auto options = std::make_shared<StatesOptions>();
  CLI::App& verb = add_verb(line,
                            {.name = "states",
                             .summary = "Show the state machine: what each state means and what leads to which",
                             .examples = "states\nstates -o json\nstates --diagram"},
                            options, run_states);
  auto* const diagram = verb.add_flag("--diagram", options->diagram, "A Mermaid state diagram");
  verb.add_flag("--markdown", options->markdown, "All tables and the diagram, as in docs/state-machine.md")
      ->excludes(diagram);
}

}  // namespace rebottle::tools
