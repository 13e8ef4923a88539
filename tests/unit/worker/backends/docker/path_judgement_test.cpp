// Which snapshot paths are kept. Not here: keeping them.
#include <gmock/gmock.h>

#include "worker/backends/docker/admission.hpp"

namespace rebottle::worker::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json container() {
  return {{"HostConfig", {{"Tmpfs", {{"/run/agent", ""}}}}},
          {"Mounts",
           {{{"Type", "volume"}, {"Destination", "/project"}},
            {{"Type", "bind"}, {"Destination", "/home/agent/.cache"}},
            {{"Type", "tmpfs"}, {"Destination", "/fast"}}}}};
}

TEST(JudgePaths, OrdinaryPathsAreKept) {
  const auto out = judge_paths({"/home/agent/work", "/projects", "/devices"}, container());
  EXPECT_THAT(out.kept, ElementsAre("/home/agent/work", "/projects", "/devices"));
  EXPECT_THAT(out.problems, IsEmpty());
  EXPECT_TRUE(out.skipped.empty());
}

TEST(JudgePaths, PathsOnMountsAreSkippedAndReported) {
  const auto out = judge_paths({"/project/src", "/project"}, container());
  EXPECT_THAT(out.kept, IsEmpty());
  EXPECT_THAT(out.problems, IsEmpty());
  ASSERT_EQ(out.skipped.size(), 2U);
  EXPECT_EQ(out.skipped[0]["path"], "/project/src");
}

TEST(JudgePaths, WhatIsInMemoryIsAProblem) {
  for (const auto* const path : {"/run/agent", "/run/agent/x", "/fast/x", "/dev/shm/x", "/proc/1", "/sys"}) {
    const auto out = judge_paths({path}, container());
    EXPECT_THAT(out.problems, ElementsAre(HasSubstr(path)));
    EXPECT_THAT(out.kept, IsEmpty());
  }
}

TEST(JudgePaths, APathAroundAMountIsAProblemAroundMemoryIsNot) {
  EXPECT_THAT(judge_paths({"/home/agent"}, container()).problems, ElementsAre(HasSubstr("/home/agent/.cache")));
  EXPECT_THAT(judge_paths({"/run"}, container()).kept, ElementsAre("/run"));
}

TEST(JudgePaths, ANameThatLooksCompressedIsAProblem) {
  EXPECT_THAT(judge_paths({"/srv/BZhello"}, container()).problems, ElementsAre(HasSubstr("BZh")));
  EXPECT_THAT(judge_paths({"/BZhome/x"}, container()).problems, IsEmpty());
}

TEST(JudgePaths, AReadOnlyRootHoldsNothing) {
  auto read_only = container();
  read_only["HostConfig"]["ReadonlyRootfs"] = true;
  EXPECT_THAT(judge_paths({"/srv/x"}, read_only).problems, ElementsAre(HasSubstr("read-only")));
  EXPECT_THAT(judge_paths({"/project/x"}, read_only).problems, IsEmpty());
}

}  // namespace
}  // namespace rebottle::worker::docker
