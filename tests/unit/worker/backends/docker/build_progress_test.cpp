// What a build's stream of JSON lines says. Not here: builds.
#include <gtest/gtest.h>

#include "worker/backends/docker/build_progress.hpp"

namespace rebottle::worker::docker {
namespace {

TEST(ProgressReader, FindsTheErrorInsideASuccess) {
  ProgressReader progress(1000);
  progress.feed(R"({"stream":"Step 1/2 : FROM x\n"})"
                "\r\n"
                R"({"stream":"out of cheese\n"})"
                "\r\n");
  EXPECT_FALSE(progress.failed());
  progress.feed(R"({"errorDetail":{"code":42,"message":"returned 42"},"error":"returned 42"})"
                "\r\n");
  EXPECT_TRUE(progress.failed());
  EXPECT_EQ(progress.error(), "returned 42");
  EXPECT_EQ(progress.exit_code(), 42);
  EXPECT_EQ(progress.output(), "Step 1/2 : FROM x\nout of cheese\n");
}

TEST(ProgressReader, LinesMayComeInAnyPieces) {
  ProgressReader progress(1000);
  for (const char c : std::string(R"({"stream":"a"})"
                                  "\n"
                                  R"({"error":"bad"})"))
    progress.feed({&c, 1});
  EXPECT_FALSE(progress.failed()) << "the last line has no end yet";
  progress.finish();
  EXPECT_EQ(progress.error(), "bad");
}

TEST(ProgressReader, KeepsTheEndOfMuchOutputCleaned) {
  ProgressReader progress(100);
  for (int i = 0; i < 1000; ++i)
    progress.feed(R"({"stream":"line\u001b[31m "})"
                  "\n");
  progress.feed(R"({"stream":"the end"})"
                "\n");
  EXPECT_LE(progress.output().size(), 103U);
  EXPECT_TRUE(progress.output().ends_with("the end"));
  EXPECT_EQ(progress.output().find('\x1b'), std::string::npos);
}

TEST(ProgressReader, GarbageAndEndlessLinesAreNoErrorAndNoMemory) {
  ProgressReader progress(100);
  progress.feed("not json\n[1,2]\n\n");
  for (int i = 0; i < 1000; ++i) progress.feed(std::string(1000, 'x'));
  progress.finish();
  EXPECT_FALSE(progress.failed());
  EXPECT_EQ(progress.output(), "");
}

}  // namespace
}  // namespace rebottle::worker::docker
