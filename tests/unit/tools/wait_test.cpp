// Tests of wait, watch and history --follow: exit codes, what is printed, and that no event is missed.
// Not here: how long a real poll takes.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace rebottle::tools {
namespace {

using nlohmann::json;
using statemachine::Event;
using testing::HasSubstr;
using testing::Not;

class Wait : public CliTest {
 protected:
  Wait() {
    insert({.approval_id = "prop-1"});
    start_service();
  }
  // One step for each pause of the CLI, then nothing.
  void script(std::vector<std::function<void()>> steps) {
    on_pause_ = [steps = std::move(steps), next = std::size_t{0}]() mutable {
      if (next < steps.size()) steps[next++]();
      return true;
    };
  }
  std::function<void()> claiming() {
    return [this] { claim(1); };
  }
  std::function<void()> event(Event event, const std::string& message = {}) {
    return [this, event, message] { drive(1, {event}, {}, message); };
  }
};

TEST_F(Wait, ReturnsOkWhenTheJobSucceeds) {
  script({claiming(), [this] { drive(1, std::vector<Event>(6, Event::step_done)); }});
  const auto ran = run({"wait", "prop-1"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, "job 1 succeeded\n");
  EXPECT_EQ(json::parse(run({"wait", "1", "-o", "json"}).out)["state"], "succeeded");
}

TEST_F(Wait, Returns6WhenItEndsOtherwise) {
  script({claiming(), event(Event::stale, "the bottle is another one")});
  const auto ran = run({"wait", "1"});
  EXPECT_EQ(ran.exit, 6);
  EXPECT_EQ(ran.out, "job 1 rejected_stale\n");
  EXPECT_EQ(ran.err, "rebottle: job 1: the bottle is another one\n");
}

TEST_F(Wait, Returns7WhenAPersonIsNeeded) {
  script({claiming(), event(Event::step_done), event(Event::step_done), event(Event::step_unknown)});
  EXPECT_EQ(run({"wait", "1"}).exit, 7);
}

TEST_F(Wait, Returns124WhenTheTimeIsOver) {
  const auto before = now_;
  const auto ran = run({"wait", "1", "--timeout", "5s"});
  EXPECT_EQ(ran.exit, 124);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(now_ - before, 5000);
  EXPECT_THAT(ran.err, HasSubstr("still in queued after 5.0s"));
}

TEST_F(Wait, Returns130WhenInterrupted) {
  on_pause_ = [] { return false; };
  EXPECT_EQ(run({"wait", "1"}).exit, 130);
  EXPECT_EQ(run({"watch", "1"}).exit, 130);
}

TEST_F(Wait, Returns3WhenThereIsNoSuchJob) {
  for (const auto* verb : {"wait", "watch", "show", "history", "cancel", "retry", "rollback", "plan"}) {
    const auto ran = run({verb, "99"});
    EXPECT_EQ(ran.exit, 3) << verb;
    EXPECT_THAT(ran.err, HasSubstr("there is no job or approval 99")) << verb;
  }
}

TEST_F(Wait, ForAStateReturnsWhenItIsReachedEvenIfItPassedQuickly) {
  script({claiming(), [this] { drive(1, {Event::step_done, Event::step_done, Event::step_done}); }});
  EXPECT_EQ(run({"wait", "1", "--for", "stop"}).exit, 0);
  EXPECT_EQ(run({"wait", "1", "--for", "apply"}).out, "job 1 apply\n");
}

TEST_F(Wait, ForAStateThatCannotComeIsNoSuccess) {
  succeed(1);
  const auto ran = run({"wait", "1", "--for", "rollback"});
  EXPECT_EQ(ran.exit, 6);
  EXPECT_THAT(ran.err, HasSubstr("was never in rollback"));
  EXPECT_EQ(run({"wait", "1", "--for", "rolledback"}).exit, 2);
}

TEST_F(Wait, SaysOnceThatNoServiceRunsAndGoesOn) {
  stop_service();
  const auto ran = run({"wait", "1", "--timeout", "10s"});
  EXPECT_EQ(ran.exit, 124);
  EXPECT_EQ(ran.err.find("no service runs"), ran.err.rfind("no service runs"));
  EXPECT_THAT(ran.err, HasSubstr("no service runs; waiting for one"));
}

TEST_F(Wait, WatchPrintsEachEventAsItComesAndStopsAtTheEnd) {
  script({claiming(), event(Event::step_done), event(Event::step_done), event(Event::cancel),
          event(Event::step_done, "as it was")});
  const auto ran = run({"watch", "1"});
  EXPECT_EQ(ran.exit, 0);
  expect_golden("watch.txt", ran.out);
  EXPECT_EQ(ran.err,
            "rebottle: job 1 rolled_back: The change did not work out; the old bottle is back and no worse than "
            "before. as it was\n");
  EXPECT_EQ(run({"watch", "1", "--exit-status"}).exit, 6);
}

TEST_F(Wait, WatchShowsAnEventBeforeTheNextOneComes) {
  std::vector<std::size_t> lengths;
  script({[&] {
            lengths.push_back(out_so_far_().size());
            claim(1);
          },
          [&] {
            lengths.push_back(out_so_far_().size());
            drive(1, {Event::cancel});
          }});
  const auto ran = run({"watch", "1"});
  ASSERT_EQ(lengths.size(), 2U);
  EXPECT_GT(lengths[0], 0U);
  EXPECT_GT(lengths[1], lengths[0]);
  EXPECT_GT(ran.out.size(), lengths[1]);
}

TEST_F(Wait, WatchWithExitStatus) {
  succeed(1);
  EXPECT_EQ(run({"watch", "1", "--exit-status"}).exit, 0);
  const auto second = insert({.approval_id = "prop-2", .bottle = "dev-2"});
  claim(second);
  drive(second, {Event::step_done, Event::step_done, Event::step_unknown});
  EXPECT_EQ(run({"watch", "prop-2"}).exit, 0);
  EXPECT_EQ(run({"watch", "prop-2", "--exit-status"}).exit, 7);
}

TEST_F(Wait, WatchAsJsonLinesIsTheHistory) {
  succeed(1);
  const auto ran = run({"watch", "1", "-o", "jsonl"});
  EXPECT_EQ(ran.out, run({"history", "1", "-o", "jsonl"}).out);
  EXPECT_EQ(ran.out, run({"history", "1", "--follow", "-o", "jsonl"}).out);
  const auto document = json::parse(run({"watch", "1", "-o", "json"}).out);
  ASSERT_EQ(document.size(), 8U);
  for (std::size_t i = 0; i < document.size(); ++i) EXPECT_EQ(document[i]["seq"], i + 1);
  EXPECT_EQ(document, json::parse(run({"history", "1", "-o", "json"}).out));
}

TEST_F(Wait, WatchTimesOutWithWhatItHasSeen) {
  claim(1);
  const auto ran = run({"watch", "1", "--timeout", "2s"});
  EXPECT_EQ(ran.exit, 124);
  EXPECT_THAT(ran.out, HasSubstr("claim"));
}

}  // namespace
}  // namespace rebottle::tools
