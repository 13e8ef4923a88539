// Stretches from the marks in the history, parts from the journal's times. Not here: any clock.
#include "tools/downtime.hpp"

#include <algorithm>

#include "tools/job_text.hpp"
#include "tools/time_text.hpp"

namespace rebottle::tools {
namespace {

using schema::Milliseconds;
using statemachine::Direction;

struct Stretch {
  Milliseconds from = 0;
  std::optional<Milliseconds> until;
};

// The service marks the event with which the bottle went down, and the one with which it was up again.
std::vector<Stretch> stretches_of(const std::vector<schema::HistoryRow>& history, bool& brought_back) {
  std::vector<Stretch> stretches;
  for (const auto& row : history) {
    const Json data = json_of_column(row.data);
    const auto mark = data.is_object() ? data.find("downtime") : data.end();
    if (mark == data.end()) continue;
    const bool open = !stretches.empty() && !stretches.back().until;
    if (*mark == "begins" && !open) stretches.push_back({row.at, {}});
    if (*mark != "ends" || !open) continue;
    stretches.back().until = row.at;
    brought_back = row.to_state == to_string(statemachine::State::rollback);
  }
  return stretches;
}

bool says(const Json& data, const char* key, std::string_view value) {
  const auto found = data.is_object() ? data.find(key) : data.end();
  return found != data.end() && found->is_string() && found->get_ref<const std::string&>() == value;
}

// When the last try of an effect was over. The journal leaves one that failed open: its end is in the history. One
// whose end nobody saw ended at the latest when the next one began, since a job does one thing at a time.
Milliseconds end_of(const schema::JournalRow& row, const schema::JournalRow* next,
                    const std::vector<schema::HistoryRow>& history, Milliseconds now) {
  if (row.closed_at) return *row.closed_at;
  const auto latest = next == nullptr ? now : next->opened_at;
  for (const auto& entry : history) {
    if (entry.event != "effect" || entry.at < row.opened_at || entry.at > latest) continue;
    const Json data = json_of_column(entry.data);
    if (says(data, "effect", row.effect) && says(data, "direction", to_string(row.direction))) return entry.at;
  }
  return latest;
}

Milliseconds overlap(Milliseconds from, Milliseconds until, const Stretch& stretch, Milliseconds now) {
  return std::min(until, stretch.until.value_or(now)) - std::max(from, stretch.from);
}

std::string name_of(const Downtime::Part& part) {
  return (part.direction == Direction::undo ? "undo " : "") + part.effect;
}

}  // namespace

Downtime downtime_parts(const schema::Job& job, const std::vector<schema::HistoryRow>& history,
                        const std::vector<schema::JournalRow>& journal, Milliseconds now) {
  Downtime downtime;
  downtime.total = downtime_of(job, now);
  bool brought_back = false;
  const auto stretches = stretches_of(history, brought_back);
  if (stretches.empty()) return downtime;
  auto rows = journal;
  std::ranges::stable_sort(rows, {}, &schema::JournalRow::opened_at);
  Milliseconds known = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& row = rows[i];
    const auto end = end_of(row, i + 1 < rows.size() ? &rows[i + 1] : nullptr, history, now);
    Milliseconds duration = 0;
    bool within = false;
    for (const auto& stretch : stretches) {
      const bool began = row.opened_at >= stretch.from && row.opened_at < stretch.until.value_or(now + 1);
      const auto shared = overlap(row.opened_at, end, stretch, now);
      within = within || began || shared > 0;
      duration += std::max(Milliseconds{0}, shared);
    }
    if (!within || row.tries == 0) continue;
    downtime.parts.push_back({row.direction, row.effect, duration});
    known += duration;
  }
  downtime.between = std::max(Milliseconds{0}, downtime.total - known);
  if (brought_back && stretches.back().until)
    downtime.old_back_after = *stretches.back().until - stretches.front().from;
  return downtime;
}

std::string downtime_text(const Downtime& downtime) {
  std::string text = duration_text(downtime.total);
  std::string separator = ": ";
  for (const auto& part : downtime.parts) {
    text += separator + name_of(part) + " " + duration_text(part.duration);
    separator = ", ";
  }
  if (!downtime.parts.empty() && downtime.between > 0) text += ", between them " + duration_text(downtime.between);
  return text;
}

Json downtime_json(const Downtime& downtime) {
  Json parts = Json::array();
  for (const auto& part : downtime.parts)
    parts.push_back(
        {{"effect", part.effect}, {"direction", to_string(part.direction)}, {"duration_ms", part.duration}});
  return {{"total_ms", downtime.total},
          {"parts", std::move(parts)},
          {"between_ms", downtime.between},
          {"old_back_after_ms", downtime.old_back_after ? Json(*downtime.old_back_after) : Json(nullptr)}};
}

}  // namespace rebottle::tools
