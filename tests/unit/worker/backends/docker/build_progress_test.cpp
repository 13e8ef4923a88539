// What a build's stream of JSON lines says. Not here: builds. The BuildKit streams in tests/golden/docker were recorded
// from dockerd 20.10.24.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "worker/backends/docker/build_progress.hpp"

namespace rebottle::worker::docker {
namespace {

std::string golden(const std::string& name) {
  std::ifstream in(std::string(REBOTTLE_SOURCE_DIR) + "/tests/golden/docker/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ProgressReader, BuildKitsTraceIsReadableText) {
  for (const std::string name : {"buildkit-success", "buildkit-failure"}) {
    std::string printed;
    ProgressReader progress(100'000, [&printed](std::string_view piece) { printed += piece; });
    progress.feed(golden(name + ".jsonl"));
    progress.finish();
    EXPECT_EQ(printed, golden(name + ".txt"));
    EXPECT_EQ(progress.output(), printed);
    EXPECT_EQ(progress.failed(), name == "buildkit-failure");
  }
}

TEST(BuildTrace, NothingThatAnEngineSendsMakesItFail) {
  const std::string whole(
      "\x0a\x0c\x0a\x01"
      "d\x1a\x03run*\x02\x08\x01",
      14);
  EXPECT_EQ(BuildTrace().read(whole), "#1 run\n");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(BuildTrace().read(whole.substr(0, size)), "") << size;
  EXPECT_EQ(BuildTrace().read(std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 12)), "")
      << "a length of 2^64";
  EXPECT_EQ(BuildTrace().read(std::string(64, '\xff')), "") << "a varint without an end";
  EXPECT_EQ(BuildTrace().read("\x0b\x0c"), "") << "groups are not known";
}

TEST(ProgressReader, PullsTellTheirStepsButNotTheirBars) {
  std::string printed;
  ProgressReader progress(1000, [&printed](std::string_view piece) { printed += piece; });
  progress.feed(R"({"status":"Pulling from library/x","id":"1"})"
                "\n"
                R"({"status":"Downloading","progressDetail":{"current":1,"total":2},"progress":"[=> ]","id":"ab"})"
                "\n"
                R"({"status":"Pull complete","progressDetail":{},"id":"ab"})"
                "\n"
                R"({"status":"Status: Downloaded newer image for x:1"})"
                "\n");
  EXPECT_EQ(printed, "1: Pulling from library/x\nab: Pull complete\nStatus: Downloaded newer image for x:1\n");
}

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
  EXPECT_EQ(progress.output(), "Step 1/2 : FROM x\nout of cheese\nreturned 42\n");
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
