// Times and durations as people write and read them.
// Not here: the clock.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schema/rows.hpp"

namespace rebottle::tools {

// "2026-11-23T09:00:00.123Z"
[[nodiscard]] std::string rfc3339(schema::Milliseconds at);

// "12s ago", "in 5m", "now"
[[nodiscard]] std::string relative(schema::Milliseconds at, schema::Milliseconds now);

// "850ms", "1.2s", "42s", "3m05s", "2h05m", "3d04h"
[[nodiscard]] std::string duration_text(schema::Milliseconds duration);

// "90s", "2h", "1h30m", "250ms"; a bare number means seconds. Empty for anything else, and past a century.
[[nodiscard]] std::optional<schema::Milliseconds> parse_duration(std::string_view text);

// "2026-11-23T09:00:00Z", "2026-11-23T09:00:00.5+01:00". Empty for anything else: a zone is never guessed.
[[nodiscard]] std::optional<schema::Milliseconds> parse_rfc3339(std::string_view text);

}  // namespace rebottle::tools
