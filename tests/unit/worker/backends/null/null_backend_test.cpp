// The null backend: the same journal as Docker's, a world that outlives the process, failures as configured.
// Not here: a service around it (tests/functional).
#include "worker/backends/null/null_backend.hpp"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include <gmock/gmock.h>

#include "tests/support/job_driver.hpp"
#include "tests/support/run.hpp"
#include "worker/backends/docker/docker_backend.hpp"
#include "worker/backends/null/null_module.hpp"

namespace rebottle::worker::null {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::JobDriver;

constexpr std::array all_steps = {State::prepare, State::snapshot, State::stop,    State::apply,
                                  State::restart, State::verify,   State::rollback};

class NullBackend : public ::testing::Test {
 protected:
  NullBackend() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rebottle-null-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder = pattern;
    config.state_file = folder / "state";
  }
  ~NullBackend() override { std::filesystem::remove_all(folder); }

  std::unique_ptr<Backend> make() { return make_null_backend(io.get_executor(), config); }
  static JobContext job(int number = 1) {
    JobContext job;
    job.job_id = number;
    job.job_key = "ab-" + std::to_string(number);
    job.bottle = "null-1";
    job.args.change = schema::Args::Dockerfile{"FROM current\n"};
    return job;
  }
  std::string container(Backend& backend) {
    auto looked_at = tests::run(io, backend.plan(job(99)));
    return looked_at.detail.value("container_id", "");
  }

  boost::asio::io_context io;
  std::filesystem::path folder;
  NullConfig config;
};

// What makes history and recovery look the same: names, steps, order, flags, for every kind of change.
TEST_F(NullBackend, JournalsExactlyAsDockerDoes) {
  const auto docker = docker::make_docker_backend(io.get_executor(), {});
  const auto null = make();
  auto one = job();
  const std::vector<decltype(one.args.change)> changes{
      schema::Args::Dockerfile{"FROM current\n"}, schema::Args::Image{"busybox"}, schema::Args::Commands{{"true"}}};
  for (const auto& change : changes) {
    for (const auto* paths : {"", "/x", "/x without restore"}) {
      one.args.change = change;
      one.args.snapshot.paths = *paths == '\0' ? std::vector<std::string>() : std::vector<std::string>{"/x"};
      one.args.snapshot.restore = std::string(paths) == "/x";
      for (const auto step : all_steps) {
        const auto theirs = docker->effects(one, step);
        const auto ours = null->effects(one, step);
        ASSERT_EQ(ours.size(), theirs.size()) << to_string(step);
        for (std::size_t i = 0; i < ours.size(); ++i) {
          EXPECT_EQ(ours[i].name, theirs[i].name);
          EXPECT_EQ(ours[i].step, theirs[i].step) << ours[i].name;
          EXPECT_EQ(ours[i].mutates, theirs[i].mutates) << ours[i].name;
          EXPECT_EQ(ours[i].undoable, theirs[i].undoable) << ours[i].name;
          EXPECT_EQ(ours[i].interruptible, theirs[i].interruptible) << ours[i].name;
          EXPECT_EQ(ours[i].begins_downtime, theirs[i].begins_downtime) << ours[i].name;
          EXPECT_EQ(ours[i].ends_downtime, theirs[i].ends_downtime) << ours[i].name;
        }
      }
    }
  }
}

TEST_F(NullBackend, ChangesTheBottle) {
  const auto backend = make();
  EXPECT_EQ(container(*backend), "null-1-0");
  JobDriver driver(io, *backend, job());

  EXPECT_EQ(driver.run_all().outcome, Outcome::done);
  EXPECT_EQ(container(*backend), "null-1-ab-1");
  EXPECT_EQ(backend->current(driver.context())["container_id"], "null-1-ab-1");
  for (const auto& leftover : backend->leftovers(driver.context(), State::succeeded))
    EXPECT_EQ(tests::run(io, backend->remove(leftover)).outcome, Outcome::done);
  JobDriver second(io, *backend, job(2));
  EXPECT_EQ(second.run_all().outcome, Outcome::done);
  EXPECT_EQ(container(*backend), "null-1-ab-2");
}

TEST_F(NullBackend, RollsBackFromEveryEffect) {
  const auto backend = make();
  int number = 0;
  for (const auto step : {State::stop, State::apply, State::restart, State::verify})
    for (const auto& effect : backend->effects(job(), step)) {
      JobDriver driver(io, *backend, job(++number));
      EXPECT_EQ(driver.run_until(effect.name).reason_code, "stopped_by_test");
      EXPECT_EQ(driver.roll_back().outcome, Outcome::done) << effect.name << ": " << driver.failed_at();
      EXPECT_EQ(container(*backend), "null-1-0") << effect.name;
    }
  EXPECT_GT(number, 5);
}

TEST_F(NullBackend, TheFileOutlivesTheProcess) {
  const auto first = make();
  JobDriver driver(io, *first, job());
  driver.run_until("take_name");
  driver.forget("take_name");

  const auto second = make();
  driver.use(*second);
  EXPECT_EQ(driver.observe("take_name").world, World::present);
  EXPECT_EQ(driver.observe("start_new").world, World::absent);
  EXPECT_EQ(driver.run_all().outcome, Outcome::done);
  EXPECT_EQ(container(*make()), "null-1-ab-1");
}

TEST_F(NullBackend, ALineThatWasCutOffIsNone) {
  {
    const auto first = make();
    JobDriver driver(io, *first, job());
    driver.run_until("stop_old");
  }
  std::ofstream(config.state_file, std::ios::app) << R"({"bottle":"null-1","job":"ab-1","effect":"park_)";
  const auto second = make();
  JobDriver driver(io, *second, job());
  EXPECT_EQ(driver.observe("stop_old").world, World::present);
  EXPECT_EQ(driver.observe("park_old").world, World::absent);
}

TEST_F(NullBackend, AnEndedJobIsForgottenInTheFile) {
  {
    const auto backend = make();
    JobDriver driver(io, *backend, job());
    driver.run_all();
    for (const auto& leftover : backend->leftovers(driver.context(), State::succeeded))
      tests::run(io, backend->remove(leftover));
  }
  make();
  std::ifstream stream(config.state_file);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  EXPECT_EQ(text, "{\"bottle\":\"null-1\",\"container\":\"null-1-ab-1\"}\n");
}

TEST_F(NullBackend, WithoutAFileItWorksInMemory) {
  config.state_file.clear();
  const auto backend = make();
  JobDriver driver(io, *backend, job());
  EXPECT_EQ(driver.run_all().outcome, Outcome::done);
  EXPECT_EQ(container(*make()), "null-1-0");
}

TEST_F(NullBackend, AFileThatCannotBeWrittenIsSaidAtTheStart) {
  config.state_file = folder / "missing" / "state";
  EXPECT_THROW(make(), std::system_error);
}

TEST_F(NullBackend, KnowsBottlesByTheirPrefix) {
  const auto backend = make();
  EXPECT_TRUE(tests::run(io, backend->has("null-7")));
  EXPECT_FALSE(tests::run(io, backend->has("dev-7")));
  auto stranger = job();
  stranger.bottle = "dev-7";
  JobDriver driver(io, *backend, stranger);
  const auto refused = driver.run_all();
  EXPECT_EQ(refused.outcome, Outcome::stale);
  EXPECT_EQ(refused.reason_code, bottle_not_found);
  EXPECT_EQ(tests::run(io, backend->plan(stranger)).reason_code, bottle_not_found);
}

TEST_F(NullBackend, RefusesABottleThatIsNotWhatWasApproved) {
  const auto backend = make();
  auto expecting = job();
  expecting.args.expect.target_id = "null-1-7";
  JobDriver driver(io, *backend, expecting);
  EXPECT_EQ(driver.run_all().reason_code, "drift");
}

TEST_F(NullBackend, FailsWhereAndAsOftenAsConfigured) {
  config.fail_effect = "start_new";
  config.fail_percent = 30;
  const auto backend = make();
  int failed = 0;
  for (int number = 1; number <= 200; ++number) {
    JobDriver driver(io, *backend, job(number));
    const auto done = driver.run_all();
    if (done.outcome == Outcome::done) continue;
    ++failed;
    EXPECT_EQ(done.reason_code, "simulated_failure");
    EXPECT_EQ(driver.failed_at(), "start_new");
    EXPECT_EQ(driver.roll_back().outcome, Outcome::done);
  }
  EXPECT_GT(failed, 30);
  EXPECT_LT(failed, 90);
}

TEST_F(NullBackend, PlanListsTheEffectsThatTheJobThenHas) {
  const auto backend = make();
  const auto plan = tests::run(io, backend->plan(job()));
  ASSERT_TRUE(plan.possible);
  JobDriver driver(io, *backend, job());
  driver.run_all();
  std::vector<std::string> said = plan.makes;
  said.insert(said.end(), plan.changes.begin(), plan.changes.end());
  std::vector<std::string> done;
  for (const auto& effect : driver.effects())
    if (effect.mutates) done.push_back(effect.summary);
  EXPECT_EQ(said, done);
  EXPECT_THAT(plan.removes, Contains(HasSubstr("null-1.prev-ab-1, after success")));
}

TEST(NullModule, IsOffUnlessSwitchedOn) {
  const auto module = null_module();
  boost::asio::io_context io;
  EXPECT_EQ(module->make(io.get_executor(), {}), nullptr);
  for (const auto& key : module->keys())
    if (key.name == "enabled") {
      EXPECT_EQ(key.take({true, "boolean"}), "");
    }
  EXPECT_NE(module->make(io.get_executor(), {}), nullptr);
}

TEST(NullModule, FailEffectMustBeOne) {
  const auto module = null_module();
  for (const auto& key : module->keys()) {
    if (key.name != "fail_effect") continue;
    EXPECT_EQ(key.take({"start_new", "string"}), "");
    EXPECT_THAT(key.take({"explode", "string"}), HasSubstr("must name an effect"));
  }
}

}  // namespace
}  // namespace rebottle::worker::null
