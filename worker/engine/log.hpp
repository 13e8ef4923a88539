// The service's log: one line per event, logfmt with fixed keys, on stderr.
// Not here: the job's history; that lies in the database.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace rebottle::worker::log {

enum class Level : std::uint8_t {
  debug,
  info,     // life events, and each change of a job's state
  warning,  // an operator should look
  error,    // the service, or a bottle, cannot go on without help
};

[[nodiscard]] std::optional<Level> level_from(std::string_view text);
inline constexpr std::string_view level_words = "debug, info, warning, error";

struct Field {
  Field(std::string_view key_, std::string_view text) : key(key_), value(text) {}
  Field(std::string_view key_, const std::string& text) : key(key_), value(text) {}
  Field(std::string_view key_, const char* text) : key(key_), value(text) {}
  Field(std::string_view key_, std::int64_t number) : key(key_), value(std::to_string(number)) {}
  std::string_view key;
  std::string value;  // may be untrusted
};
using Fields = std::initializer_list<Field>;

struct Options {
  Level level = Level::info;
  bool journal = false;  // prefix each line with its priority, as the journal reads it; no time of our own
};

// Safe to call again; before the first call lines go out at info without prefixes.
void configure(const Options& options);
// True if stderr is the stream that systemd named in JOURNAL_STREAM.
[[nodiscard]] bool stderr_is_journal();

void write(Level level, std::string_view message, Fields fields = {});
inline void debug(std::string_view message, Fields fields = {}) { write(Level::debug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::info, message, fields); }
inline void warning(std::string_view message, Fields fields = {}) { write(Level::warning, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::error, message, fields); }

// The line without its end: `level=info msg="job claimed" job=7`. Values with anything but plain characters are
// quoted; what is not printable ASCII is escaped; values are cut at 2000 bytes.
[[nodiscard]] std::string format(Level level, std::string_view message, Fields fields);

}  // namespace rebottle::worker::log
