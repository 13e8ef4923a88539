// What the engine's answers say, and the environment that it is called with. Not here: processes (process_test.cpp).
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/backends/smolmachines/calls.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(EngineError, IsTheLastLineThatIsOne) {
  const auto error = engine_error(
      "\x1b[33m WARN\x1b[0m something\n{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"vm not found: a\"}}\n");
  EXPECT_EQ(error.code, "NOT_FOUND");
  EXPECT_EQ(error.message, "vm not found: a");
  EXPECT_EQ(engine_error("Error: text\n").code, "");
  EXPECT_EQ(engine_error("{\"error\":{}}").code, "SMOLVM_ERROR");
  EXPECT_EQ(engine_error("{\"error\" broken").code, "SMOLVM_ERROR");
  EXPECT_EQ(engine_error("").code, "");
}

TEST(Failure, OnlyMistakesStayOnes) {
  Answer answer;
  answer.reach = Reach::answered;
  answer.exit_code = 1;
  for (const auto* code : {"CONFIG_ERROR", "NOT_FOUND", "KVM_UNAVAILABLE"}) {
    answer.error_code = code;
    EXPECT_EQ(failure(answer, "try").outcome, Outcome::permanent) << code;
  }
  for (const auto* code : {"SMOLVM_ERROR", "CONFLICT", "PORT_IN_USE", "STORAGE_ERROR", "NEW_WORD", ""}) {
    answer.error_code = code;
    EXPECT_EQ(failure(answer, "try").outcome, Outcome::transient) << code;
  }
  answer.exit_code = 2;
  EXPECT_EQ(failure(answer, "try").outcome, Outcome::permanent) << "usage";
  answer.reach = Reach::timeout;
  EXPECT_EQ(failure(answer, "try").outcome, Outcome::unreachable);
  answer.reach = Reach::busy;
  EXPECT_EQ(failure(answer, "try").outcome, Outcome::unreachable);
  answer.reach = Reach::ended;
  EXPECT_EQ(failure(answer, "try").outcome, Outcome::unknown);
}

TEST(Environment, KeepsTheEnginesSettingsButNotItsDefaultMachine) {
  ::setenv("SMOLVM_LIB_DIR", "/opt/lib", 1);
  ::setenv("SMOLVM_MACHINE_NAME", "wrong", 1);
  ::setenv("REBOTTLE_SECRET", "x", 1);
  const auto environment = child_environment(300);
  EXPECT_THAT(environment, Contains("SMOLVM_LIB_DIR=/opt/lib"));
  EXPECT_THAT(environment, Contains("NO_COLOR=1"));
  EXPECT_THAT(environment, Contains("SMOLVM_AGENT_READY_TIMEOUT_SECS=300"));
  EXPECT_THAT(environment, Not(Contains(HasSubstr("wrong"))));
  EXPECT_THAT(environment, Not(Contains(HasSubstr("REBOTTLE"))));
  ::unsetenv("SMOLVM_LIB_DIR");
  ::unsetenv("SMOLVM_MACHINE_NAME");
}

}  // namespace
}  // namespace rebottle::worker::smolmachines
