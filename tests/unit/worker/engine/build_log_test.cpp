// The bounds of a build log. Not here: who prints into it.
#include "worker/engine/build_log.hpp"

#include <gtest/gtest.h>

namespace rebottle::worker {
namespace {

TEST(BuildLog, KeepsAllOfAShortOne) {
  BuildLog log(40);
  EXPECT_FALSE(log.unstored()) << "nothing was printed";
  log.append("Step 1/2\n");
  log.append("a line longer than the head\n");
  const auto kept = log.unstored();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->head, "Step 1/2\na line longer than the head\n");
  EXPECT_EQ(kept->tail, "");
  EXPECT_EQ(kept->cut_bytes, 0);
}

TEST(BuildLog, CutsTheMiddleAndSaysHowMuch) {
  BuildLog log(40);
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    const auto line = "line " + std::to_string(i) + "\n";
    log.append(line);
    all += line;
  }
  const auto kept = log.unstored();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->head, all.substr(0, 10));
  EXPECT_EQ(kept->tail, all.substr(all.size() - 30));
  EXPECT_EQ(kept->cut_bytes, static_cast<std::int64_t>(all.size()) - 40);
}

TEST(BuildLog, OneHugePieceIsCutLikeManySmallOnes) {
  BuildLog log(40);
  log.append(std::string(1 << 20, 'x'));
  const auto kept = log.unstored();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->head.size() + kept->tail.size(), 40U);
  EXPECT_EQ(kept->cut_bytes, (1 << 20) - 40);
}

TEST(BuildLog, NeverCutsThroughACharacter) {
  for (int shift = 0; shift < 3; ++shift) {
    BuildLog log(40);
    log.append(std::string(static_cast<std::size_t>(shift), 'x'));
    for (int i = 0; i < 100; ++i) log.append("\u20ac");
    const auto kept = log.unstored();
    ASSERT_TRUE(kept);
    EXPECT_EQ((kept->head + kept->tail).find("\uFFFD"), std::string::npos) << shift;
    EXPECT_EQ(static_cast<std::int64_t>(kept->head.size() + kept->tail.size()) + kept->cut_bytes, shift + 300);
  }
}

TEST(BuildLog, WhateverComesIsValidText) {
  BuildLog log(400);
  log.append(std::string("a\0b\xff\x1b[2J", 8));
  EXPECT_EQ(log.unstored()->head, "a?b\uFFFD\x1b[2J") << "escaping is for those who show it";
}

TEST(BuildLog, AnotherTryBeginsAnew) {
  BuildLog log(40);
  log.append(std::string(100, 'x'));
  log.restart();
  EXPECT_TRUE(log.unstored()) << "until the other try prints, the first one's is what there is";
  log.append("again");
  const auto kept = log.unstored();
  EXPECT_EQ(kept->head, "again");
  EXPECT_EQ(kept->cut_bytes, 0);
}

TEST(BuildLog, IsNewUntilItIsStored) {
  BuildLog log(40);
  log.append("once");
  EXPECT_TRUE(log.unstored());
  EXPECT_TRUE(log.unstored()) << "the first commit failed";
  log.stored();
  EXPECT_FALSE(log.unstored());
  log.append(", twice");
  EXPECT_EQ(log.unstored()->head, "once, twice");
}

}  // namespace
}  // namespace rebottle::worker
