// Tests of tools/text.hpp: hostile text, widths, nearest words.
// Not here: where the text comes from.
#include "tools/text.hpp"

#include <gtest/gtest.h>

namespace rebottle::tools {
namespace {

TEST(Printable, KeepsOrdinaryTextOfAnyScript) {
  for (const std::string text : {"plain", "größer ✓ 日本語 😀 e\xcc\x81", "back\\slash \"quoted\" 'single'"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, EscapesEveryC0ControlAndDelete) {
  for (int c = 0; c < 0x20; ++c) {
    const std::string shown = printable(std::string(1, static_cast<char>(c)));
    ASSERT_EQ(shown.front(), '\\') << c;
    for (const char byte : shown) EXPECT_GE(byte, 0x20) << c;
  }
  EXPECT_EQ(printable("a\nb\rc\td\x1b[31me\x7f"), R"(a\nb\rc\td\x1b[31me\x7f)");
  EXPECT_EQ(printable(std::string("nul\0!", 5)), R"(nul\x00!)");
}

TEST(Printable, EscapesC1WhetherEncodedOrRaw) {
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            R"(\u009b2J)");
  EXPECT_EQ(printable("\x9b"
                      "2J"),
            R"(\x9b2J)");
}

TEST(Printable, EscapesBidiInvisibleAndLineSeparators) {
  EXPECT_EQ(printable("\u202eevil\u2066x\u2069\u200f\u061c"), R"(\u202eevil\u2066x\u2069\u200f\u061c)");
  EXPECT_EQ(printable("a\u200bb\u2028c\ufeffd\u00ade"), R"(a\u200bb\u2028c\ufeffd\u00ade)");
  EXPECT_EQ(printable("\U000e0041"), R"(\U000e0041)");
}

TEST(Printable, EscapesWhatIsNoUtf8ByteForByte) {
  EXPECT_EQ(printable("\xff\xfe"), R"(\xff\xfe)");
  EXPECT_EQ(printable("\xc0\xaf"), R"(\xc0\xaf)");          // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), R"(\xed\xa0\x80)");  // a surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), R"(\xf4\x90\x80\x80)");
  EXPECT_EQ(printable("cut\xe6\x97"), R"(cut\xe6\x97)");
  EXPECT_EQ(printable("\xe6(x"), R"(\xe6(x)");
}

TEST(PrintableLines, SplitsAtLineBreaksOnly) {
  EXPECT_EQ(printable_lines("FROM x\nRUN \x1b[2J\n"), (std::vector<std::string>{"FROM x", R"(RUN \x1b[2J)"}));
  EXPECT_EQ(printable_lines("a\r\n\nb"), (std::vector<std::string>{R"(a\r)", "", "b"}));
  EXPECT_TRUE(printable_lines("").empty());
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("größe"), 5U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("e\xcc\x81"), 1U);
}

TEST(Fit, CutsToColumnsWithAnEllipsis) {
  EXPECT_EQ(fit("short", 5), "short");
  EXPECT_EQ(fit("longer text", 5), "long…");
  EXPECT_EQ(fit("日本語", 4), "日…");  // a wide character is never halved
  EXPECT_EQ(fit("日本語", 1), "…");
}

TEST(Nearest, FindsSlipsAndBeginningsOnly) {
  const std::vector<std::string> verbs{"list", "history", "cancel", "enqueue"};
  EXPECT_EQ(nearest("lsit", verbs), "list");
  EXPECT_EQ(nearest("hist", verbs), "history");
  EXPECT_EQ(nearest("cancle", verbs), "cancel");
  EXPECT_EQ(nearest("frobnicate", verbs), "");
}

}  // namespace
}  // namespace rebottle::tools
