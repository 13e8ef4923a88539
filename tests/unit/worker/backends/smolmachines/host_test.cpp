// What the engine's version is. Not here: what else a host must have (tests/smolmachines/refusal_test.cpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/backends/smolmachines/host.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Version, IsReadFromWhatTheEngineSays) {
  EXPECT_THAT(version_numbers("smolvm 1.32.2\n"), ElementsAre(1, 32, 2));
  EXPECT_THAT(version_numbers("1.9"), ElementsAre(1, 9));
  EXPECT_THAT(version_numbers("smolvm 2.0.0-rc.1"), ElementsAre(2, 0, 0));
  EXPECT_THAT(version_numbers("nonsense"), IsEmpty());
  EXPECT_LT(version_numbers("1.9.2"), version_numbers("1.32.0"));
}

}  // namespace
}  // namespace rebottle::worker::smolmachines
