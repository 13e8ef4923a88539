// The log's lines: fixed form, and nothing untrusted gets through raw. Not here: where they go (program_test.cpp).
#include "worker/engine/log.hpp"

#include <gtest/gtest.h>

namespace rebottle::worker::log {
namespace {

TEST(Log, LineIsLogfmt) {
  EXPECT_EQ(format(Level::info, "job moved", {{"job", 7}, {"state", "stop"}}),
            "level=info msg=\"job moved\" job=7 state=stop");
  EXPECT_EQ(format(Level::warning, "ready", {}), "level=warning msg=ready");
}

TEST(Log, UntrustedTextCannotForgeALineOrAKey) {
  EXPECT_EQ(format(Level::error, "x", {{"detail", "a\nlevel=info msg=\"fine\" \\ \x1b[31m\t\xc3\xbc"}}),
            "level=error msg=x detail=\"a\\nlevel=info msg=\\\"fine\\\" \\\\ \\x1b[31m\\t\\xc3\\xbc\"");
  EXPECT_EQ(format(Level::debug, "x", {{"empty", ""}}), "level=debug msg=x empty=\"\"");
}

TEST(Log, LongValuesAreCut) {
  const auto line = format(Level::info, "x", {{"text", std::string(5000, 'a')}});

  EXPECT_EQ(line, "level=info msg=x text=\"" + std::string(2000, 'a') + "[cut]\"");
}

TEST(Log, LevelsAreKnownByTheirWords) {
  EXPECT_EQ(level_from("warning"), Level::warning);
  EXPECT_EQ(level_from("warn"), std::nullopt);
}

}  // namespace
}  // namespace rebottle::worker::log
