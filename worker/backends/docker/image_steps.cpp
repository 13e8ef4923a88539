// The images of a job: the old one pinned, the new one built or found, the tag of the last success moved.
// Not here: what a Dockerfile may say (dockerfile.cpp), what a build's stream says (build.cpp).
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/docker/build.hpp"
#include "worker/backends/docker/image_file.hpp"
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

Observed seen_as(World world, std::string detail = {}) { return {world, json::object(), std::move(detail)}; }

// The image is set by id, so that a moved name is never followed.
awaitable<Performed> tag_image(Engine& engine, std::string image_id, std::string tag) {
  const auto colon = tag.rfind(':');
  std::string target = "/images/" + percent_encode_path(image_id) +
                       "/tag?repo=" + percent_encode(tag.substr(0, colon)) +
                       "&tag=" + percent_encode(tag.substr(colon + 1));
  const auto reply = co_await post(engine, std::move(target));
  if (!reply.succeeded()) co_return failure(reply, "tag the image " + tag);
  json result = {{"image_id", image_id}, {"tag", tag}};
  co_return Performed::done(std::move(result));
}

awaitable<ImageArchive> copy_on_disk_thread(const ImageFile& from, std::filesystem::path to, std::string tag) {
  co_return copy_archive(from, to, tag);
}

class RemovedAtEnd {
 public:
  explicit RemovedAtEnd(std::filesystem::path path) : path_(std::move(path)) {}
  RemovedAtEnd(const RemovedAtEnd&) = delete;
  RemovedAtEnd& operator=(const RemovedAtEnd&) = delete;
  ~RemovedAtEnd() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

awaitable<Observed> observe_pin_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto seen = co_await see_image(engine, job.names.tag_previous);
  if (seen.unclear()) co_return unclear(seen);
  if (seen.gone()) co_return seen_as(World::absent);
  const auto id = text(at(seen.doc, "Id"));
  if (id != job.old_image()) co_return seen_as(World::foreign, job.names.tag_previous + " is the image " + id);
  json result = {{"image_id", id}, {"tag", job.names.tag_previous}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_pin_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  auto out = co_await tag_image(engine, job.old_image(), job.names.tag_previous);
  co_return out;
}

awaitable<Observed> observe_build_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto seen = co_await see_image(engine, job.names.tag_job);
  if (seen.unclear()) co_return unclear(seen);
  if (seen.gone()) co_return seen_as(World::absent);
  const json& labels = at(seen.doc, "Config", "Labels");
  if (!made_by(labels, job.context.job_key) || text(at(labels, label::change)) != job.context.args.change_sha256)
    co_return seen_as(World::foreign, job.names.tag_job + " is an image that this job has not built");
  json result = {{"image_id", at(seen.doc, "Id")}, {"reference", job.names.tag_job}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_build_image(Engine& engine, const JobView& job, Direction direction) {
  auto built = co_await build(engine, job);
  if (built.outcome != Outcome::done) co_return built;
  // Only what is really there under our tag and with our labels counts.
  const auto seen = co_await observe_build_image(engine, job, direction);
  if (seen.world != World::present)
    co_return Performed::failed(Outcome::transient, "image_not_seen",
                                "The image " + job.names.tag_job + " was built but is not there.",
                                {{"observed", seen.detail}});
  built.result.update(seen.result);
  co_return built;
}

awaitable<Observed> observe_import_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  // Without a record it is not known whether all of the file was loaded: loading it again changes nothing.
  if (!job.has_fact(effect::import_image)) co_return seen_as(World::absent);
  const auto seen = co_await see_image(engine, job.names.tag_job);
  if (seen.unclear()) co_return unclear(seen);
  if (seen.gone()) co_return seen_as(World::absent);
  if (text(at(seen.doc, "Id")) != job.new_image())
    co_return seen_as(World::foreign, job.names.tag_job + " is an image that this job has not loaded");
  co_return Observed{World::present, job.fact(effect::import_image), {}};
}

awaitable<Performed> perform_import_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto& change = std::get<schema::Args::ImageFile>(job.context.args.change);
  const auto file = find_image_file(engine.config.import_dirs, change.file);
  if (!file.file.is_open()) co_return file.refusal;
  const auto copy = job.keep_dir() / "image.tar";
  auto work = copy_on_disk_thread(file.file, copy, job.names.tag_job);
  const auto archive = co_await boost::asio::co_spawn(engine.reading, std::move(work), boost::asio::use_awaitable);
  const RemovedAtEnd copied(copy);
  json detail = {{"file", change.file}};
  if (!archive.disk_problem.empty())
    co_return Performed::failed(Outcome::transient, "copy_not_written",
                                "The image file cannot be copied: " + archive.disk_problem, detail);
  if (!archive.problem.empty())
    co_return Performed::failed(Outcome::permanent, "image_file_invalid",
                                "The image file " + change.file + " cannot be used: " + archive.problem + ".", detail);
  if (archive.sha256 != change.sha256) {
    detail.update({{"expected", change.sha256}, {"found", archive.sha256}});
    co_return Performed::failed(Outcome::permanent, "image_file_changed",
                                "The image file " + change.file + " is not the one that was approved.", detail);
  }
  auto id = "sha256:" + archive.config_sha256;
  const auto before = co_await see_image(engine, id);
  if (before.unclear()) co_return failure(before.reply, "look for the image " + id);
  const auto loaded = co_await load(engine, job, copy);
  if (loaded.outcome != Outcome::done) co_return loaded;
  const auto seen = co_await see_image(engine, job.names.tag_job);
  if (!seen.here()) co_return failure(seen.reply, "inspect the loaded image");
  // An engine that keeps images by their manifests has ids that the file cannot tell.
  const bool by_manifest = !at(seen.doc, "Descriptor").is_null();
  if (text(at(seen.doc, "Id")) != id && !by_manifest) {
    detail.update({{"expected", id}, {"found", at(seen.doc, "Id")}});
    co_return Performed::failed(Outcome::permanent, "image_moved",
                                job.names.tag_job + " is not the image that was loaded.", detail);
  }
  json result = {{"image_id", at(seen.doc, "Id")},
                 {"reference", job.names.tag_job},
                 {"sha256", archive.sha256},
                 {"was_there", before.here()}};
  co_return Performed::done(std::move(result));
}

awaitable<Observed> observe_resolve_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  if (!job.has_fact(effect::resolve_image)) co_return seen_as(World::absent);
  const auto seen = co_await see_image(engine, job.new_image());
  if (seen.unclear()) co_return unclear(seen);
  if (seen.gone()) co_return seen_as(World::absent);
  co_return Observed{World::present, job.fact(effect::resolve_image), {}};
}

awaitable<Performed> perform_resolve_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto reference = job.image_reference();
  auto seen = co_await see_image(engine, reference);
  if (seen.gone() && engine.config.pull) {
    const auto pulled = co_await pull(engine, job, reference);
    if (pulled.outcome != Outcome::done) co_return pulled;
    auto again = co_await see_image(engine, reference);
    seen = std::move(again);
  }
  if (seen.unclear()) co_return failure(seen.reply, "inspect the image " + reference);
  if (seen.gone())
    co_return Performed::failed(Outcome::permanent, "image_absent", "The image " + reference + " is not there.",
                                {{"images", {reference}}});
  json result = {{"image_id", at(seen.doc, "Id")}, {"reference", reference}};
  co_return Performed::done(std::move(result));
}

awaitable<Observed> observe_tag_current(Engine& engine, const JobView& job, Direction direction) {
  const auto seen = co_await see_image(engine, job.names.tag_current);
  if (seen.unclear()) co_return unclear(seen);
  const auto id = seen.here() ? text(at(seen.doc, "Id")) : std::string();
  const auto before = text(at(job.baseline(), "current_image_id"));
  if (direction == Direction::undo) {
    if (id == before || before.empty()) co_return seen_as(id == before ? World::present : World::absent);
    // An image that someone has removed meanwhile cannot be tagged again; then there is no tag.
    const auto earlier = co_await see_image(engine, before);
    if (earlier.unclear()) co_return unclear(earlier);
    co_return seen_as(earlier.gone() && id.empty() ? World::present : World::absent);
  }
  json result = {{"image_id", id}, {"tag", job.names.tag_current}};
  if (id == job.new_image()) co_return Observed{World::present, std::move(result), {}};
  // The tag is ours alone: whatever else it names is replaced.
  co_return seen_as(World::absent);
}

awaitable<Performed> perform_tag_current(Engine& engine, const JobView& job, Direction direction) {
  auto wanted = direction == Direction::forward ? job.new_image() : text(at(job.baseline(), "current_image_id"));
  if (direction == Direction::undo && !wanted.empty()) {
    const auto earlier = co_await see_image(engine, wanted);
    if (earlier.unclear()) co_return failure(earlier.reply, "inspect the image that was current before");
    if (earlier.gone()) wanted.clear();
  }
  if (!wanted.empty()) {
    auto out = co_await tag_image(engine, std::move(wanted), job.names.tag_current);
    co_return out;
  }
  std::string target = "/images/" + percent_encode_path(job.names.tag_current) + "?noprune=1";
  const auto reply = co_await erase(engine, std::move(target));
  if (!reply.succeeded() && !reply.is(404)) co_return failure(reply, "untag " + job.names.tag_current);
  co_return Performed::done();
}

}  // namespace rebottle::worker::docker
