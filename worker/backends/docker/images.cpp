// What is on disk is always a copy that was read from end to end: before an engine gets it, and before a file that an
// engine wrote gets its name. Not here: what a Dockerfile may say (dockerfile.cpp), what a build's stream says
// (build.cpp).
#include "worker/backends/docker/images.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/docker/job_view.hpp"
#include "worker/backends/docker/names.hpp"
#include "worker/backends/docker/text.hpp"
#include "worker/backends/files.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::int64_t spare_bytes = std::int64_t{64} << 20;

// "busybox:1": which registry's that is, Podman's builder and its API may decide differently.
std::vector<std::string> judge_references(const Engine& engine, const std::vector<std::string>& references) {
  std::vector<std::string> problems;
  if (!engine.dialect().needs_whole_references) return problems;
  for (const auto& reference : references) {
    const auto first = reference.substr(0, reference.find('/'));
    const bool whole =
        first.size() < reference.size() && (first == "localhost" || first.find_first_of(".:") != std::string::npos);
    if (!whole)
      problems.push_back("the image " + reference + ": write it with its registry, as docker.io/library/" + reference +
                         " or localhost/" + reference);
  }
  return problems;
}

awaitable<ImageArchive> copy_on_disk_thread(const ImageFile& from, std::filesystem::path to, std::string tag,
                                            std::string config_id) {
  co_return copy_archive(from, to, tag, config_id);
}

awaitable<ImageArchive> copied(Engine& engine, const ImageFile& from, std::filesystem::path to, std::string tag,
                               std::string config_id = {}) {
  auto work = copy_on_disk_thread(from, std::move(to), std::move(tag), std::move(config_id));
  auto out = co_await boost::asio::co_spawn(engine.reading, std::move(work), boost::asio::use_awaitable);
  co_return out;
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

// Whether the image has a name that is not this one.
bool is_known_otherwise(const json& image, const std::string& tag) {
  if (!at(image, "RepoDigests").empty()) return true;
  return std::ranges::any_of(at(image, "RepoTags"), [&](const json& other) { return text(other) != tag; });
}

Performed not_written(const std::filesystem::path& to, const std::string& error) {
  return Performed::failed(Outcome::transient, "export_not_written", "The image cannot be written: " + error,
                           {{"file", to.string()}, {"error", error}});
}

Performed judge_free(const json& image, const std::filesystem::path& to) {
  const auto directory = to.parent_path().string();
  const auto free = free_bytes(directory);
  if (!free) return Performed::done();  // the write will say why
  const json& size = at(image, "Size");
  // What comes from the engine, and the copy that is made of it.
  const auto needed = 2 * (size.is_number_integer() ? size.get<std::int64_t>() : 0) + spare_bytes;
  if (*free >= needed) return Performed::done();
  return Performed::failed(Outcome::permanent, "disk_space",
                           "Too little space in " + directory + " for the image: " + std::to_string(*free) +
                               " bytes free, " + std::to_string(needed) + " needed.",
                           {{"path", directory}, {"free_bytes", *free}, {"needed_bytes", needed}});
}

awaitable<Performed> fetch_missing(Engine& engine, std::vector<std::string> references, Print print) {
  const auto images = co_await judge_images(engine, std::move(references));
  if (images.failed) co_return failure(images.unclear.reply, "inspect the base images");
  for (const auto& reference : images.absent) {
    if (!engine.config.pull)
      co_return Performed::failed(Outcome::permanent, "image_absent", "The image " + reference + " is not there.",
                                  {{"images", images.absent}});
    const auto pulled = co_await pull(engine, reference, print);
    if (pulled.outcome != Outcome::done) co_return pulled;
  }
  co_return Performed::done();
}

}  // namespace

std::vector<std::string> onbuild_of(const Engine& engine, const json& image) {
  std::vector<std::string> out;
  for (const auto& line : at(image, "Config", "OnBuild")) out.push_back(text(line));
  return onbuild_problems(out, builder_of(engine.config));
}

Performed unsupported_change(const std::vector<std::string>& problems) {
  return Performed::failed(Outcome::unsupported, "change_unsupported", joined(problems) + ".",
                           {{"problems", problems}});
}

awaitable<BaseImages> judge_images(Engine& engine, std::vector<std::string> references) {
  BaseImages out;
  for (const auto& reference : references) {
    auto seen = co_await see_image(engine, reference);
    if (seen.here()) {
      std::ranges::move(onbuild_of(engine, seen.doc), std::back_inserter(out.problems));
      // Engines remove such a one together with the last image that was built from it.
      if (at(seen.doc, "RepoTags").empty() && at(seen.doc, "RepoDigests").empty())
        out.problems.push_back("the image " + reference +
                               " has no name and could be lost with what is built from it; " +
                               "give it one first (tag)");
    } else if (seen.gone() || seen.reply.is(400)) {  // 400: no valid reference
      out.absent.push_back(reference);
    } else {
      out.unclear = std::move(seen);
      out.failed = true;
      co_return out;
    }
  }
  co_return out;
}

awaitable<Performed> judge_needed(Engine& engine, std::vector<std::string> references, bool for_build) {
  const auto short_names = judge_references(engine, references);
  if (!short_names.empty()) co_return unsupported_change(short_names);
  const auto images = co_await judge_images(engine, std::move(references));
  if (images.failed) co_return failure(images.unclear.reply, "inspect the images that the change needs");
  if (for_build && !images.problems.empty()) co_return unsupported_change(images.problems);
  if (images.absent.empty() || engine.config.pull) co_return Performed::done();
  co_return Performed::failed(Outcome::permanent, "image_absent",
                              "Not on this engine, and pulling is off (pull = false): " + joined(images.absent) + ".",
                              {{"images", images.absent}});
}

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

awaitable<Observed> observe_built(Engine& engine, const JobContext& job, std::string tag) {
  const auto seen = co_await see_image(engine, tag);
  if (seen.unclear()) co_return unclear(seen);
  if (seen.gone()) co_return seen_as(World::absent);
  const json& labels = at(seen.doc, "Config", "Labels");
  if (!made_by(labels, job.job_key) || text(at(labels, label::change)) != job.args.change_sha256)
    co_return seen_as(World::foreign, tag + " is an image that this job has not built");
  json result = {{"image_id", at(seen.doc, "Id")}, {"reference", tag}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> build_for(Engine& engine, const JobContext& job, Build wanted, std::string owner) {
  const auto tag = wanted.tag;
  wanted.labels = labels_of(job, effect::build_image);
  wanted.labels[std::string(label::change)] = job.args.change_sha256;
  wanted.mark = build_mark(job, owner);
  wanted.timeout_s = job.args.limits.build_timeout_s.value_or(engine.config.build_timeout_s);
  const auto fetched = co_await fetch_missing(engine, wanted.dockerfile.images, job.print);
  if (fetched.outcome != Outcome::done) co_return fetched;
  auto built = co_await build(engine, std::move(wanted), job.print);
  if (built.outcome != Outcome::done) co_return built;
  // Only what is really there under our tag and with our labels counts.
  const auto seen = co_await observe_built(engine, job, tag);
  if (seen.world == World::present) co_return Performed::done(seen.result);
  co_return Performed::failed(Outcome::transient, "image_not_seen", "The image " + tag + " was built but is not there.",
                              {{"observed", seen.detail}});
}

awaitable<Performed> find_or_pull(Engine& engine, std::string reference, Print print) {
  auto seen = co_await see_image(engine, reference);
  if (seen.gone() && engine.config.pull) {
    const auto pulled = co_await pull(engine, reference, std::move(print));
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

awaitable<Performed> load_file(Engine& engine, FileToLoad wanted, Print print) {
  const auto archive = co_await copied(engine, wanted.file, wanted.copy, wanted.tag);
  const RemovedAtEnd copy(wanted.copy);
  json detail = {{"file", wanted.name}};
  if (!archive.disk_problem.empty())
    co_return Performed::failed(Outcome::transient, "copy_not_written",
                                "The image file cannot be copied: " + archive.disk_problem, detail);
  if (!archive.problem.empty())
    co_return Performed::failed(Outcome::permanent, "image_file_invalid",
                                "The image file " + wanted.name + " cannot be used: " + archive.problem + ".", detail);
  if (archive.sha256 != wanted.sha256) {
    detail.update({{"expected", wanted.sha256}, {"found", archive.sha256}});
    co_return Performed::failed(Outcome::permanent, "image_file_changed",
                                "The image file " + wanted.name + " is not the one that was approved.", detail);
  }
  auto id = "sha256:" + archive.config_sha256;
  const auto before = co_await see_image(engine, id);
  if (before.unclear()) co_return failure(before.reply, "look for the image " + id);
  const auto loaded = co_await load(engine, wanted.copy, std::move(print));
  if (loaded.outcome != Outcome::done) co_return loaded;
  const auto seen = co_await see_image(engine, wanted.tag);
  if (!seen.here()) co_return failure(seen.reply, "inspect the loaded image");
  // An engine that keeps images by their manifests has ids that the file cannot tell.
  const bool by_manifest = !at(seen.doc, "Descriptor").is_null();
  if (text(at(seen.doc, "Id")) != id && !by_manifest) {
    detail.update({{"expected", id}, {"found", at(seen.doc, "Id")}});
    co_return Performed::failed(Outcome::permanent, "image_moved", wanted.tag + " is not the image that was loaded.",
                                detail);
  }
  // A try before this one may have loaded it, too.
  const bool was_there = before.here() && is_known_otherwise(before.doc, wanted.tag);
  json result = {{"image_id", at(seen.doc, "Id")},
                 {"reference", wanted.tag},
                 {"sha256", archive.sha256},
                 {"was_there", was_there}};
  co_return Performed::done(std::move(result));
}

awaitable<Performed> export_image(Engine& engine, std::string image_id, std::string tag, std::filesystem::path to) {
  const auto seen = co_await see_image(engine, image_id);
  if (seen.unclear()) co_return failure(seen.reply, "inspect the image " + image_id);
  if (seen.gone())
    co_return Performed::failed(Outcome::permanent, "image_absent", "The image " + image_id + " is not there any more.",
                                {{"images", {image_id}}});
  const auto space = judge_free(seen.doc, to);
  if (space.outcome != Outcome::done) co_return space;
  ScratchFile scratch(to.parent_path());
  Sink sink = [&scratch](std::string_view piece) { return scratch.write(piece); };
  Call call;
  call.method = "GET";
  call.target = "/images/" + percent_encode_path(image_id) + "/get";
  call.deadline = std::chrono::seconds(engine.config.build_timeout_s);
  const auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
  if (!scratch.error().empty()) co_return not_written(to, scratch.error());
  if (!reply.succeeded()) co_return failure(reply, "export the image " + image_id);
  const ImageFile exported(scratch.take());
  // An engine that keeps images by their manifests has ids that an archive cannot tell.
  const auto config = at(seen.doc, "Descriptor").is_null() ? text(at(seen.doc, "Id")) : std::string();
  const auto archive = co_await copied(engine, exported, to, std::move(tag), config);
  if (!archive.disk_problem.empty()) co_return not_written(to, archive.disk_problem);
  // An engine that fails half-way says so inside of an answer that began as a success.
  if (!archive.problem.empty())
    co_return Performed::failed(Outcome::transient, "export_incomplete",
                                "What the engine wrote is not the image: " + archive.problem + ".",
                                {{"image_id", image_id}, {"problem", archive.problem}});
  std::error_code error;
  json result = {{"file", to.string()}, {"bytes", std::filesystem::file_size(to, error)}};
  co_return Performed::done(std::move(result));
}

}  // namespace rebottle::worker::docker
