// The backend's interface, put together from the table of effects, the leftovers and the plan.
// Not here: any of these.
#include "worker/backends/docker/docker_backend.hpp"

#include "worker/backends/docker/admission.hpp"
#include "worker/backends/docker/effect_table.hpp"
#include "worker/backends/docker/leftovers.hpp"
#include "worker/backends/docker/plan.hpp"
#include "worker/backends/docker/probe.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

class DockerBackend final : public Backend {
 public:
  explicit DockerBackend(boost::asio::any_io_executor executor, DockerConfig config, std::string name)
      : engine_(make_engine(std::move(executor), std::move(config), std::move(name))) {}

  [[nodiscard]] std::string_view name() const override { return engine_.name; }
  [[nodiscard]] int concurrency() const override { return engine_.config.concurrency; }

  [[nodiscard]] std::string target_of(std::string_view bottle) const override {
    const auto& label = engine_.config.label;
    const auto container =
        label.empty() ? container_by_name(engine_.config, bottle) : "label " + label + "=" + std::string(bottle);
    return engine_.name + ":" + container;
  }

  awaitable<std::vector<schema::Capability>> probe() override {
    auto row = co_await probe_engine(engine_);
    std::vector<schema::Capability> rows;
    rows.push_back(std::move(row));
    co_return rows;
  }

  awaitable<bool> has(std::string bottle) override {
    const auto known = co_await has_container(engine_, bottle);
    co_return known;
  }

  [[nodiscard]] std::vector<Effect> effects(const JobContext& job, State step) const override {
    const JobView view(engine_.config, job);
    return effects_of(engine_, view, step);
  }

  awaitable<Observed> observe(const JobContext& job, const Effect& effect, Direction direction) override {
    const JobView view(engine_.config, job, member_of(effect.name));
    const auto observe_it = effect_row(effect.name).observe;
    auto observed = co_await observe_it(engine_, view, direction);
    co_return observed;
  }

  awaitable<Performed> perform(const JobContext& job, const Effect& effect, Direction direction) override {
    const JobView view(engine_.config, job, member_of(effect.name));
    const auto perform_it = effect_row(effect.name).perform;
    auto performed = co_await perform_it(engine_, view, direction);
    co_return performed;
  }

  [[nodiscard]] std::vector<schema::Leftover> leftovers(const JobContext& job, State end) const override {
    const JobView view(engine_.config, job);
    return leftovers_of(engine_, view, end);
  }

  awaitable<Performed> remove(const schema::Leftover& leftover) override {
    auto removed = co_await remove_leftover(engine_, leftover);
    co_return removed;
  }

  [[nodiscard]] json current(const JobContext& job) const override {
    const JobView view(engine_.config, job);
    json members = json::array();
    for (const auto& dependent : at(view.baseline(), "members")) {
      const auto member = view.of(text(at(dependent, "name")));
      members.push_back({{"container", member.names.container}, {"container_id", member.new_id()}});
    }
    return {{"container", view.names.container},
            {"container_id", view.new_id()},
            {"image", view.image_reference()},
            {"image_id", view.new_image()},
            {"tag", view.names.tag_current},
            {"previous_image_id", view.old_image()},
            {"change", view.undoes() ? "undo" : schema::change_word(job.args)},
            {"members", std::move(members)}};
  }

  awaitable<Plan> plan(const JobContext& job) override {
    auto plan = co_await make_plan(engine_, job);
    co_return plan;
  }

 private:
  Engine engine_;
};

}  // namespace

std::unique_ptr<Backend> make_docker_backend(boost::asio::any_io_executor executor, DockerConfig config,
                                             std::string name) {
  return std::make_unique<DockerBackend>(std::move(executor), std::move(config), std::move(name));
}

}  // namespace rebottle::worker::docker
