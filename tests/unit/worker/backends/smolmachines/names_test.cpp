// Names and labels of machines. Not here: which machine is the bottle (target_test.cpp).
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/backends/smolmachines/names.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using ::testing::UnorderedElementsAre;

TEST(MachineName, IsWhatTheEngineAcceptsAndSafeAsAFileName) {
  for (const auto* good : {"dev", "B5", "b_5", "b5-r1", "0"}) EXPECT_TRUE(valid_machine_name(good)) << good;
  for (const auto* bad : {"", "-x", "_x", "b.5", "a b", "x/y", "..", "\xc3\xa4"})
    EXPECT_FALSE(valid_machine_name(bad)) << bad;
  EXPECT_TRUE(valid_machine_name(std::string(200, 'x')));
  EXPECT_FALSE(valid_machine_name(std::string(201, 'x')));
  EXPECT_EQ(revision_name("dev", 3), "dev-r3");
}

TEST(Labels, AreOursAndTheOthersOfTheOldMachine) {
  JobContext job;
  job.bottle = "dev";
  job.job_key = "x-9";
  job.fence = 4;
  const json old = {{"labels",
                     {{"owner", "exo"},
                      {"job", "nightly"},
                      {"io.rebottle.rev", "7"},
                      {"io.rebottle.job", "x-3"},
                      {"io.rebottle.team", "a"}}}};
  const auto options = label_options(job, 8, "abcdef0123456789", old);
  EXPECT_THAT(options, UnorderedElementsAre("--label=io.rebottle.managed-by=rebottle", "--label=io.rebottle.bottle=dev",
                                            "--label=io.rebottle.rev=8", "--label=io.rebottle.job=x-9",
                                            "--label=io.rebottle.fence=4", "--label=io.rebottle.spec=abcdef012345",
                                            "--label=io.rebottle.team=a", "--label=job=nightly", "--label=owner=exo"));
}

}  // namespace
}  // namespace rebottle::worker::smolmachines
