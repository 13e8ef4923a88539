// Keeps the snapshot's paths: read from the stopped old container into files, put into the changed one before its
// first start. What the archives hold stays opaque but for names; they are never sent compressed, and never to a
// container that has run.
// Not here: which paths (admission.cpp).
#include <filesystem>
#include <memory>
#include <set>

#include "worker/backends/docker/archive.hpp"
#include "worker/backends/docker/files.hpp"
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"
#include "worker/backends/docker/tree_picker.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::size_t header_bytes_max = 16384;

std::filesystem::path manifest_file(const JobView& job) { return job.keep_dir() / "saved.json"; }

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// "/a/b/c" → "/a", "/a/b".
std::vector<std::string> ancestors_of(const std::string& path) {
  std::vector<std::string> out;
  for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    out.push_back(path.substr(0, slash));
  return out;
}

// What was saved, if all of it is still there: an empty value otherwise.
json read_manifest(const JobView& job) {
  auto manifest = json::parse(read_file(manifest_file(job)), nullptr, false);
  if (!manifest.is_object() || text(at(manifest, "container_id")) != job.old_id()) return nullptr;
  for (const auto& item : at(manifest, "saved")) {
    std::error_code error;
    const auto size = std::filesystem::file_size(job.keep_dir() / text(at(item, "file")), error);
    if (error || at(item, "bytes") != size) return nullptr;
  }
  return manifest;
}

Performed too_large(const std::string& path, std::int64_t bytes_left) {
  return Performed::failed(Outcome::permanent, "snapshot_too_large",
                           "The snapshot's paths hold more than the allowed bytes; the limit was met in " + path + ".",
                           {{"path", path}, {"bytes_left", bytes_left}});
}

Performed not_written(const std::string& path, const std::string& error) {
  return Performed::failed(Outcome::transient, "snapshot_not_written", "The snapshot cannot be written: " + error,
                           {{"path", path}, {"error", error}});
}

Performed not_keepable(const std::string& problem) {
  return Performed::failed(Outcome::permanent, "snapshot_path_unsupported",
                           "The snapshot cannot be kept: " + shortened(clean_text(problem), 500) + ".",
                           {{"problems", {shortened(clean_text(problem), 500)}}});
}

// The engine says how its reading ended only by the archive's end.
Performed cut_off(const std::string& path) {
  return Performed::failed(Outcome::transient, "engine_answer_lost",
                           "The engine did not read " + path + " to its end from the stopped container.",
                           {{"path", path}});
}

const std::string& end_of_archive() {
  static const std::string blocks(1024, '\0');
  return blocks;
}

// One archive into one file, within what is left of the cap. Its names are those from the root on, so that it can be
// put back at the root: engines refuse links that lead out of the place where an archive is put.
// Result: {bytes} or {missing: true}.
awaitable<Performed> save_path(Engine& engine, const JobView& job, std::string path, std::string file,
                               std::int64_t bytes_left) {
  FileWriter writer(job.keep_dir() / file);
  bool over = false;
  const auto keep = [&](std::size_t /*index*/, std::string_view bytes) {
    over = writer.bytes() + static_cast<std::int64_t>(bytes.size()) > bytes_left;
    return !over && writer.write(bytes);
  };
  TreePicker picker(
      {path}, keep, [](std::string_view) {}, parent_of(path));
  Sink sink = [&picker](std::string_view piece) { return picker.feed(piece); };
  Call call;
  call.method = "GET";
  call.target = archive_target(job.old_id(), path);
  call.idle = std::chrono::seconds(engine.config.call_timeout_s);
  call.deadline = 10 * call.idle;
  const auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
  if (reply.is(404)) {
    // What is missing is not kept, so the engine must say it twice.
    Call again;
    again.method = "HEAD";
    again.target = archive_target(job.old_id(), path);
    const auto second = co_await engine.client.call(std::move(again));
    if (!second.is(404)) co_return failure(second.succeeded() ? reply : second, "look for " + path);
    json missing = {{"missing", true}};
    co_return Performed::done(std::move(missing));
  }
  if (over) co_return too_large(path, bytes_left);
  if (!picker.problem().empty()) co_return not_keepable(picker.problem());
  auto error = writer.error();
  if (error.empty() && !reply.succeeded()) co_return failure(reply, "read " + path + " from the stopped container");
  if (error.empty() && !picker.complete()) co_return cut_off(path);
  if (error.empty() && writer.write(end_of_archive())) {
    auto seal_error = co_await seal_file(engine, writer);
    error = std::move(seal_error);
  }
  if (error.empty()) error = writer.error();
  if (!error.empty()) co_return not_written(path, error);
  json result = {{"bytes", writer.bytes()}};
  co_return Performed::done(std::move(result));
}

// How a directory or link above a kept path looked; null if the header tells no such thing.
json directory_json(const std::string& path, std::string_view header) {
  const auto entry = first_entry(header);
  if (!entry || entry->kind == ArchiveEntry::Kind::file) return nullptr;
  const bool link = entry->kind == ArchiveEntry::Kind::symlink;
  return {{"path", path},          {"link", link ? clean_text(entry->content) : std::string()},
          {"mode", entry->mode},   {"user", entry->user},
          {"group", entry->group}, {"modified_s", entry->modified_s}};
}

// How a directory above a kept path looks, from the first header of its archive.
awaitable<Performed> look_at_directory(Engine& engine, std::string id, std::string path) {
  std::string bytes;
  Sink sink = [&bytes](std::string_view piece) {
    bytes += piece.substr(0, header_bytes_max - bytes.size());
    return bytes.size() < header_bytes_max;
  };
  Call call;
  call.method = "GET";
  call.target = archive_target(id, path);
  const auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
  if (!reply.succeeded() && reply.reach != Reach::stopped) co_return failure(reply, "look at the directory " + path);
  auto directory = directory_json(path, bytes);
  if (directory.is_null()) co_return cut_off(path);
  co_return Performed::done(std::move(directory));
}

// Of what was saved: all that is above it is there.
awaitable<Performed> look_at_parents(Engine& engine, const JobView& job, json saved) {
  std::set<std::string> places;
  for (const auto& item : saved)
    for (auto& place : ancestors_of(text(at(item, "path")))) places.insert(std::move(place));
  json out = json::array();
  for (const auto& place : places) {
    auto directory = co_await look_at_directory(engine, job.old_id(), place);
    if (directory.outcome != Outcome::done) co_return directory;
    out.push_back(std::move(directory.result));
  }
  co_return Performed::done(std::move(out));
}

std::vector<std::string> kept_paths(const JobView& job) {
  std::vector<std::string> out;
  for (const auto& path : at(job.baseline(), "paths")) out.push_back(text(path));
  return out;
}

// All paths in one pass over the stream of the whole root, for engines whose archives of a path do not tell who owns a
// file. Result: {saved, missing, parents}.
awaitable<Performed> save_from_root(Engine& engine, const JobView& job, std::vector<std::string> paths,
                                    std::int64_t bytes_max) {
  std::vector<std::unique_ptr<FileWriter>> writers(paths.size());
  json parents = json::array();
  std::int64_t left = bytes_max;
  std::size_t last = 0;
  const auto keep = [&](std::size_t index, std::string_view bytes) {
    auto& writer = writers[index];
    last = index;
    if (!writer) writer = std::make_unique<FileWriter>(job.keep_dir() / (std::to_string(index) + ".tar"));
    left -= static_cast<std::int64_t>(bytes.size());
    return left >= 0 && writer->write(bytes);
  };
  const auto above = [&parents](std::string_view header) {
    const auto entry = first_entry(header);
    auto directory = entry ? directory_json("/" + entry->path, header) : json();
    if (!directory.is_null()) parents.push_back(std::move(directory));
  };
  TreePicker picker(paths, keep, above);
  Sink sink = [&picker](std::string_view piece) { return picker.feed(piece); };
  Call call;
  call.method = "GET";
  call.target = "/containers/" + percent_encode(job.old_id()) + "/export";
  call.idle = std::chrono::seconds(engine.config.call_timeout_s);
  call.deadline = std::chrono::seconds(engine.config.build_timeout_s);
  const auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
  if (left < 0) co_return too_large(paths[last], bytes_max);
  if (!picker.problem().empty()) co_return not_keepable(picker.problem());
  json saved = json::array();
  json missing = json::array();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (!writers[i]) {
      missing.push_back(paths[i]);
      continue;
    }
    auto& writer = *writers[i];
    auto error = writer.error();
    if (error.empty() && !reply.succeeded()) break;
    if (error.empty() && !picker.complete()) co_return cut_off(paths[i]);
    if (error.empty() && writer.write(end_of_archive())) {
      auto seal_error = co_await seal_file(engine, writer);
      error = std::move(seal_error);
    }
    if (error.empty()) error = writer.error();
    if (!error.empty()) co_return not_written(paths[i], error);
    saved.push_back({{"path", paths[i]}, {"file", std::to_string(i) + ".tar"}, {"bytes", writer.bytes()}});
  }
  if (!reply.succeeded()) co_return failure(reply, "read the stopped container's files");
  json result = {{"saved", std::move(saved)}, {"missing", std::move(missing)}, {"parents", std::move(parents)}};
  co_return Performed::done(std::move(result));
}

// Path by path. Result: as above.
awaitable<Performed> save_by_path(Engine& engine, const JobView& job, std::vector<std::string> paths,
                                  std::int64_t bytes_max) {
  auto left = bytes_max;
  json saved = json::array();
  json missing = json::array();
  for (const auto& path : paths) {
    const std::string file = std::to_string(saved.size()) + ".tar";
    const auto one = co_await save_path(engine, job, path, file, left);
    if (one.outcome != Outcome::done) co_return one;
    if (one.result.contains("missing")) {
      missing.push_back(path);
      continue;
    }
    const auto bytes = at(one.result, "bytes").get<std::int64_t>();
    left -= bytes;
    saved.push_back({{"path", path}, {"file", file}, {"bytes", bytes}});
  }
  auto parents = co_await look_at_parents(engine, job, saved);
  if (parents.outcome != Outcome::done) co_return parents;
  json result = {{"saved", std::move(saved)}, {"missing", std::move(missing)}, {"parents", std::move(parents.result)}};
  co_return Performed::done(std::move(result));
}

ArchiveEntry directory_entry(const json& known, const std::string& path) {
  ArchiveEntry entry;
  entry.path = path.substr(1);
  entry.kind = ArchiveEntry::Kind::directory;
  entry.mode = 0755;
  if (known.is_null()) return entry;
  entry.content = text(at(known, "link"));
  if (!entry.content.empty()) entry.kind = ArchiveEntry::Kind::symlink;
  entry.mode = at(known, "mode").get<unsigned>();
  entry.user = at(known, "user").get<std::int64_t>();
  entry.group = at(known, "group").get<std::int64_t>();
  entry.modified_s = at(known, "modified_s").get<std::int64_t>();
  return entry;
}

const json& known_directory(const json& manifest, const std::string& path) {
  static const json null;
  for (const auto& directory : at(manifest, "parents"))
    if (text(at(directory, "path")) == path) return directory;
  return null;
}

// Makes the directories above `path` that the changed image lacks, as they were in the old container.
awaitable<Performed> make_parents(Engine& engine, const JobView& job, json manifest, std::string path) {
  std::vector<ArchiveEntry> entries;
  for (const auto& place : ancestors_of(path)) {
    Call look;
    look.method = "HEAD";
    look.target = archive_target(job.new_id(), place);
    const auto reply = co_await engine.client.call(std::move(look));
    if (reply.succeeded()) continue;
    if (!reply.is(404)) co_return failure(reply, "look for " + place + " in the changed container");
    entries.push_back(directory_entry(known_directory(manifest, place), place));
  }
  if (entries.empty()) co_return Performed::done();
  Call call;
  call.method = "PUT";
  call.target = archive_target(job.new_id(), "/");
  call.content_type = "application/x-tar";
  call.body = make_archive(entries);
  const auto reply = co_await engine.client.call(std::move(call));
  if (!reply.succeeded()) co_return failure(reply, "make the directories above " + path);
  co_return Performed::done();
}

awaitable<Performed> restore_path(Engine& engine, const JobView& job, json manifest, json saved) {
  const auto path = text(at(saved, "path"));
  const auto ready = co_await make_parents(engine, job, std::move(manifest), path);
  if (ready.outcome != Outcome::done) co_return ready;
  Call call;
  call.method = "PUT";
  call.target = archive_target(job.new_id(), "/");
  call.content_type = "application/x-tar";
  call.body_file = job.keep_dir() / text(at(saved, "file"));
  call.deadline = std::chrono::seconds(10 * engine.config.call_timeout_s);
  const auto reply = co_await engine.client.call(std::move(call));
  if (!reply.succeeded()) {
    auto out = failure(reply, "put " + path + " into the changed container");
    // What the engine says (500) of a link that it takes for an escape; it would say so again.
    const auto said = reply.message();
    if (said.find("invalid symlink") != std::string::npos || said.find("invalid hardlink") != std::string::npos)
      out.outcome = Outcome::permanent;
    if (out.outcome == Outcome::permanent) out.reason_code = "restore_failed";
    co_return out;
  }
  // The engine says that it has done this by saying nothing; and the path must be there.
  Call look;
  look.method = "HEAD";
  look.target = archive_target(job.new_id(), path);
  const auto there = co_await engine.client.call(std::move(look));
  if (there.succeeded() && reply.body.empty()) co_return Performed::done();
  if (!there.succeeded() && !there.is(404)) co_return failure(there, "look for " + path + " in the changed container");
  co_return Performed::failed(Outcome::transient, "not_restored", "The engine did not put " + path + " into place.",
                              {{"path", path}, {"answer", reply.message()}});
}

}  // namespace

awaitable<Observed> observe_save_paths(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  auto manifest = read_manifest(job);
  if (manifest.is_null()) co_return seen_as(World::absent);
  json result = {{"saved", at(manifest, "saved")}, {"missing", at(manifest, "missing")}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_save_paths(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto old = co_await see_container(engine, job.old_id());
  if (!old.here()) co_return failure(old.reply, "inspect the old container");
  // A running agent could swap a path under the engine's hands.
  if (at(old.doc, "State", "Running") == true)
    co_return Performed::failed(Outcome::transient, "still_running", "The old container runs again.",
                                {{"container_id", job.old_id()}});
  const auto bytes_max = job.context.args.snapshot.max_bytes.value_or(engine.config.snapshot_max_bytes);
  const auto paths = kept_paths(job);
  const auto save = engine.dialect().archives_keep_owners ? save_by_path : save_from_root;
  auto out = co_await save(engine, job, paths, bytes_max);
  if (out.outcome != Outcome::done) co_return out;
  json manifest = out.result;
  manifest["container_id"] = job.old_id();
  out.result.erase("parents");
  const auto error = co_await write_file(engine, manifest_file(job), manifest.dump());
  if (!error.empty()) co_return not_written(manifest_file(job).string(), error);
  co_return out;
}

awaitable<Observed> observe_restore_paths(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto own = co_await see_new(engine, job);
  if (own.seen.unclear()) co_return unclear(own.seen);
  if (!own.seen.here()) co_return seen_as(World::foreign, own.wrong.message);
  // What was put in cannot be told from what the image holds. We start nothing before it was put in.
  if (job.has_fact(effect::restore_paths)) co_return seen_as(World::present);
  if (has_been_started(own.seen.doc))
    co_return seen_as(World::foreign, "the changed container was started by someone else");
  co_return seen_as(World::absent);
}

awaitable<Performed> perform_restore_paths(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto own = co_await see_new(engine, job);
  if (!own.seen.here()) co_return own.wrong;
  if (has_been_started(own.seen.doc))
    co_return Performed::failed(Outcome::permanent, "already_started",
                                "The changed container has run already; nothing is put into it any more.",
                                {{"container_id", job.new_id()}});
  const auto manifest = read_manifest(job);
  if (manifest.is_null())
    co_return Performed::failed(Outcome::permanent, "snapshot_gone", "The saved paths are not there any more.",
                                {{"path", job.keep_dir().string()}});
  json restored = json::array();
  for (const auto& saved : at(manifest, "saved")) {
    const auto one = co_await restore_path(engine, job, manifest, saved);
    if (one.outcome != Outcome::done) co_return one;
    restored.push_back(at(saved, "path"));
  }
  json result = {{"restored", std::move(restored)}};
  co_return Performed::done(std::move(result));
}

}  // namespace rebottle::worker::docker
