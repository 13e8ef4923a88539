// A job's whole way through the service: success, failure by class and step, the order of what is asked.
// Not here: crashes (crash_test.cpp), requests (requests_test.cpp).
#include "tests/support/service_fixture.hpp"

#include <gmock/gmock.h>

namespace rebottle::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ServiceJob : public ServiceFixture {};

TEST_F(ServiceJob, SucceedsInTheExactOrder) {
  start();
  const auto id = approve("dev-1");
  ASSERT_TRUE(run_to_end(id));

  EXPECT_EQ(job(id).state, State::succeeded);
  EXPECT_THAT(world_.calls,
              ElementsAre("dev-1 perform admit", "dev-1 perform build", "dev-1 perform create_new",
                          "dev-1 perform tag_old", "dev-1 perform stop_old", "dev-1 perform park_old",
                          "dev-1 perform place_new", "dev-1 perform start_new", "dev-1 perform healthy"));
  EXPECT_THAT(events(id), ElementsAre("claim:prepare", "step_done:snapshot", "step_done:stop", "step_done:apply",
                                      "step_done:restart", "step_done:verify", "step_done:succeeded"));
  EXPECT_EQ(world_.inconsistency("dev-1", State::succeeded), "");
  EXPECT_EQ(history_fault(id), "");
}

}  // namespace
}  // namespace rebottle::test
