// The same judgements, limits, names and labels as for a bottle of our own, without a container.
// Not here: how an image is built, found, loaded or exported (images.cpp).
#include "worker/backends/docker/image_builder.hpp"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <sys/utsname.h>

#include "worker/backends/docker/images.hpp"
#include "worker/backends/docker/leftovers.hpp"
#include "worker/backends/docker/names.hpp"
#include "worker/backends/docker/probe.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

// An image's word for what this host runs.
std::string host_architecture() {
  struct utsname host {};
  ::uname(&host);
  const std::string machine = host.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

Performed judge_platform(const json& image, const std::string& reference) {
  const auto os = text(at(image, "Os"));
  const auto architecture = text(at(image, "Architecture"));
  const auto host = host_architecture();
  if (os == "linux" && architecture == host) return Performed::done();
  return Performed::failed(
      Outcome::permanent, "platform_mismatch",
      "The image " + reference + " is for " + os + "/" + architecture + "; this host runs linux/" + host + ".",
      {{"image", reference}, {"os", os}, {"architecture", architecture}, {"host", host}});
}

class DockerImageBuilder final : public ImageBuilder {
 public:
  DockerImageBuilder(boost::asio::any_io_executor executor, DockerConfig config, std::string name, std::string owner)
      : engine_(make_engine(std::move(executor), std::move(config), std::move(name))), owner_(std::move(owner)) {}

  [[nodiscard]] std::string_view name() const override { return engine_.name; }
  [[nodiscard]] bool pulls() const override { return engine_.config.pull; }

  awaitable<schema::Capability> probe() override {
    auto row = co_await probe_engine(engine_);
    if (row.reason_code == "backend_absent") row.reason_code = "builder_absent";
    if (row.reason_code == "backend_too_old") row.reason_code = "builder_too_old";
    if (!row.supported) row.message = "The builder " + engine_.name + " cannot be used. " + row.message;
    co_return row;
  }

  [[nodiscard]] bool needs_current(const JobContext& job) const override { return prepared(job).uses_current; }
  [[nodiscard]] std::string current_name(const JobContext& job) const override { return names(job).tag_previous; }
  [[nodiscard]] std::string image_name(const JobContext& job) const override { return names(job).tag_job; }

  awaitable<Performed> admit(const JobContext& job, const PresentImage& current) override {
    const auto able = co_await probe();
    if (!able.supported)
      co_return Performed::failed(Outcome::unsupported, able.reason_code, able.message, {{"builder", engine_.name}});
    std::vector<std::string> references;
    if (const auto* image = std::get_if<schema::Args::Image>(&job.args.change)) references.push_back(image->reference);
    const auto dockerfile = prepared(job);
    if (!dockerfile.problems.empty()) co_return unsupported_change(dockerfile.problems);
    references.insert(references.end(), dockerfile.images.begin(), dockerfile.images.end());
    const auto judged = co_await judge_needed(engine_, std::move(references), builds(job));
    if (judged.outcome != Outcome::done || !dockerfile.uses_current) co_return judged;
    auto found = co_await admit_current(current);
    co_return found;
  }

  awaitable<Observed> observe_current(const JobContext& job) override {
    // Without a record it is not known whether all of it is there: providing it again changes nothing.
    const json& recorded = at(job.facts, build_effect::provide_current);
    if (recorded.is_null()) co_return seen_as(World::absent);
    const auto seen = co_await see_image(engine_, current_name(job));
    if (seen.unclear()) co_return unclear(seen);
    if (seen.gone()) co_return seen_as(World::absent);
    if (at(seen.doc, "Id") != at(recorded, "image_id"))
      co_return seen_as(World::foreign, current_name(job) + " is an image that this job has not put there");
    co_return Observed{World::present, recorded, {}};
  }

  awaitable<Performed> provide_current(const JobContext& job, const PresentImage& current,
                                       std::filesystem::path scratch) override {
    const auto tag = current_name(job);
    if (current.reference.empty()) {
      FileToLoad wanted;
      wanted.file = ImageFile(::open(current.archive.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
      wanted.name = current.archive.string();
      wanted.sha256 = current.sha256;
      wanted.copy = std::move(scratch);
      wanted.tag = tag;
      auto loaded = co_await load_file(engine_, std::move(wanted), job.print);
      co_return loaded;
    }
    const auto found = co_await find_or_pull(engine_, current.reference, job.print);
    if (found.outcome != Outcome::done) co_return found;
    const auto tagged = co_await tag_image(engine_, text(at(found.result, "image_id")), tag);
    if (tagged.outcome != Outcome::done) co_return tagged;
    json result = {{"image_id", at(found.result, "image_id")}, {"reference", tag}};
    co_return Performed::done(std::move(result));
  }

  awaitable<Observed> observe_image(const JobContext& job) override {
    if (builds(job)) {
      auto built = co_await observe_built(engine_, job, image_name(job));
      co_return built;
    }
    const json& recorded = at(job.facts, build_effect::resolve_image);
    if (recorded.is_null()) co_return seen_as(World::absent);
    const auto seen = co_await see_image(engine_, text(at(recorded, "image_id")));
    if (seen.unclear()) co_return unclear(seen);
    if (seen.gone()) co_return seen_as(World::absent);
    co_return Observed{World::present, recorded, {}};
  }

  awaitable<Performed> make_image(const JobContext& job) override {
    auto work = builds(job) ? build_it(job) : find_it(job);
    auto made = co_await std::move(work);
    if (made.outcome != Outcome::done) co_return made;
    const auto seen = co_await see_image(engine_, text(at(made.result, "image_id")));
    if (!seen.here()) co_return failure(seen.reply, "inspect the image");
    const auto judged = judge_platform(seen.doc, text(at(made.result, "reference")));
    if (judged.outcome != Outcome::done) co_return judged;
    co_return made;
  }

  awaitable<Performed> export_image(const JobContext& job, std::filesystem::path to) override {
    const auto made_by = builds(job) ? build_effect::build_image : build_effect::resolve_image;
    auto id = text(at(at(job.facts, made_by), "image_id"));
    auto exported = co_await docker::export_image(engine_, std::move(id), image_name(job), std::move(to));
    co_return exported;
  }

  [[nodiscard]] std::vector<schema::Leftover> leftovers(const JobContext& job, State end,
                                                        const std::string& superseded) const override {
    std::vector<schema::Leftover> out;
    const auto add = [&out](std::string_view kind, const json& reference) {
      schema::Leftover one;
      one.kind = kind;
      one.reference = reference.dump();
      out.push_back(std::move(one));
    };
    if (end == State::succeeded && !superseded.empty()) add(kind_tag, {{"tag", superseded}});
    if (!builds(job)) return out;
    if (end != State::succeeded) add(kind_tag, {{"tag", image_name(job)}, {"job", job.job_key}});
    if (builder_of(engine_.config) == Builder::classic) add(kind_build_cache, {{"mark", build_mark(job, owner_)}});
    if (needs_current(job)) {
      const bool loaded = at(at(job.facts, build_effect::provide_current), "was_there") == false;
      add(kind_tag, {{"tag", current_name(job)}, {"loaded", loaded}});
    }
    return out;
  }

  awaitable<Performed> remove(const schema::Leftover& leftover) override {
    auto removed = co_await remove_leftover(engine_, leftover);
    co_return removed;
  }

 private:
  [[nodiscard]] static bool builds(const JobContext& job) {
    return std::holds_alternative<schema::Args::Dockerfile>(job.args.change);
  }
  [[nodiscard]] Names names(const JobContext& job) const {
    return names_of(job.bottle, {}, job.job_key, std::string(engine_.dialect().image_prefix) + owner_ + "/");
  }
  // An empty one for every other change.
  [[nodiscard]] Dockerfile prepared(const JobContext& job) const {
    const auto* given = std::get_if<schema::Args::Dockerfile>(&job.args.change);
    if (given == nullptr) return {};
    return prepare_dockerfile(given->text, current_name(job), builder_of(engine_.config));
  }

  awaitable<Performed> admit_current(const PresentImage& current) {
    json where = {{"archive", current.archive.string()}, {"sha256", current.sha256}};
    if (!current.reference.empty()) {
      const auto seen = co_await see_image(engine_, current.reference);
      if (seen.unclear()) co_return failure(seen.reply, "look for the bottle's present image");
      if (seen.here()) {
        const auto problems = onbuild_of(engine_, seen.doc);
        if (!problems.empty()) co_return unsupported_change(problems);
      }
      const bool by_id = current.reference.starts_with("sha256:");
      where = nullptr;
      if (seen.here()) where = {{"reference", at(seen.doc, "Id")}};
      if (seen.gone() && !by_id && engine_.config.pull) where = {{"reference", current.reference}};
    } else if (current.archive.empty()) {
      where = nullptr;
    }
    if (where.is_null())
      co_return Performed::failed(
          Outcome::unsupported, "change_unsupported",
          "FROM current: " + engine_.name +
              " does not have the image that the bottle was made from. Name an image that it has, or may pull.",
          {{"missing", "current_image"}, {"builder", engine_.name}, {"reference", current.reference}});
    json result = {{"current", where}};
    co_return Performed::done(std::move(result));
  }

  awaitable<Performed> find_it(const JobContext& job) {
    auto found = co_await find_or_pull(engine_, std::get<schema::Args::Image>(job.args.change).reference, job.print);
    co_return found;
  }

  awaitable<Performed> build_it(const JobContext& job) {
    Build wanted;
    wanted.dockerfile = prepared(job);
    wanted.tag = image_name(job);
    if (wanted.dockerfile.uses_current) {
      // What came from a file could not be judged before it was loaded.
      std::vector<std::string> current = {current_name(job)};
      const auto judged = co_await judge_needed(engine_, std::move(current), true);
      if (judged.outcome != Outcome::done) co_return judged;
    }
    auto built = co_await build_for(engine_, job, std::move(wanted), owner_);
    co_return built;
  }

  Engine engine_;
  std::string owner_;
};

}  // namespace

std::unique_ptr<ImageBuilder> make_image_builder(boost::asio::any_io_executor executor, DockerConfig config,
                                                 std::string name, std::string owner) {
  return std::make_unique<DockerImageBuilder>(std::move(executor), std::move(config), std::move(name),
                                              std::move(owner));
}

}  // namespace rebottle::worker::docker
