// How long a job's bottle was down, and what took the time: the total of its row, the parts read off its history and
// its journal. Not here: any second record of times.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schema/rows.hpp"
#include "tools/json_text.hpp"

namespace rebottle::tools {

struct Downtime {
  struct Part {
    statemachine::Direction direction{};
    std::string effect;
    schema::Milliseconds duration = 0;  // of its last try, as far as the bottle was down
  };
  schema::Milliseconds total = 0;    // as the service counts it, up to now where a stretch has not ended
  schema::Milliseconds between = 0;  // of the total, not spent in an effect: earlier tries, pauses, a dead worker
  std::vector<Part> parts;           // in the order in which they began
  // From the old one's stop until it ran again; empty unless the bottle was brought back.
  std::optional<schema::Milliseconds> old_back_after;
};

// No parts where the history has no marks, as that of a job of an older schema.
[[nodiscard]] Downtime downtime_parts(const schema::Job& job, const std::vector<schema::HistoryRow>& history,
                                      const std::vector<schema::JournalRow>& journal, schema::Milliseconds now);

// "3.4s: stop_old 2.9s, park_old 12ms, …"
[[nodiscard]] std::string downtime_text(const Downtime& downtime);
[[nodiscard]] Json downtime_json(const Downtime& downtime);

}  // namespace rebottle::tools
