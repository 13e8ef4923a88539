// Undo on a real engine: the same container is back, or the changed one still is; what lasts is as it was before.
// Not here: who may ask for it, and when (worker/engine).
#include <gmock/gmock.h>

#include <fstream>

#include "tests/docker/docker_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class DockerUndo : public DockerCase {
 protected:
  void SetUp() override {
    DockerCase::SetUp();
    if (IsSkipped()) return;
    config.keep_old_s = 3600;
    config.override_dockerfile = (folder / "{bottle}.override").string();
    backend = docker::make_docker_backend(io.get_executor(), config);
    create_network(bottle + "-one");
    create_network(bottle + "-two");
    auto body = agent_body();
    body["HostConfig"]["NetworkMode"] = bottle + "-one";
    body["HostConfig"]["RestartPolicy"] = {{"Name", "always"}};
    body["HostConfig"]["Binds"] = {folder.string() + ":/host:ro"};
    // Only the old one minds the poison: the changed one has /bin/hello.
    body["Cmd"][2] = "[ -e /host/poison ] && [ ! -e /bin/hello ] && exit 3\n" + text(body["Cmd"][2]);
    old_id = start_container(bottle, std::move(body));
    json connect = {{"Container", old_id}};
    call("POST", "/networks/" + bottle + "-two/connect", connect);
    run_inside(bottle, {"sh", "-c", "echo mine > /home/agent/note"});
  }

  [[nodiscard]] std::filesystem::path override_file() const { return folder / (bottle + ".override"); }
  static std::string content(const std::filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // A change that has succeeded, with what it left but the way back removed.
  JobDriver change(const std::string& dockerfile = good_dockerfile) {
    auto done = driver({{"dockerfile", dockerfile}});
    const auto end = done.run_all();
    EXPECT_EQ(end.outcome, Outcome::done) << done.failed_at() << ": " << end.message;
    remove_due(done, State::succeeded);
    return done;
  }
  void remove_due(JobDriver& done, State end) {
    for (const auto& leftover : backend->leftovers(done.context(), end)) {
      if (leftover.not_before > 0) continue;
      EXPECT_EQ(wait(backend->remove(leftover)).outcome, Outcome::done) << leftover.kind << leftover.reference;
    }
  }
  JobDriver undo_of(JobDriver& changed) {
    auto context = job({{"dockerfile", good_dockerfile}});
    context.args = changed.context().args;
    context.undoes = worker::Undone{changed.context().job_key, changed.context().facts};
    return {io, *backend, std::move(context)};
  }
  void expect_changed(const std::string& id) {
    EXPECT_EQ(text(at(inspect(bottle), "Id")), id);
    EXPECT_EQ(at(at(inspect(bottle), "State"), "Running"), true);
    EXPECT_EQ(run_inside(bottle, {"hello"}), "hello\n");
  }
  void expect_old() {
    const auto now = inspect(bottle);
    EXPECT_EQ(text(at(now, "Id")), old_id);
    EXPECT_EQ(at(at(now, "State"), "Running"), true);
    EXPECT_EQ(text(at(at(now, "HostConfig", "RestartPolicy"), "Name")), "always");
    EXPECT_EQ(at(at(now, "NetworkSettings"), "Networks").size(), 2U);
    EXPECT_EQ(run_inside(bottle, {"cat", "/home/agent/note"}), "mine\n");
  }

  std::string old_id;
};

TEST_F(DockerUndo, PutsTheSameContainerBackAndAllThatLasts) {
  std::ofstream(override_file()) << "FROM before\n";
  auto first = change();
  const auto first_id = text(at(inspect(bottle), "Id"));
  EXPECT_EQ(content(override_file()), good_dockerfile);
  const auto first_current = text(at(image("rebottle/" + bottle + ":current"), "Id"));
  auto second = change("FROM current\nRUN touch /second\n");
  EXPECT_EQ(content(override_file()), "FROM current\nRUN touch /second\n");

  auto undo = undo_of(second);
  auto end = undo.run_all();
  ASSERT_EQ(end.outcome, Outcome::done) << undo.failed_at() << ": " << end.message;
  expect_changed(first_id);
  EXPECT_EQ(content(override_file()), good_dockerfile);
  EXPECT_EQ(text(at(image("rebottle/" + bottle + ":current"), "Id")), first_current);
  EXPECT_EQ(backend->current(undo.context())["container_id"], first_id);
  remove_due(undo, State::succeeded);
  EXPECT_EQ(container_names().size(), 2U) << "the old one of the first change is still kept";

  auto back = undo_of(first);
  end = back.run_all();
  ASSERT_EQ(end.outcome, Outcome::done) << back.failed_at() << ": " << end.message;
  expect_old();
  EXPECT_EQ(content(override_file()), "FROM before\n");
  EXPECT_EQ(image("rebottle/" + bottle + ":current"), json()) << "nothing of ours was current before the first change";
  remove_due(back, State::succeeded);
  EXPECT_EQ(container_names(), std::vector<std::string>{bottle});
  EXPECT_TRUE(own_tags().empty());
}

TEST_F(DockerUndo, RemovesTheOverrideWhereThereWasNone) {
  auto changed = change();
  EXPECT_EQ(content(override_file()), good_dockerfile);
  auto undo = undo_of(changed);
  ASSERT_EQ(undo.run_all().outcome, Outcome::done) << undo.failed_at();
  EXPECT_FALSE(std::filesystem::exists(override_file()));
}

TEST_F(DockerUndo, OfAnOldOneThatDoesNotComeUpEndsAsTheChangedOne) {
  auto changed = change();
  const auto changed_id = text(at(inspect(bottle), "Id"));
  std::ofstream(folder / "poison") << "";
  auto undo = undo_of(changed);
  const auto end = undo.run_all();
  EXPECT_NE(end.outcome, Outcome::done);
  const auto back = undo.roll_back();
  ASSERT_EQ(back.outcome, Outcome::done) << undo.failed_at() << ": " << back.message;
  expect_changed(changed_id);
  EXPECT_EQ(text(at(at(inspect(bottle), "HostConfig", "RestartPolicy"), "Name")), "always");
  EXPECT_EQ(content(override_file()), good_dockerfile);
  remove_due(undo, State::rolled_back);
  // Nothing is lost: once the cause is gone, it can be undone.
  std::filesystem::remove(folder / "poison");
  auto again = undo_of(changed);
  ASSERT_EQ(again.run_all().outcome, Outcome::done) << again.failed_at();
  expect_old();
}

TEST_F(DockerUndo, CanBeTriedAgainAfterARollBackFromItsLastEffect) {
  std::ofstream(override_file()) << "FROM before\n";
  auto changed = change();
  const auto changed_id = text(at(inspect(bottle), "Id"));
  const auto current = text(at(image("rebottle/" + bottle + ":current"), "Id"));
  auto undo = undo_of(changed);
  ASSERT_EQ(undo.run_all().outcome, Outcome::done) << undo.failed_at();
  ASSERT_EQ(undo.roll_back().outcome, Outcome::done) << undo.failed_at();
  expect_changed(changed_id);
  EXPECT_EQ(content(override_file()), good_dockerfile);
  EXPECT_EQ(text(at(image("rebottle/" + bottle + ":current"), "Id")), current);
  remove_due(undo, State::rolled_back);
  auto again = undo_of(changed);
  ASSERT_EQ(again.run_all().outcome, Outcome::done) << again.failed_at();
  expect_old();
  EXPECT_EQ(content(override_file()), "FROM before\n");
}

TEST_F(DockerUndo, ALostResultIsFoundInTheWorldAfterEachEffect) {
  std::ofstream(override_file()) << "FROM before\n";
  auto changed = change();
  // Whether there is an override to put back is known from the admission on.
  auto scout = undo_of(changed);
  ASSERT_EQ(scout.run_until("admit").reason_code, "stopped_by_test");
  auto undo = undo_of(changed);
  std::vector<std::string> names;
  for (const auto& effect : scout.effects()) {
    names.push_back(effect.name);
    const auto stopped = undo.run_until(effect.name);
    ASSERT_EQ(stopped.reason_code, "stopped_by_test") << effect.name << ": " << undo.failed_at() << stopped.message;
    auto next_backend = another_backend();
    JobDriver next = undo;
    next.use(*next_backend);
    next.forget(effect.name);
    const bool repeatable = effect.name == "admit" || effect.name == "record" || effect.name == "verify_new";
    EXPECT_EQ(next.observe(effect.name).world, repeatable ? World::absent : World::present) << effect.name;
    if (repeatable) {
      const auto again = next.perform(effect.name);
      EXPECT_EQ(again.outcome, Outcome::done) << effect.name << again.message;
    }
  }
  EXPECT_THAT(names, Not(Contains("create_new")));
  EXPECT_THAT(names, Not(Contains("build_image")));
  EXPECT_THAT(names, Contains("write_override"));
  expect_old();
}

TEST_F(DockerUndo, IsRefusedWhereTheWayBackIsGone) {
  auto changed = change();
  const auto parked = bottle + ".prev-" + changed.context().job_key;
  const auto refusal = [&] {
    auto undo = undo_of(changed);
    const auto plan = wait(backend->plan(undo.context()));
    const auto end = undo.run_step(State::prepare);
    EXPECT_FALSE(plan.possible);
    EXPECT_EQ(plan.reason_code, end.reason_code);
    EXPECT_EQ(end.outcome, Outcome::stale) << end.message;
    return end.reason_code;
  };
  call("POST", "/containers/" + parked + "/start");
  EXPECT_EQ(refusal(), "parked_changed");
  call("POST", "/containers/" + parked + "/stop?t=0");
  call("POST", "/containers/" + parked + "/rename?name=" + bottle + "-mine");
  EXPECT_EQ(refusal(), "parked_changed");
  call("POST", "/containers/" + bottle + "-mine/rename?name=" + parked);
  {
    auto undo = undo_of(changed);
    const auto plan = wait(backend->plan(undo.context()));
    EXPECT_TRUE(plan.possible) << plan.message;
    EXPECT_THAT(plan.changes, Contains("start " + bottle + ", as it was before the change"));
  }
  call("DELETE", "/containers/" + parked);
  EXPECT_EQ(refusal(), "nothing_parked");
  // Someone made the bottle anew.
  call("DELETE", "/containers/" + bottle + "?force=1");
  start_container(bottle, agent_body());
  EXPECT_EQ(refusal(), "drift");
}

TEST_F(DockerUndo, KeepsTheWayBackForAsLongAsIsConfigured) {
  auto changed = change();
  int ways_back = 0;
  for (const auto& leftover : backend->leftovers(changed.context(), State::succeeded)) {
    if (leftover.kind == "parked_container") {
      ++ways_back;
      EXPECT_TRUE(leftover.way_back);
      EXPECT_EQ(leftover.not_before, 3'600'000);
    } else {
      EXPECT_FALSE(leftover.way_back) << leftover.kind;
    }
  }
  EXPECT_EQ(ways_back, 1);
  config.keep_old_s = 0;
  auto without = another_backend();
  for (const auto& leftover : without->leftovers(changed.context(), State::succeeded)) {
    EXPECT_FALSE(leftover.way_back) << leftover.kind;
    EXPECT_EQ(leftover.not_before, 0) << leftover.kind;
  }
}

// What is kept carries the bottle's label, too; however many changes are kept, one container is the bottle.
TEST_F(DockerUndo, WhatIsKeptIsNotTakenForTheBottle) {
  config.label = "bot.bottle";
  config.side_label = "bot.side";
  backend = docker::make_docker_backend(io.get_executor(), config);
  call("DELETE", "/containers/" + bottle + "?force=1");
  auto body = agent_body();
  body["Labels"]["bot.bottle"] = bottle;
  body["Labels"]["bot.side"] = bottle;
  old_id = start_container(bottle, std::move(body));
  auto first = change();
  auto second = change("FROM current\nRUN touch /second\n");
  auto undo = undo_of(second);
  ASSERT_EQ(undo.run_all().outcome, Outcome::done) << undo.failed_at();
  // Three are there now: the bottle, and those that the first change and the undo have replaced.
  EXPECT_EQ(container_names().size(), 3U);
  const auto third = change("FROM current\nRUN touch /third\n");
  EXPECT_EQ(run_inside(bottle, {"hello"}), "hello\n");
}

TEST_F(DockerUndo, AnOverrideThatSomeoneElseWroteIsLeftAlone) {
  std::ofstream(override_file()) << "FROM before\n";
  auto changed = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(changed.run_step(State::prepare).outcome, Outcome::done);
  ASSERT_EQ(changed.perform("write_override").outcome, Outcome::done);
  EXPECT_EQ(changed.observe("write_override").world, World::present);
  std::ofstream(override_file()) << "FROM theirs\n";
  EXPECT_EQ(changed.observe("write_override").world, World::foreign);
  EXPECT_EQ(changed.observe("write_override", worker::Direction::undo).world, World::present);
  EXPECT_EQ(content(override_file()), "FROM theirs\n");
}

TEST_F(DockerUndo, OfAChangeWhoseOverrideIsSomeoneElsesByNowLeavesItAlone) {
  auto changed = change();
  std::ofstream(override_file()) << "FROM theirs\n";
  auto undo = undo_of(changed);
  ASSERT_EQ(undo.run_all().outcome, Outcome::done) << undo.failed_at();
  EXPECT_THAT(undo.done(), Not(Contains("write_override")));
  expect_old();
  EXPECT_EQ(content(override_file()), "FROM theirs\n");
}

TEST_F(DockerUndo, OfAnOverrideThatWasNotKeptIsRefused) {
  std::ofstream(override_file()) << "FROM before\n";
  auto changed = change();
  const auto kept = override_file().string() + ".before-" + changed.context().job_key;
  EXPECT_EQ(content(kept), "FROM before\n");
  std::filesystem::remove(kept);
  auto undo = undo_of(changed);
  const auto end = undo.run_step(State::prepare);
  EXPECT_EQ(end.reason_code, "override_unusable");
  EXPECT_THAT(end.message, HasSubstr("put it there again, or remove"));
  std::filesystem::remove(override_file());
  auto again = undo_of(changed);
  ASSERT_EQ(again.run_all().outcome, Outcome::done) << again.failed_at();
  expect_old();
}

TEST_F(DockerUndo, AnOverrideThatCannotBeWrittenIsNoticedBeforeAnythingIsTouched) {
  config.override_dockerfile = (folder / "no-such-folder" / "{bottle}").string();
  auto other = another_backend();
  JobDriver job_there(io, *other, job({{"dockerfile", good_dockerfile}}));
  EXPECT_EQ(job_there.run_step(State::prepare).reason_code, "override_unusable");
  std::filesystem::create_symlink("/etc/passwd", override_file());
  auto linked = driver({{"dockerfile", good_dockerfile}});
  const auto end = linked.run_step(State::prepare);
  EXPECT_EQ(end.reason_code, "override_unusable");
  EXPECT_THAT(end.message, HasSubstr("is a link"));
  expect_old();
}

}  // namespace
}  // namespace rebottle::tests
