// The images of a job: the old one pinned, the new one built or found, the tag of the last success moved.
// Not here: how an image is made or found (images.cpp).
#include <utility>

#include "worker/backends/docker/build.hpp"
#include "worker/backends/docker/image_file.hpp"
#include "worker/backends/docker/images.hpp"
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
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
  auto out = co_await observe_built(engine, job.context, job.names.tag_job);
  co_return out;
}

awaitable<Performed> perform_build_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  Build wanted;
  wanted.dockerfile = prepare_dockerfile(job.dockerfile(), job.names.tag_previous, builder_of(engine.config));
  wanted.tag = job.names.tag_job;
  auto out = co_await build_for(engine, job.context, std::move(wanted));
  co_return out;
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
  auto found = find_image_file(engine.config.import_dirs, change.file);
  if (!found.file.is_open()) co_return found.refusal;
  FileToLoad wanted;
  wanted.file = std::move(found.file);
  wanted.name = change.file;
  wanted.sha256 = change.sha256;
  wanted.copy = job.keep_dir() / "image.tar";
  wanted.tag = job.names.tag_job;
  auto out = co_await load_file(engine, std::move(wanted), job.context.print);
  co_return out;
}

awaitable<Observed> observe_resolve_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  if (!job.has_fact(effect::resolve_image)) co_return seen_as(World::absent);
  const auto seen = co_await see_image(engine, job.new_image());
  if (seen.unclear()) co_return unclear(seen);
  if (seen.gone()) co_return seen_as(World::absent);
  co_return Observed{World::present, job.fact(effect::resolve_image), {}};
}

awaitable<Performed> perform_resolve_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  auto out = co_await find_or_pull(engine, job.image_reference(), job.context.print);
  co_return out;
}

namespace {

bool goes_back(const JobView& job, Direction direction) { return direction == Direction::undo || job.undoes(); }

// The image that the tag names after the effect, or after it is taken back; empty: no tag.
std::string current_after(const JobView& job, Direction direction) {
  if (direction == Direction::undo) return text(at(job.baseline(), "current_image_id"));
  return job.undoes() ? text(at(job.model(), "current_image_id")) : job.new_image();
}

}  // namespace

awaitable<Observed> observe_tag_current(Engine& engine, const JobView& job, Direction direction) {
  const auto seen = co_await see_image(engine, job.names.tag_current);
  if (seen.unclear()) co_return unclear(seen);
  const auto id = seen.here() ? text(at(seen.doc, "Id")) : std::string();
  json result = {{"image_id", id}, {"tag", job.names.tag_current}};
  const auto wanted = current_after(job, direction);
  if (id == wanted) co_return Observed{World::present, std::move(result), {}};
  if (goes_back(job, direction) && !wanted.empty() && id.empty()) {
    // An image that someone has removed meanwhile cannot be tagged again; then there is no tag.
    const auto earlier = co_await see_image(engine, wanted);
    if (earlier.unclear()) co_return unclear(earlier);
    if (earlier.gone()) co_return Observed{World::present, std::move(result), {}};
  }
  // The tag is ours alone: whatever else it names is replaced.
  co_return seen_as(World::absent);
}

awaitable<Performed> perform_tag_current(Engine& engine, const JobView& job, Direction direction) {
  auto wanted = current_after(job, direction);
  if (goes_back(job, direction) && !wanted.empty()) {
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
