// CLI11 set up once: global options that stand anywhere, help with the examples first, and errors that name the
// nearest word. Not here: the verbs' own options.
#include "tools/command_line.hpp"

#include <algorithm>
#include <array>
#include <ostream>
#include <span>

#include "tools/text.hpp"
#include "tools/time_text.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

using std::chrono::milliseconds;

// CLI11 keeps the examples in the footer; people want them first.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    std::string text = app->get_description() + "\n\n";
    if (app->get_parent() != nullptr) text += "Examples:\n" + app->get_footer() + "\n";
    return text;
  }
  std::string make_footer(const CLI::App* app) const override {
    return app->get_parent() == nullptr ? app->get_footer() : "Also: --db, -o and --color, see `rebottle --help`\n";
  }
};

std::string main_footer() {
  std::string text = "Exit codes:\n  0    ok\n";
  for (const auto& row : errc_rows) {
    const std::string code = std::to_string(row.exit_code);
    text += "  " + code + std::string(5 - code.size(), ' ') + std::string(row.meaning) + "\n";
  }
  return text;
}

using FormatWord = std::pair<std::string_view, Format>;
constexpr std::array formats{FormatWord{"table", Format::table}, FormatWord{"wide", Format::wide},
                             FormatWord{"json", Format::json}, FormatWord{"jsonl", Format::jsonl},
                             FormatWord{"name", Format::name}};
using ColourWord = std::pair<std::string_view, ColourWish>;
constexpr std::array colours{ColourWord{"auto", ColourWish::automatic}, ColourWord{"always", ColourWish::always},
                             ColourWord{"never", ColourWish::never}};

// An option that takes one of a few words.
template <class Value, std::size_t count>
void add_word(CLI::App& app, const std::string& names, Value& value,
              const std::array<std::pair<std::string_view, Value>, count>& words, const std::string& help) {
  const auto read = [&value, &words](const std::string& text) {
    std::vector<std::string> known;
    for (const auto& [word, meaning] : words) {
      if (word == text) {
        value = meaning;
        return;
      }
      known.emplace_back(word);
    }
    const auto failure = unknown_word("value", text, known);
    throw CLI::ValidationError(failure.what + "; " + failure.way_out);
  };
  app.add_option_function<std::string>(names, read, help)->type_name("WORD");
}

// Long names of the verb's and of the global options.
std::vector<std::string> known_options(const CLI::App& app, const CLI::App* verb) {
  std::vector<std::string> names;
  const auto collect = [&names](const CLI::App& from) {
    for (const auto* option : from.get_options())
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  };
  if (verb != nullptr) collect(*verb);
  collect(app);
  return names;
}

std::vector<std::string> known_verbs(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(verb->get_name());
  return names;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known, const std::string& otherwise) {
  const auto near = nearest(word, known);
  return near.empty() || near == word ? otherwise : "did you mean `" + std::string(near) + "`?";
}

Failure usage(std::string what, std::string way_out) { return {Errc::usage, std::move(what), std::move(way_out)}; }

// `options` is where no "--" has said that all that follows are arguments.
Failure usage_failure(const CLI::App& app, const CLI::ParseError& error, std::span<const char* const> options) {
  const auto parsed = app.get_subcommands();
  const CLI::App* const verb = parsed.empty() ? nullptr : parsed.front();
  const std::string help = verb == nullptr ? "see `rebottle --help`" : "see `rebottle " + verb->get_name() + " --help`";
  // What nobody took explains more than what is missing in its place.
  for (const auto& word : app.remaining(true)) {
    if (word.size() > 1 && word.starts_with('-')) {
      if (std::ranges::find(options, std::string_view(word)) == options.end()) break;
      const auto name = word.substr(0, word.find('='));
      if (verb != nullptr && verb->get_option_no_throw(name) != nullptr)
        return usage(name + " belongs to the verb", "write `rebottle " + verb->get_name() + " " + name + " …`");
      return usage("unknown option " + name, suggestion(name, known_options(app, verb), help));
    }
    if (verb == nullptr) return usage("unknown verb " + word, suggestion(word, known_verbs(app), help));
  }
  if (const auto rest = app.remaining(true); !rest.empty()) return usage("unexpected argument " + rest.front(), help);
  return usage(error.what(), help);
}

Failure empty_value(const std::string& name) {
  return usage(name + " has an empty value", "give one, or leave " + name + " out");
}

// CLI11 takes the next argument as the value of "--option=", which is never what was meant.
std::optional<Failure> cut_off_value(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") return std::nullopt;
    if (word.starts_with("--") && word.find('=') == word.size() - 1)
      return empty_value(std::string(word.substr(0, word.size() - 1)));
  }
  return std::nullopt;
}

// An empty value must not pass for one that was not given: a guard that was asked for would be dropped, or a whole
// backend frozen in place of a bottle. Words of a shell line and the justification may be empty.
std::optional<Failure> empty_value_of(const CLI::App& app) {
  for (const auto* option : app.get_options()) {
    if (option->get_expected_max() > 1 || option->check_lname("justification")) continue;
    for (const auto& value : option->results())
      if (value.empty()) return empty_value(option->get_name());
  }
  return std::nullopt;
}

// CLI11 leaves two blank lines between groups of options.
std::string without_double_blanks(std::string text) {
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at)) text.erase(at, 1);
  return text;
}

}  // namespace

Failure unknown_word(const std::string& what, const std::string& word, const std::vector<std::string>& words) {
  std::string all;
  for (const auto& known : words) all += (all.empty() ? "" : ", ") + known;
  return usage("unknown " + what + " " + word, suggestion(word, words, "known are: " + all));
}

CommandLine::CommandLine()
    : app("Carries out approved changes on AI-agent sandboxes, and undoes what did not work.", "rebottle") {
  const auto formatter = std::make_shared<HelpFormatter>();
  formatter->label("SUBCOMMAND", "VERB");
  formatter->label("REQUIRED", "(required)");
  app.formatter(formatter);
  app.footer(main_footer());
  // At most one verb: a later argument that reads like a verb is an argument.
  app.require_subcommand(0, 1);
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("--version", std::string("rebottle ") + REBOTTLE_VERSION, "Print the version");
  app.add_option("--db", globals.database, "The database (default: REBOTTLE_DB, else the system's or your own)")
      ->type_name("PATH");
  add_word(app, "-o,--output", globals.format, formats, "table, wide, json, jsonl or name (default: table)");
  add_word(app, "--color", globals.colour, colours, "auto, always or never (default: auto)");

  add_enqueue(*this);
  add_plan(*this);
  add_list(*this);
  add_show(*this);
  add_history(*this);
  add_log(*this);
  add_wait(*this);
  add_requests(*this);
  add_undo(*this);
  add_freezes(*this);
  add_backends(*this);
  add_bottles(*this);
  add_states(*this);
  add_database(*this);
}

CLI::App& add_verb(CommandLine& line, const VerbText& text) {
  CLI::App& verb = *line.app.add_subcommand(text.name, text.summary);
  std::string examples;
  for (const auto& example : CLI::detail::split(text.examples, '\n')) examples += "  rebottle " + example + "\n";
  verb.footer(examples);
  verb.group("Verbs");
  verb.fallthrough();  // global options may follow the verb
  return verb;
}

CLI::Option* add_argument(CLI::App& verb, const std::string& name, std::string& value, const std::string& help) {
  return verb.add_option(name, value, help)->required()->type_name("");
}

CLI::Option* add_duration(CLI::App& verb, const std::string& names, std::optional<milliseconds>& value,
                          const std::string& help) {
  const auto read = [&value](const std::string& text) {
    const auto parsed = parse_duration(text);
    if (!parsed) throw CLI::ValidationError("no duration: " + text + "; write for example 90s, 10m or 2h");
    value = milliseconds(*parsed);
  };
  return verb.add_option_function<std::string>(names, read, help)->type_name("DURATION");
}

CLI::Option* add_repeated(CLI::App& verb, const std::string& names, std::vector<std::string>& values,
                          const std::string& help) {
  // The raw results: CLI11's own conversion reads "[a,b]" and "{}" as lists, but these are words of a shell line.
  const auto read = [&values](const CLI::results_t& results) {
    values = results;
    return true;
  };
  return verb.add_option(names, read, help)
      ->type_size(1)
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args(false);
}

Outcome parse(CommandLine& line, int argc, const char* const* argv, std::ostream& out) {
  if (auto failure = cut_off_value(argc, argv)) return *std::move(failure);
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    out << without_double_blanks(line.app.help());
    line.chosen = nullptr;
    return {};
  } catch (const CLI::CallForVersion& version) {
    out << version.what() << '\n';
    line.chosen = nullptr;
    return {};
  } catch (const CLI::ParseError& error) {
    const std::span words(argv, static_cast<std::size_t>(argc));
    const auto dashes = std::ranges::find(words, std::string_view("--"));
    return usage_failure(line.app, error, {words.begin(), dashes});
  }
  if (!line.chosen) return usage("no verb was given", "see `rebottle --help`");
  for (const CLI::App* part : std::array<const CLI::App*, 2>{&line.app, line.app.get_subcommands().front()})
    if (auto failure = empty_value_of(*part)) return *std::move(failure);
  return {};
}

}  // namespace rebottle::tools
