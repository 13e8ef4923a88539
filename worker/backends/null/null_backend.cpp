// One rule for all effects: what is in force was done, to do it is to put it in force. Not here: their list
// (sequence.cpp), where that is kept (bottles.cpp).
#include "worker/backends/null/null_backend.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/null/bottles.hpp"
#include "worker/backends/null/sequence.hpp"
#include "worker/backends/plan_lists.hpp"

namespace rebottle::worker::null {
namespace {

// Of 0 to 99, the same in every life of the worker.
int lot_of(const std::string& text) {
  std::uint32_t hash = 2'166'136'261U;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619U;
  return static_cast<int>(hash % 100);
}

std::string new_container(const JobContext& job) { return job.bottle + "-" + job.job_key; }

std::string old_container(const JobContext& job) {
  return job.facts.value("admit", json::object()).value("container_id", "");
}

class NullBackend final : public Backend {
 public:
  NullBackend(boost::asio::any_io_executor executor, NullConfig config)
      : executor_(std::move(executor)), config_(std::move(config)), bottles_(config_.state_file) {}

  [[nodiscard]] std::string_view name() const override { return "null"; }
  [[nodiscard]] int concurrency() const override { return config_.concurrency; }
  [[nodiscard]] std::string target_of(std::string_view bottle) const override { return "null:" + std::string(bottle); }

  awaitable<std::vector<schema::Capability>> probe() override {
    schema::Capability row;
    row.backend = name();
    row.kind = schema::kind_capability_block;
    row.supported = true;
    row.version = "1";
    row.detail =
        json{{"changes", {"dockerfile", "image", "commands"}}, {"state_file", config_.state_file.string()}}.dump();
    co_return std::vector<schema::Capability>(1, row);
  }

  awaitable<bool> has(std::string bottle) override { co_return exists(bottle); }

  [[nodiscard]] std::vector<Effect> effects(const JobContext& job, State step) const override {
    return effects_of(job, step);
  }

  awaitable<Observed> observe(const JobContext& job, const Effect& effect, Direction direction) override {
    const bool done =
        effect.mutates ? bottles_.in_force(job.bottle, job.job_key, effect.name) : job.facts.contains(effect.name);
    Observed seen;
    seen.world = done == (direction == Direction::forward) ? World::present : World::absent;
    if (direction == Direction::forward) seen.result = result_of(job, effect);
    co_return seen;
  }

  awaitable<Performed> perform(const JobContext& job, const Effect& effect, Direction direction) override {
    if (config_.delay_ms > 0) {
      boost::asio::steady_timer timer(executor_, std::chrono::milliseconds(config_.delay_ms));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    const bool forward = direction == Direction::forward;
    if (effect.name == "admit") {
      auto refusal = refusal_of(job);
      if (refusal.outcome != Outcome::done) co_return refusal;
    }
    if (forward && effect.name == config_.fail_effect && lot_of(job.job_key) < config_.fail_percent)
      co_return Performed::failed(Outcome::permanent, "simulated_failure", effect.name + " fails, as configured.");
    if (effect.name == "take_name") bottles_.place(job.bottle, forward ? new_container(job) : old_container(job));
    if (effect.mutates) bottles_.set(job.bottle, job.job_key, effect.name, forward);
    co_return Performed::done(result_of(job, effect));
  }

  [[nodiscard]] std::vector<schema::Leftover> leftovers(const JobContext& job, State end) const override {
    std::vector<schema::Leftover> out;
    if (!job.facts.contains("admit")) return out;  // nothing was made before the admission
    const auto add = [&](std::string_view kind, const std::string& what) {
      schema::Leftover leftover;
      leftover.kind = kind;
      leftover.reference = json{{"bottle", job.bottle}, {"job", job.job_key}, {"name", what}}.dump();
      out.push_back(std::move(leftover));
    };
    if (end == State::succeeded)
      add("parked_container", job.bottle + ".prev-" + job.job_key);
    else
      add("created_container", job.bottle + ".new-" + job.job_key);
    add("image_tag", job.bottle + ":prev-" + job.job_key);
    add("snapshot_files", job.job_key);
    return out;
  }

  awaitable<Performed> remove(const schema::Leftover& leftover) override {
    const auto reference = json::parse(leftover.reference);
    if (leftover.kind == "snapshot_files") bottles_.forget(reference.value("bottle", ""), reference.value("job", ""));
    co_return Performed::done();
  }

  [[nodiscard]] json current(const JobContext& job) const override {
    return {{"container_id", new_container(job)}, {"change", schema::change_word(job.args)}};
  }

  awaitable<Plan> plan(const JobContext& job) override {
    Plan plan;
    auto refusal = refusal_of(job);
    plan.possible = refusal.outcome == Outcome::done;
    plan.reason_code = refusal.reason_code;
    plan.message = refusal.message;
    plan.detail = refusal.detail;
    if (!plan.possible) co_return plan;
    list_effects(plan, [&](State step) { return effects_of(job, step); });
    plan.detail = {{"container_id", bottles_.container(job.bottle)}};
    plan.irreversible.emplace_back("nothing: the bottle exists in name only");
    JobContext admitted = job;
    admitted.facts["admit"] = plan.detail;
    list_leftovers(plan, leftovers(admitted, State::succeeded), "success");
    list_leftovers(plan, leftovers(admitted, State::rolled_back), "a roll-back");
    co_return plan;
  }

 private:
  [[nodiscard]] bool exists(const std::string& bottle) const { return bottle.starts_with(config_.prefix); }

  [[nodiscard]] Performed refusal_of(const JobContext& job) const {
    if (!exists(job.bottle))
      return Performed::failed(Outcome::stale, std::string(bottle_not_found),
                               "There is no bottle " + job.bottle + ": their names begin with " + config_.prefix + ".",
                               {{"prefix", config_.prefix}});
    const auto found = bottles_.container(job.bottle);
    const auto& expected = job.args.expect.target_id;
    if (expected && *expected != found)
      return Performed::failed(
          Outcome::stale, "drift", "The bottle is not what was approved.",
          {{"diff", {{{"field", "expect.target_id"}, {"expected", *expected}, {"found", found}}}}});
    return Performed::done();
  }

  [[nodiscard]] json result_of(const JobContext& job, const Effect& effect) const {
    if (effect.name == "admit") return {{"container_id", bottles_.container(job.bottle)}, {"running", true}};
    if (effect.name == "create_new") return {{"container_id", new_container(job)}};
    return json::object();
  }

  boost::asio::any_io_executor executor_;
  NullConfig config_;
  Bottles bottles_;
};

}  // namespace

std::unique_ptr<Backend> make_null_backend(boost::asio::any_io_executor executor, NullConfig config) {
  return std::make_unique<NullBackend>(std::move(executor), std::move(config));
}

}  // namespace rebottle::worker::null
