// What every verb works with: the environment, the global options, and the database once it is needed.
// Not here: a verb.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "schema/operator_store.hpp"
#include "tools/environment.hpp"
#include "tools/errors.hpp"
#include "tools/table.hpp"

namespace rebottle::tools {

enum class Format : std::uint8_t { table, wide, json, jsonl, name };
enum class ColourWish : std::uint8_t { automatic, always, never };

struct GlobalOptions {
  std::string database;  // empty: the default path
  Format format = Format::table;
  ColourWish colour = ColourWish::automatic;
};

// The path of design.md: --db, then REBOTTLE_DB, then the system's database where this user may use one or has none
// of their own, else the user's own.
[[nodiscard]] std::filesystem::path database_path(const GlobalOptions& options, const Environment& environment);

// A flag wins; then NO_COLOR; then CLICOLOR_FORCE; then a dumb terminal and a pipe have none.
[[nodiscard]] bool wants_colour(ColourWish wish, const Environment& environment);

class Context {
 public:
  Context(const Environment& environment, const GlobalOptions& options);

  [[nodiscard]] const Environment& environment() const { return environment_; }
  [[nodiscard]] const std::filesystem::path& database() const { return database_; }
  [[nodiscard]] Format format() const { return format_; }
  [[nodiscard]] bool is_json() const { return format_ == Format::json || format_ == Format::jsonl; }
  [[nodiscard]] bool colour() const { return colour_; }
  [[nodiscard]] std::ostream& out() const { return environment_.out; }
  [[nodiscard]] schema::Milliseconds now() const { return environment_.now(); }

  // Talk: one line on stderr, escaped.
  void say(std::string_view text) const;
  // A time: relative on a terminal, RFC 3339 in UTC elsewhere; "-" for none.
  [[nodiscard]] std::string when(std::optional<schema::Milliseconds> at) const;
  [[nodiscard]] TableStyle table_style() const;

  // Denied if this user may not read and write the database, or not look into its directory.
  [[nodiscard]] Outcome may_use_database() const;
  // Opened at the first call. Not found and denied are failures; other trouble throws schema::StoreError.
  [[nodiscard]] Result<schema::OperatorStore*> store();
  [[nodiscard]] bool service_runs() const;

 private:
  const Environment& environment_;
  std::filesystem::path database_;
  Format format_;
  bool colour_;
  std::unique_ptr<schema::OperatorStore> store_;
};

}  // namespace rebottle::tools
