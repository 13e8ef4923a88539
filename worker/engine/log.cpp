// logfmt on top of spdlog, which writes the lines. Not here: a choice of sinks; the service logs on stderr.
#include "worker/engine/log.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace rebottle::worker::log {
namespace {

constexpr std::size_t value_bytes_max = 2000;

std::string_view word(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
  }
  std::abort();
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  std::abort();
}

// The priorities of syslog, as the journal reads them at the start of a line.
std::string_view priority(Level level) {
  switch (level) {
    case Level::debug: return "<7>";
    case Level::info: return "<6>";
    case Level::warning: return "<4>";
    case Level::error: return "<3>";
  }
  std::abort();
}

bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.:/+@,%").find(c) != std::string_view::npos;
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  if (c == '"' || c == '\\') {
    out += '\\';
    out += c;
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\t') {
    out += "\\t";
  } else if (byte < 0x20 || byte >= 0x7f) {
    out += "\\x";
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  } else {
    out += c;
  }
}

void append_value(std::string& out, std::string_view value) {
  const bool cut = value.size() > value_bytes_max;
  value = value.substr(0, value_bytes_max);
  bool quoted = value.empty() || cut;
  for (const char c : value) quoted = quoted || !plain(c);
  if (quoted) out += '"';
  for (const char c : value) append_escaped(out, c);
  if (cut) out += "[cut]";
  if (quoted) out += '"';
}

struct Sink {
  bool journal = false;
  std::shared_ptr<spdlog::logger> logger = make(false);

  static std::shared_ptr<spdlog::logger> make(bool journal) {
    auto made = std::make_shared<spdlog::logger>("rebottled", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern(journal ? "%v" : "time=%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::trace);
    return made;
  }
};

Sink& sink() {
  static Sink present;
  return present;
}

}  // namespace

std::optional<Level> level_from(std::string_view text) {
  for (const auto level : {Level::debug, Level::info, Level::warning, Level::error})
    if (word(level) == text) return level;
  return std::nullopt;
}

void configure(const Options& options) {
  sink().journal = options.journal;
  sink().logger = Sink::make(options.journal);
  sink().logger->set_level(spdlog_level(options.level));
}

bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

std::string format(Level level, std::string_view message, Fields fields) {
  std::string line = "level=";
  line += word(level);
  line += " msg=";
  append_value(line, message);
  for (const auto& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(line, field.value);
  }
  return line;
}

void write(Level level, std::string_view message, Fields fields) {
  if (!sink().logger->should_log(spdlog_level(level))) return;
  auto line = format(level, message, fields);
  if (sink().journal) line.insert(0, priority(level));
  sink().logger->log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace rebottle::worker::log
