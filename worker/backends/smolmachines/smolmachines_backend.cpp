// The backend's interface, put together from the table of effects, the leftovers and the plan.
// Not here: any of these.
#include "worker/backends/smolmachines/smolmachines_backend.hpp"

#include <algorithm>

#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/effect_table.hpp"
#include "worker/backends/smolmachines/engine.hpp"
#include "worker/backends/smolmachines/host.hpp"
#include "worker/backends/smolmachines/leftovers.hpp"
#include "worker/backends/smolmachines/plan.hpp"

namespace rebottle::worker::smolmachines {
namespace {

Engine make_engine(SmolmachinesConfig config, std::unique_ptr<ImageBuilder> builder) {
  Calls calls(config.engine, config.engine_state_dir, config.work_dir / "calls",
              child_environment(config.start_timeout_s));
  return {std::move(config), std::move(calls), std::move(builder)};
}

class SmolmachinesBackend final : public Backend {
 public:
  SmolmachinesBackend(SmolmachinesConfig config, std::unique_ptr<ImageBuilder> builder)
      : engine_(make_engine(std::move(config), std::move(builder))) {}

  [[nodiscard]] std::string_view name() const override { return "smolmachines"; }
  [[nodiscard]] int concurrency() const override { return engine_.config.concurrency; }
  [[nodiscard]] std::string target_of(std::string_view bottle) const override {
    return "smolmachines:" + base_name(engine_.config, bottle);
  }

  [[nodiscard]] std::chrono::milliseconds patience() const override {
    // Two calls, and what the builder may take.
    return std::chrono::seconds(2 * engine_.config.call_timeout_s) + Backend::patience();
  }

  awaitable<std::vector<schema::Capability>> probe() override {
    auto row = co_await probe_engine(engine_);
    std::vector<schema::Capability> rows;
    rows.push_back(std::move(row));
    co_return rows;
  }

  awaitable<bool> has(std::string bottle) override {
    const auto machines = co_await list_machines(engine_);
    const auto base = base_name(engine_.config, bottle);
    co_return std::ranges::any_of(machines.rows, [&](const json& machine) {
      return text(at(machine, "name")) == base || is_ours(machine, bottle);
    });
  }

  [[nodiscard]] std::vector<Effect> effects(const JobContext& job, State step) const override {
    const JobView view(engine_.config, job, engine_.builder.get());
    return effects_of(view, step);
  }

  awaitable<Observed> observe(const JobContext& job, const Effect& effect, Direction direction) override {
    const JobView view(engine_.config, job, engine_.builder.get());
    const auto observe_it = effect_row(effect.name).observe;
    auto observed = co_await observe_it(engine_, view, direction);
    co_return observed;
  }

  awaitable<Performed> perform(const JobContext& job, const Effect& effect, Direction direction) override {
    const JobView view(engine_.config, job, engine_.builder.get());
    const auto perform_it = effect_row(effect.name).perform;
    auto performed = co_await perform_it(engine_, view, direction);
    co_return performed;
  }

  [[nodiscard]] std::vector<schema::Leftover> leftovers(const JobContext& job, State end) const override {
    const JobView view(engine_.config, job, engine_.builder.get());
    return leftovers_of(view, end);
  }

  awaitable<Performed> remove(const schema::Leftover& leftover) override {
    auto removed = co_await remove_leftover(engine_, leftover);
    co_return removed;
  }

  [[nodiscard]] json current(const JobContext& job) const override {
    const JobView view(engine_.config, job, engine_.builder.get());
    json out = {{"machine", view.new_machine()},
                {"rev", view.new_rev()},
                {"previous_machine", view.old_machine()},
                {"change", schema::change_word(job.args)}};
    if (view.makes_machine()) {
      out["made"] = true;
      out["job"] = job.job_key;
      out["spec_sha256"] = at(view.baseline(), "spec_sha256");
      out["image"] = at(view.fact(effect::create_new), "image");
      if (!view.needs_builder()) return out;
      out["builder"] = engine_.config.builder;
      out["image_id"] = view.built_image();
      if (view.builds()) out["image_tag"] = engine_.builder->image_name(job);
      return out;
    }
    // The machine is the same: what was true of how it was made still is.
    for (const auto* kept : {"made", "job", "spec_sha256", "builder", "image_id", "image_tag"})
      if (job.current.contains(kept)) out[kept] = job.current[kept];
    out["image"] = at(view.baseline(), "image");
    return out;
  }

  awaitable<Plan> plan(const JobContext& job) override {
    auto plan = co_await make_plan(engine_, job);
    co_return plan;
  }

 private:
  Engine engine_;
};

}  // namespace

std::unique_ptr<Backend> make_smolmachines_backend(const boost::asio::any_io_executor& /*executor*/,
                                                   SmolmachinesConfig config, std::unique_ptr<ImageBuilder> builder) {
  return std::make_unique<SmolmachinesBackend>(std::move(config), std::move(builder));
}

}  // namespace rebottle::worker::smolmachines
