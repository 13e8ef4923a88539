// The root: parses, runs the verb, and turns every bad end into one line and one exit code.
// Not here: verbs.
#include "tools/run.hpp"

#include <ostream>

#include "tools/command_line.hpp"
#include "tools/text.hpp"

namespace rebottle::tools {
namespace {

Outcome run_verb(int argc, const char* const* argv, const Environment& environment) {
  CommandLine line;
  if (auto parsed = parse(line, argc, argv, environment.out); !parsed) return parsed;
  if (!line.chosen) return {};
  Context context(environment, line.globals);
  return line.chosen(context);
}

Outcome guarded(int argc, const char* const* argv, const Environment& environment) {
  try {
    Outcome outcome = run_verb(argc, argv, environment);
    environment.out.flush();
    if (!environment.out) return Failure{Errc::failure, "the output could not be written", {}};
    return outcome;
  } catch (const schema::RowRefused& refused) {
    return Failure{Errc::usage, refused.what(), {}};
  } catch (const schema::StoreError& error) {
    return failure_of(error);
  } catch (const std::exception& error) {
    return Failure{Errc::failure, error.what(), {}};
  }
}

}  // namespace

int run(int argc, const char* const* argv, const Environment& environment) {
  const Outcome outcome = guarded(argc, argv, environment);
  if (outcome) return 0;
  const Failure& failure = outcome.error();
  if (!failure.what.empty()) {
    const std::string separator = failure.way_out.empty() ? "" : "; ";
    environment.err << "rebottle: " << printable(failure.what + separator + failure.way_out) << '\n';
    environment.err.flush();
  }
  return exit_code(failure.errc);
}

}  // namespace rebottle::tools
