// Leftovers. A container goes only by its recorded id and its parked name, or by the labels that this job gave it; an
// image loses only tags of ours; an image that is not ours and would vanish with its last tag keeps it.
#include "worker/backends/docker/leftovers.hpp"

#include <algorithm>
#include <filesystem>

#include "worker/backends/docker/build.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::string_view kind_parked = "parked_container";
constexpr std::string_view kind_created = "created_container";
constexpr std::string_view kind_files = "snapshot_files";

schema::Leftover leftover(const Engine& engine, std::string_view kind, const json& reference) {
  schema::Leftover out;
  out.backend = engine.name;
  out.kind = kind;
  out.reference = reference.dump();
  return out;
}

Performed not_ours(std::string message, json detail) {
  return Performed::failed(Outcome::permanent, "not_ours", std::move(message), std::move(detail));
}

enum class AnonymousVolumes : bool { stay, go };

awaitable<Performed> remove_container(Engine& engine, json container, AnonymousVolumes volumes) {
  const auto id = text(at(container, "Id"));
  const auto name = container_name(container);
  if (at(container, "State", "Running") == true)
    co_return Performed::failed(Outcome::transient, "running", "The container " + name + " runs; it is not removed.",
                                {{"container", name}, {"container_id", id}});
  // Podman would take those, too, that were anonymous once and are mounted by name now.
  const bool with_volumes = volumes == AnonymousVolumes::go && engine.dialect().kind == EngineKind::docker;
  auto target = "/containers/" + percent_encode(id) + "?force=0&v=" + (with_volumes ? "1" : "0");
  const auto reply = co_await erase(engine, std::move(target));
  const auto again = co_await see_container(engine, id);
  if (again.gone()) co_return Performed::done();
  co_return failure(reply.succeeded() ? again.reply : reply, "remove the container " + name);
}

awaitable<Performed> remove_parked(Engine& engine, json reference) {
  const auto seen = co_await see_container(engine, text(at(reference, "container_id")));
  if (seen.gone()) co_return Performed::done();
  if (!seen.here()) co_return failure(seen.reply, "inspect the parked container");
  const auto name = container_name(seen.doc);
  if (name != text(at(reference, "name")))
    co_return not_ours("The old container is called " + name + ", not as it was parked; it stays.",
                       {{"container", name}, {"parked_as", at(reference, "name")}});
  // Its volumes have gone over to the new container.
  auto out = co_await remove_container(engine, seen.doc, AnonymousVolumes::stay);
  co_return out;
}

awaitable<Performed> remove_created(Engine& engine, json reference) {
  // By its label: someone may have renamed it. After a settlement by hand it may be what a person wants to keep.
  const auto job_key = text(at(reference, "job"));
  const auto recorded = text(at(reference, "container_id"));
  std::string label = std::string(label::job) + "=" + job_key;
  const auto listed = co_await list_containers(engine, std::move(label));
  if (!listed.here()) co_return failure(listed.reply, "list the containers of the job");
  for (const auto& item : listed.doc) {
    const auto seen = co_await see_container(engine, text(at(item, "Id")));
    if (seen.gone()) continue;
    if (!seen.here()) co_return failure(seen.reply, "inspect a container of the job");
    // What a person made from the job's image has the job's label, too: only the step tells the container itself, and
    // once it was recorded, its id.
    const json& labels = at(seen.doc, "Config", "Labels");
    const bool ours = made_by(labels, job_key) && text(at(labels, label::step)) == text(at(reference, "step")) &&
                      (recorded.empty() || recorded == text(at(seen.doc, "Id")));
    const bool put_aside = container_name(seen.doc) == text(at(reference, "name"));
    if (!ours || (at(reference, "settled") == true && !put_aside)) continue;
    // Those of the old container are mounted by name; what is anonymous is what its own image asked for.
    auto out = co_await remove_container(engine, seen.doc, AnonymousVolumes::go);
    if (out.outcome != Outcome::done) co_return out;
  }
  co_return Performed::done();
}

// Images of the job that have lost their tag to a repeated build.
awaitable<Performed> remove_dangling(Engine& engine, std::string job_key) {
  const json filters = {{"label", json::array({std::string(label::job) + "=" + job_key})},
                        {"dangling", json::array({"true"})}};
  std::string list = "/images/json?filters=" + percent_encode(filters.dump());
  const auto listed = co_await see(engine, std::move(list));
  if (!listed.here()) co_return failure(listed.reply, "list the images of the job");
  for (const auto& image : listed.doc) {
    const auto id = text(at(image, "Id"));
    std::string target = "/images/" + percent_encode_path(id);
    const auto reply = co_await erase(engine, std::move(target));
    // In use, or the parent of another image: then it is no leftover.
    if (!reply.succeeded() && !reply.is(404) && !reply.is(409)) co_return failure(reply, "remove the image " + id);
  }
  co_return Performed::done();
}

// What the classic builder left on its way to the job's image: of stages that are not in it, and of a failed build.
awaitable<Performed> remove_build_cache(Engine& engine, json reference) {
  const auto mark = text(at(reference, "mark"));
  if (engine.builds_under_way.contains(mark))
    co_return Performed::failed(Outcome::transient, "in_use", "Another job builds the same; its images stay for now.");
  const json filters = {{"label", json::array({std::string(label::build) + "=" + mark})},
                        {"dangling", json::array({"true"})}};
  std::string list = "/images/json?filters=" + percent_encode(filters.dump());
  const auto listed = co_await see(engine, std::move(list));
  if (!listed.here()) co_return failure(listed.reply, "list the images of the build");
  for (const auto& image : listed.doc) {
    // What was made from a job's image has its mark, too, and the job's label: that is not ours.
    if (!text(at(image, "Labels", label::job)).empty()) continue;
    const auto id = text(at(image, "Id"));
    std::string target = "/images/" + percent_encode_path(id);
    const auto reply = co_await erase(engine, std::move(target));
    if (!reply.succeeded() && !reply.is(404) && !reply.is(409)) co_return failure(reply, "remove the image " + id);
  }
  co_return Performed::done();
}

awaitable<Performed> remove_tag(Engine& engine, json reference) {
  const auto tag = text(at(reference, "tag"));
  const auto seen = co_await see_tag(engine, tag);
  if (seen.unclear()) co_return failure(seen.reply, "inspect the image " + tag);
  if (seen.here()) {
    // An image file carries no label of ours; whether it brought the image was seen when it was loaded.
    const bool ours =
        at(seen.doc, "Config", "Labels").contains(std::string(label::job)) || at(reference, "loaded") == true;
    if (!ours && at(seen.doc, "RepoTags").size() <= 1 && at(seen.doc, "RepoDigests").empty()) {
      json kept = {{"kept", tag}, {"why", "the last name of an image that is not ours"}};
      co_return Performed::done(std::move(kept));
    }
    std::string target = "/images/" + percent_encode_path(tag) + (ours ? "?noprune=0" : "?noprune=1");
    const auto reply = co_await erase(engine, std::move(target));
    const auto again = co_await see_tag(engine, tag);
    // What a person settled may run on: then this is the name of its image, and no leftover.
    if (again.here() && reply.is(409) && at(reference, "settled") == true) {
      json kept = {{"kept", tag}, {"why", "a container that was kept uses the image"}};
      co_return Performed::done(std::move(kept));
    }
    if (!again.gone()) co_return failure(reply.succeeded() ? again.reply : reply, "untag " + tag);
  }
  const auto job_key = text(at(reference, "job"));
  if (job_key.empty()) co_return Performed::done();
  auto out = co_await remove_dangling(engine, job_key);
  co_return out;
}

Performed remove_files(const Engine& engine, const json& reference) {
  const auto name = text(at(reference, "directory"));
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    return not_ours("\"" + name + "\" is no directory of a job.", reference);
  std::error_code error;
  std::filesystem::remove_all(engine.config.snapshot_dir / name, error);
  if (!error) return Performed::done();
  return Performed::failed(Outcome::transient, "not_removed",
                           "The snapshot's files cannot be removed: " + error.message(), reference);
}

}  // namespace

std::vector<schema::Leftover> leftovers_of(const Engine& engine, const JobView& job, State end) {
  std::vector<schema::Leftover> out;
  const auto add = [&](std::string_view kind, const json& reference) {
    out.push_back(leftover(engine, kind, reference));
  };
  // What a change replaced is kept for a while; what an undo replaced is not.
  const auto keep_ms = job.undoes() ? 0 : std::int64_t{1000} * engine.config.keep_old_s;
  const auto add_kept = [&](std::string_view kind, const json& reference, bool way_back) {
    add(kind, reference);
    out.back().not_before = keep_ms;
    out.back().way_back = way_back && keep_ms > 0;
  };
  if (!job.has_fact(effect::admit)) return out;  // nothing was made before the admission
  auto members = job.members();
  std::ranges::reverse(members);  // those that live in another's namespaces before their owner
  // Containers first: an image that one of them uses cannot go.
  for (const auto& member : members) {
    const auto view = job.of(member);
    if (end == State::succeeded)
      add_kept(kind_parked, {{"container_id", view.old_id()}, {"name", view.names.parked}}, true);
    else if (!job.undoes())
      add(kind_created, {{"name", view.names.created},
                         {"job", job.context.job_key},
                         {"step", effect_name(effect::create_new, view.member)},
                         {"container_id", view.new_id()},
                         {"settled", end == State::resolved}});
  }
  if (end == State::succeeded) {
    for (const auto& tag : at(job.baseline(), "earlier_tags")) add_kept(kind_tag, {{"tag", tag}}, false);
  } else if (job.builds() || job.imports()) {
    json tag = {{"tag", job.names.tag_job}};
    if (job.builds()) tag["job"] = job.context.job_key;
    if (job.imports()) tag["loaded"] = at(job.fact(effect::import_image), "was_there") == false;
    if (end == State::resolved) tag["settled"] = true;
    add(kind_tag, tag);
  }
  if (job.builds() && builder_of(engine.config) == Builder::classic)
    add(kind_build_cache, {{"mark", build_mark(job.context)}});
  for (const auto& member : members) {
    const auto view = job.of(member);
    if (end == State::succeeded)
      add_kept(kind_tag, {{"tag", view.names.tag_previous}}, false);
    else
      add(kind_tag, {{"tag", view.names.tag_previous}});
  }
  // The undone job's leftovers are withdrawn, since what was parked is in use again; these of them go all the same.
  if (end == State::succeeded && job.undoes()) {
    const auto context = job.undone();
    const JobView undone(engine.config, context);
    for (const auto& member : undone.members()) add(kind_tag, {{"tag", undone.of(member).names.tag_previous}});
    if (undone.builds() && builder_of(engine.config) == Builder::classic)
      add(kind_build_cache, {{"mark", build_mark(context)}});
    add(kind_files, {{"directory", context.job_key}});
  }
  // After a settlement by hand the kept files may be the only copy of what the agent had: a person removes them.
  if (end != State::resolved) add(kind_files, {{"directory", job.context.job_key}});
  return out;
}

awaitable<Performed> remove_leftover(Engine& engine, schema::Leftover leftover) {
  auto reference = json::parse(leftover.reference, nullptr, false);
  if (leftover.kind == kind_files) co_return remove_files(engine, reference);
  if (leftover.kind == kind_parked) {
    auto out = co_await remove_parked(engine, std::move(reference));
    co_return out;
  }
  if (leftover.kind == kind_created) {
    auto out = co_await remove_created(engine, std::move(reference));
    co_return out;
  }
  if (leftover.kind == kind_build_cache) {
    auto out = co_await remove_build_cache(engine, std::move(reference));
    co_return out;
  }
  if (leftover.kind == kind_tag) {
    auto out = co_await remove_tag(engine, std::move(reference));
    co_return out;
  }
  co_return not_ours("Leftovers of the kind " + leftover.kind + " are unknown to this backend.",
                     {{"kind", leftover.kind}});
}

}  // namespace rebottle::worker::docker
