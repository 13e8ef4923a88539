// Tests of tools/time_text.hpp.
// Not here: clocks.
#include "tools/time_text.hpp"

#include <gtest/gtest.h>

namespace rebottle::tools {
namespace {

TEST(Rfc3339, WritesUtcWithMilliseconds) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(1'795'424'400'123), "2026-11-23T09:00:00.123Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Rfc3339, ReadsWhatItWritesAndOffsets) {
  EXPECT_EQ(parse_rfc3339("2026-11-23T09:00:00.123Z"), 1'795'424'400'123);
  EXPECT_EQ(parse_rfc3339("2026-11-23 10:30:00+01:30"), 1'795'424'400'000);
  EXPECT_EQ(parse_rfc3339("2026-11-23T04:00:00-05:00"), 1'795'424'400'000);
  EXPECT_EQ(parse_rfc3339("2024-02-29T00:00:00Z"), 1'709'164'800'000);
}

TEST(Rfc3339, RefusesEverythingElse) {
  for (const auto* text : {"", "2026-11-23", "2026-11-23T09:00:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
                           "2026-11-23T24:00:00Z", "2026-11-23T09:60:00Z", "2026-11-23T09:00:61Z", "tomorrow",
                           "2026-11-23T09:00:00.Z", "2026-11-23T09:00:00Zx", "2026-11-23T09:00:00+25:00", "1795424400"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

TEST(Relative, IsCoarse) {
  constexpr schema::Milliseconds now = 1'000'000'000;
  EXPECT_EQ(relative(now, now), "now");
  EXPECT_EQ(relative(now - 12'900, now), "12s ago");
  EXPECT_EQ(relative(now - 300'000, now), "5m ago");
  EXPECT_EQ(relative(now + 7'200'000, now), "in 2h");
  EXPECT_EQ(relative(now - 47LL * 3'600'000, now), "47h ago");
  EXPECT_EQ(relative(now - 72LL * 3'600'000, now), "3d ago");
}

TEST(DurationText, PicksTheUnits) {
  EXPECT_EQ(duration_text(0), "0ms");
  EXPECT_EQ(duration_text(850), "850ms");
  EXPECT_EQ(duration_text(1'290), "1.2s");
  EXPECT_EQ(duration_text(42'000), "42s");
  EXPECT_EQ(duration_text(185'000), "3m05s");
  EXPECT_EQ(duration_text(7'500'000), "2h05m");
  EXPECT_EQ(duration_text(273'600'000), "3d04h");
  EXPECT_EQ(duration_text(-1'500), "-1.5s");
}

TEST(ParseDuration, ReadsUnitsAndBareSeconds) {
  EXPECT_EQ(parse_duration("90s"), 90'000);
  EXPECT_EQ(parse_duration("1h30m"), 5'400'000);
  EXPECT_EQ(parse_duration("250ms"), 250);
  EXPECT_EQ(parse_duration("2d"), 172'800'000);
  EXPECT_EQ(parse_duration("30"), 30'000);
  EXPECT_EQ(parse_duration("0"), 0);
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const auto* text : {"", "h", "2x", "-5s", "1.5h", "5 m", "1h30", "99999999999999999999", "999999999999d"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

}  // namespace
}  // namespace rebottle::tools
