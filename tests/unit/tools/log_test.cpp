// Tests of log: golden output, what was left out, hostile text. Not here: keeping a log (worker/engine).
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace rebottle::tools {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class Log : public CliTest {
 protected:
  Log() {
    insert({.approval_id = "prop-1"});
    job_ = claim(1);
  }
  void print(const schema::BuildLog& log) {
    schema::Advance advance;
    advance.job_id = job_.job_id;
    advance.fence = job_.fence;
    advance.state = job_.state;
    advance.now = now_;
    advance.actor = "worker:1";
    advance.build_log = log;
    ASSERT_TRUE(store().advance(advance));
  }
  schema::Job job_;
};

TEST_F(Log, PrintsAllOfAShortOne) {
  print({"Step 1/2 : FROM current\n ---> 0123\nStep 2/2 : RUN true\n", "", 0, 0});
  expect_golden("log.txt", run({"log", "prop-1"}).out);
}

TEST_F(Log, SaysWhatWasLeftOutAndEscapesTheRest) {
  print({"Step 1/2\n\x1b[2Jhello \u202e\r\n", "the end\n", 12345, 0});
  expect_golden("log-cut.txt", run({"log", "1"}).out);
  const auto object = json::parse(run({"log", "1", "-o", "json"}).out);
  EXPECT_EQ(object["head"], "Step 1/2\n\x1b[2Jhello \u202e\r\n");
  EXPECT_EQ(object["cut_bytes"], 12345);
  EXPECT_EQ(object["tail"], "the end\n");
  EXPECT_EQ(run({"log", "1", "-o", "name"}).out, "1\n");
}

TEST_F(Log, IsNotFoundWhereNothingWasBuilt) {
  const auto ran = run({"log", "1"});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("job 1 has no build log; only a Dockerfile or commands are built"));
  EXPECT_EQ(run({"log", "77"}).exit, 3);
}

}  // namespace
}  // namespace rebottle::tools
