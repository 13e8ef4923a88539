// Text work on what engines and agents say. Not here: what it means.
#include "worker/backends/docker/text.hpp"

#include <gtest/gtest.h>

namespace rebottle::worker::docker {
namespace {

TEST(PercentEncode, LeavesUnreservedCharactersAlone) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b/c?d&e=f#%\n"), "a%20b%2Fc%3Fd%26e%3Df%23%25%0A");
  EXPECT_EQ(percent_encode("\xC3\xA4"), "%C3%A4");
  EXPECT_EQ(percent_encode_path("rebottle/x:job-1?y"), "rebottle/x:job-1%3Fy");
}

TEST(CleanText, KeepsTextAndNothingThatMovesACursor) {
  EXPECT_EQ(clean_text("a\tb\nä€😀"), "a\tb\nä€😀");
  EXPECT_EQ(clean_text("a\r\nb"), "a\nb");
  EXPECT_EQ(clean_text("\x1b[31m"), "\xEF\xBF\xBD[31m");
  EXPECT_EQ(clean_text("\xC2\x9B"), "\xEF\xBF\xBD");
  EXPECT_EQ(clean_text(std::string_view("\0", 1)), "\xEF\xBF\xBD");
}

TEST(CleanText, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(clean_text("\xFF"), "\xEF\xBF\xBD");
  EXPECT_EQ(clean_text("\xC3"), "\xEF\xBF\xBD");
  EXPECT_EQ(clean_text("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // overlong
  EXPECT_EQ(clean_text("\xED\xA0\x80x").back(), 'x');             // a surrogate
  EXPECT_EQ(clean_text("\xED\xA0\x80").find("\xED"), std::string::npos);
}

TEST(Shortened, CutsBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc…");
  EXPECT_EQ(shortened("aä", 2), "a…");
  EXPECT_EQ(last_part("abcd", 3), "…bcd");
  EXPECT_EQ(last_part("äb", 2), "…b");
}

TEST(Tail, KeepsTheEnd) {
  Tail tail(4);
  for (int i = 0; i < 100; ++i) tail.append("0123456789");
  EXPECT_TRUE(tail.text().ends_with("6789"));
  EXPECT_LE(tail.text().size(), 18U);
}

TEST(Demultiplexer, JoinsFramesHoweverTheyAreCut) {
  const std::string frames = std::string("\1\0\0\0\0\0\0\5hello", 13) + std::string("\2\0\0\0\0\0\0\1!", 9);
  for (std::size_t cut = 1; cut < frames.size(); ++cut) {
    Demultiplexer demultiplexer;
    const auto first = demultiplexer.feed(std::string_view(frames).substr(0, cut));
    EXPECT_EQ(first + demultiplexer.feed(std::string_view(frames).substr(cut)), "hello!") << cut;
  }
}

TEST(Sha256, IsTheWellKnownOne) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Replaced, ReplacesEveryOccurrenceOnce) {
  EXPECT_EQ(replaced("{b}-{b}", "{b}", "{b}x"), "{b}x-{b}x");
  EXPECT_EQ(replaced("none", "{b}", "x"), "none");
}

}  // namespace
}  // namespace rebottle::worker::docker
