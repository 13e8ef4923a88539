// The command line: verbs, options, help, and what wrong usage says. The verbs register themselves here.
// Not here: what a verb does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "tools/context.hpp"

namespace rebottle::tools {

using Action = std::function<Outcome(Context&)>;

struct CommandLine {
  CommandLine();
  CLI::App app;
  GlobalOptions globals;
  Action chosen;  // of the verb on the command line; empty if there was none
};

struct VerbText {
  std::string name;
  std::string summary;   // one line
  std::string examples;  // a line each, without the indent
};

CLI::App& add_verb(CommandLine& line, const VerbText& text);

// For a verb with options: `run` gets what the command line left in `options`.
template <class Options>
CLI::App& add_verb(CommandLine& line, const VerbText& text, const std::shared_ptr<Options>& options,
                   Outcome (*run)(Context&, const Options&)) {
  CLI::App& verb = add_verb(line, text);
  verb.callback(
      [&line, options, run] { line.chosen = [options, run](Context& context) { return run(context, *options); }; });
  return verb;
}

// A required argument without a dash.
CLI::Option* add_argument(CLI::App& verb, const std::string& name, std::string& value, const std::string& help);

// An option whose value is a duration such as "90s" or "2h".
CLI::Option* add_duration(CLI::App& verb, const std::string& names, std::optional<std::chrono::milliseconds>& value,
                          const std::string& help);

// An option that takes exactly one value each time it is given, in order, whatever the value looks like.
CLI::Option* add_repeated(CLI::App& verb, const std::string& names, std::vector<std::string>& values,
                          const std::string& help);

// One of the words of an enumeration.
[[nodiscard]] Failure unknown_word(const std::string& what, const std::string& word,
                                   const std::vector<std::string>& words);

// Reads the arguments and leaves the verb in `chosen`. An empty `chosen` after success: help or version was asked
// for, and printed to `out`.
[[nodiscard]] Outcome parse(CommandLine& line, int argc, const char* const* argv, std::ostream& out);

}  // namespace rebottle::tools
