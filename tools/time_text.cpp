// Calendar arithmetic by <chrono>; the parsing is by hand because libstdc++ 12 has no chrono::parse.
// Not here: time zones other than a written offset.
#include "tools/time_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

namespace rebottle::tools {
namespace {

using schema::Milliseconds;

constexpr Milliseconds second = 1000;
constexpr Milliseconds minute = 60 * second;
constexpr Milliseconds hour = 60 * minute;
constexpr Milliseconds day = 24 * hour;
constexpr Milliseconds longest = 36'525 * day;

// Takes digits from the front of `text`: between `fewest` and `most` of them.
std::optional<Milliseconds> take_number(std::string_view& text, std::size_t fewest, std::size_t most) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto digits = static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
  if (digits < fewest || digits > most) return std::nullopt;
  Milliseconds value = 0;
  std::from_chars(text.data(), text.data() + digits, value);
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, std::string_view letters) {
  if (text.empty() || letters.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// ".5" → 500; nothing → 0.
std::optional<Milliseconds> take_fraction(std::string_view& text) {
  if (!take(text, ".")) return 0;
  const std::string_view before = text;
  const auto value = take_number(text, 1, 9);
  if (!value) return std::nullopt;
  constexpr std::array<Milliseconds, 10> scale{1,       10,        100,        1000,        10'000,
                                               100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};
  return *value * 1000 / scale[before.size() - text.size()];
}

// "Z" or "+01:00"
std::optional<Milliseconds> take_offset(std::string_view& text) {
  if (take(text, "Zz")) return 0;
  const bool west = text.starts_with('-');
  if (!take(text, "+-")) return std::nullopt;
  const auto hours = take_number(text, 2, 2);
  if (!hours || *hours > 23 || !take(text, ":")) return std::nullopt;
  const auto minutes = take_number(text, 2, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const Milliseconds offset = *hours * hour + *minutes * minute;
  return west ? -offset : offset;
}

std::optional<Milliseconds> take_date(std::string_view& text) {
  const auto years = take_number(text, 4, 4);
  if (!years || !take(text, "-")) return std::nullopt;
  const auto months = take_number(text, 2, 2);
  if (!months || !take(text, "-")) return std::nullopt;
  const auto days = take_number(text, 2, 2);
  if (!days) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*years)),
                                         std::chrono::month(static_cast<unsigned>(*months)),
                                         std::chrono::day(static_cast<unsigned>(*days))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * day;
}

std::optional<Milliseconds> take_time(std::string_view& text) {
  const auto hours = take_number(text, 2, 2);
  if (!hours || *hours > 23 || !take(text, ":")) return std::nullopt;
  const auto minutes = take_number(text, 2, 2);
  if (!minutes || *minutes > 59 || !take(text, ":")) return std::nullopt;
  const auto seconds = take_number(text, 2, 2);
  if (!seconds || *seconds > 59) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  return *hours * hour + *minutes * minute + *seconds * second + *fraction;
}

std::optional<Milliseconds> take_unit(std::string_view& text) {
  using Unit = std::pair<std::string_view, Milliseconds>;
  // "ms" stands before "m".
  constexpr std::array units{Unit{"ms", 1}, Unit{"s", second}, Unit{"m", minute}, Unit{"h", hour}, Unit{"d", day}};
  for (const auto& [name, value] : units)
    if (text.starts_with(name)) {
      text.remove_prefix(name.size());
      return value;
    }
  return std::nullopt;
}

}  // namespace

std::string rfc3339(Milliseconds at) {
  using std::chrono::floor;
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(at)};
  const auto midnight = floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{midnight};
  const std::chrono::hh_mm_ss clock{time - midnight};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::string duration_text(Milliseconds duration) {
  if (duration < 0) return "-" + duration_text(-duration);
  if (duration < second) return fmt::format("{}ms", duration);
  if (duration < 10 * second) return fmt::format("{}.{}s", duration / second, duration % second / 100);
  if (duration < minute) return fmt::format("{}s", duration / second);
  if (duration < hour) return fmt::format("{}m{:02}s", duration / minute, duration % minute / second);
  if (duration < day) return fmt::format("{}h{:02}m", duration / hour, duration % hour / minute);
  return fmt::format("{}d{:02}h", duration / day, duration % day / hour);
}

std::string relative(Milliseconds at, Milliseconds now) {
  const Milliseconds away = at > now ? at - now : now - at;
  if (away < second) return "now";
  const auto coarse = [away]() -> std::string {
    if (away < minute) return fmt::format("{}s", away / second);
    if (away < hour) return fmt::format("{}m", away / minute);
    if (away < 2 * day) return fmt::format("{}h", away / hour);
    return fmt::format("{}d", away / day);
  }();
  return at > now ? "in " + coarse : coarse + " ago";
}

std::optional<Milliseconds> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Milliseconds total = 0;
  while (!text.empty()) {
    const auto number = take_number(text, 1, 12);
    if (!number) return std::nullopt;
    const bool bare = text.empty() && total == 0;
    const auto unit = bare ? std::optional(second) : take_unit(text);
    if (!unit || *number > longest / *unit) return std::nullopt;
    total += *number * *unit;
    if (total > longest) return std::nullopt;
  }
  return total;
}

std::optional<Milliseconds> parse_rfc3339(std::string_view text) {
  const auto date = take_date(text);
  if (!date || !take(text, "Tt ")) return std::nullopt;
  const auto time = take_time(text);
  if (!time) return std::nullopt;
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  return *date + *time - *offset;
}

}  // namespace rebottle::tools
