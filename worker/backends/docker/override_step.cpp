// The approved Dockerfile in its place on the host, so that whoever provisions the bottle anew does not lose the
// change. A file that someone else wrote is never touched. Not here: how the file is replaced (override_file.cpp).
#include <cerrno>
#include <cstring>
#include <optional>

#include <unistd.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/docker/admission.hpp"
#include "worker/backends/docker/override_file.hpp"
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

namespace fs = std::filesystem;

json hash_or_null(const std::optional<std::string>& content) { return content ? json(sha256_hex(*content)) : json(); }

Performed unusable(const fs::path& path, const std::string& what) {
  return Performed::failed(Outcome::permanent, "override_unusable",
                           "The override Dockerfile " + path.string() + " cannot be written: " + what + ".",
                           {{"path", path.string()}});
}

// What an image change leaves to whoever provisions the bottle anew is its name.
std::string content_of(const JobView& job) {
  if (job.builds()) return job.dockerfile();
  return "FROM " + (job.imports() ? job.names.tag_current : job.image_reference()) + "\n";
}

// By whose name what the undone job has kept is found.
OverrideFile file_of_undone(const fs::path& path, const JobView& job) { return {path, job.context.undoes->job_key}; }

Performed recorded(const fs::path& path, json before, json wanted) {
  if (before == wanted) return Performed::done();  // as it is to be already
  return Performed::done(
      {{"path", path.string()}, {"before_sha256", std::move(before)}, {"wanted_sha256", std::move(wanted)}});
}

Performed judge_place(const fs::path& path, const Held& held) {
  if (::access(path.parent_path().c_str(), W_OK | X_OK) != 0)
    return unusable(path, "its directory cannot be written by the service (" + std::string(std::strerror(errno)) + ")");
  if (!held.error.empty()) return unusable(path, "it " + held.error);
  return Performed::done();
}

Performed judge_put_back(const JobView& job) {
  const json& undone = at(at(job.context.undoes->facts, effect::admit), "override");
  if (undone.is_null()) return Performed::done();
  const fs::path path = text(at(undone, "path"));
  const auto held = held_by(path);
  const auto place = judge_place(path, held);
  if (place.outcome != Outcome::done) return place;
  auto now = hash_or_null(held.content);
  if (now != at(undone, "wanted_sha256")) return Performed::done();  // someone else's by now
  const json& wanted = at(undone, "before_sha256");
  const auto kept = file_of_undone(path, job).kept();
  if (!wanted.is_null() && hash_or_null(held_by(kept).content) != wanted)
    return unusable(path, "what was there before the change is not in " + kept.string() +
                              " any more; put it there again, or remove " + path.string());
  return recorded(path, std::move(now), wanted);
}

struct Recorded {
  fs::path path;
  json before;
  json wanted;
  Held held;
  json now;
  [[nodiscard]] bool is_ours() const { return held.error.empty() && now == wanted; }
  [[nodiscard]] bool is_as_before() const { return held.error.empty() && now == before; }
};

Recorded look(const JobView& job) {
  const json& found = at(job.baseline(), "override");
  Recorded out = {text(at(found, "path")), at(found, "before_sha256"), at(found, "wanted_sha256"), {}, {}};
  out.held = held_by(out.path);
  out.now = hash_or_null(out.held.content);
  return out;
}

// All that the disk thread needs.
struct Change {
  OverrideFile file;
  Direction direction;
  bool replaced;
  bool was_there;
  std::optional<std::string> content;
};

awaitable<std::string> change_on_disk_thread(Change change) {
  if (change.direction == Direction::undo) co_return change.file.put_back(change.replaced, change.was_there);
  co_return change.file.replace(change.content);
}

}  // namespace

Performed judge_override(const Engine& engine, const JobView& job) {
  if (job.undoes()) return judge_put_back(job);
  if (engine.config.override_dockerfile.empty()) return Performed::done();
  const fs::path path = replaced(engine.config.override_dockerfile, "{bottle}", job.context.bottle);
  const auto held = held_by(path);
  const auto place = judge_place(path, held);
  if (place.outcome != Outcome::done) return place;
  return recorded(path, hash_or_null(held.content), sha256_hex(content_of(job)));
}

awaitable<Observed> observe_write_override(Engine& /*engine*/, const JobView& job, Direction direction) {
  const auto known = look(job);
  json result = {{"path", known.path.string()}, {"sha256", known.now}};
  const OverrideFile file(known.path, job.context.job_key);
  const bool is_ours = known.is_ours();
  if (direction == Direction::undo) {
    const bool traces = file.has_new() || (known.is_as_before() && file.has_kept());
    co_return Observed{is_ours || traces ? World::absent : World::present, std::move(result), {}};
  }
  if (!known.held.error.empty())
    co_return Observed{World::foreign, json::object(), known.path.string() + " " + known.held.error};
  if (is_ours) co_return Observed{World::present, std::move(result), {}};
  if (known.is_as_before()) co_return Observed{World::absent, json::object(), {}};
  co_return Observed{World::foreign, json::object(), known.path.string() + " was written by someone else meanwhile"};
}

awaitable<Performed> perform_write_override(Engine& engine, const JobView& job, Direction direction) {
  const auto known = look(job);
  const OverrideFile file(known.path, job.context.job_key);
  Change change = {file, direction, known.is_ours(), !known.before.is_null(), std::nullopt};
  if (!known.wanted.is_null())
    change.content = job.undoes() ? held_by(file_of_undone(known.path, job).kept()).content : content_of(job);
  std::string error;
  if (direction == Direction::forward && hash_or_null(change.content) != known.wanted) {
    error = "what was there before the change is not beside it any more";
  } else {
    auto work = change_on_disk_thread(std::move(change));
    error = co_await boost::asio::co_spawn(engine.disk, std::move(work), boost::asio::use_awaitable);
  }
  if (!error.empty())
    co_return Performed::failed(Outcome::transient, "override_not_written",
                                "The override Dockerfile cannot be put in its place: " + error,
                                {{"path", known.path.string()}, {"error", error}});
  json result = {{"path", known.path.string()}};
  if (file.has_kept()) result["before"] = file.kept().string();
  co_return Performed::done(std::move(result));
}

}  // namespace rebottle::worker::docker
