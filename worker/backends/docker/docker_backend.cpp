// The backend's interface, put together from the table of effects, the leftovers and the plan.
// Not here: any of these.
#include "worker/backends/docker/docker_backend.hpp"

#include "worker/backends/docker/admission.hpp"
#include "worker/backends/docker/effect_table.hpp"
#include "worker/backends/docker/leftovers.hpp"
#include "worker/backends/docker/plan.hpp"
#include "worker/backends/docker/registry_auth.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

Engine make_engine(boost::asio::any_io_executor executor, DockerConfig config, std::string name) {
  const milliseconds call_timeout = std::chrono::seconds(config.call_timeout_s);
  EngineClient client(std::move(executor), config.socket, call_timeout, config.engine);
  return {std::move(name), std::move(config), std::move(client)};
}

schema::Capability unsupported(const Engine& engine, const Reply& reply) {
  schema::Capability out;
  out.backend = engine.name;
  out.kind = schema::kind_capability_block;
  out.reason_code = reply.reach == Reach::too_old ? "backend_too_old" : "backend_absent";
  out.message = "The engine at " + engine.config.socket.string() + " cannot be used: " + reply.message();
  out.detail = json{{"socket", engine.config.socket.string()}, {"answer", reply.message()}}.dump();
  return out;
}

json changes_of(const DockerConfig& config) {
  json out = {"dockerfile", "image", "commands"};
  if (!config.import_dirs.empty()) out.push_back("image_file");
  return out;
}

// What an operator should hear before the first pull fails.
std::string auth_word(const DockerConfig& config) {
  if (config.registry_auth_file.empty()) return "none";
  const auto auth = registry_auth(config.registry_auth_file, "none.invalid/none");
  return auth.problem.empty() ? "readable" : auth.problem;
}

awaitable<schema::Capability> probe_engine(Engine& engine) {
  const auto ping = co_await engine.client.ping();
  if (!ping.succeeded()) co_return unsupported(engine, ping);
  std::string target = "/version";
  const auto seen = co_await see(engine, std::move(target));
  if (!seen.here()) co_return unsupported(engine, seen.reply);
  schema::Capability out;
  out.backend = engine.name;
  out.kind = schema::kind_capability_block;
  out.supported = text(at(seen.doc, "Os")) == "linux";
  out.version = text(at(seen.doc, "Version"));
  if (!out.supported) {
    out.reason_code = "capability_missing";
    out.message = "The engine runs no Linux containers, but those of " + text(at(seen.doc, "Os")) + ".";
  }
  const auto spoken = engine.client.version();
  out.detail = json{{"socket", engine.config.socket.string()},
                    {"engine", engine_word(engine.config.engine)},
                    {"api_version", spoken ? spoken->text() : std::string()},
                    {"changes", changes_of(engine.config)},
                    {"builder", engine.config.builder},
                    {"pull", engine.config.pull},
                    {"registry_auth", auth_word(engine.config)}}
                   .dump();
  co_return out;
}

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
