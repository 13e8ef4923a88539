// The approved Dockerfile in its place on the host, so that whoever provisions the bottle anew does not lose the change.
// The file that was there before is kept beside it, under the job's name. Not here: what the Dockerfile says.
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/docker/admission.hpp"
#include "worker/backends/docker/files.hpp"
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

namespace fs = std::filesystem;

// What a file holds: its hash, or nothing where there is none. A link, or what cannot be read, is an error.
struct Held {
  std::optional<std::string> sha256;
  std::string error;
};

Held held_by(const fs::path& path) {
  Held out;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) {
    if (errno != ENOENT) out.error = errno == ELOOP ? "is a link" : std::strerror(errno);
    return out;
  }
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) out.error = "is no regular file";
  ::close(descriptor);
  if (out.error.empty()) out.sha256 = sha256_hex(read_file(path));
  return out;
}

json hash_or_null(const std::optional<std::string>& hash) { return hash ? json(*hash) : json(); }

// What is to be in the file after success; empty: nothing is known that could be written.
std::string content_of(const JobView& job) {
  if (job.builds()) return job.dockerfile();
  if (job.resolves()) return "FROM " + job.image_reference() + "\n";
  if (job.imports()) return "FROM " + job.names.tag_current + "\n";
  return {};
}

std::string kept_name(const fs::path& path, std::string_view job_key) {
  return path.string() + ".before-" + std::string(job_key);
}

bool sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  ::close(descriptor);
  return synced;
}

std::string failed(std::string_view doing, const fs::path& path) {
  return std::string(doing) + " " + path.string() + ": " + std::strerror(errno);
}

// A new file with this content and the old one's mode and owner.
std::string write_beside(const fs::path& path, const fs::path& temporary, const std::string& content) {
  struct stat facts {};
  const bool known = ::lstat(path.c_str(), &facts) == 0;
  ::unlink(temporary.c_str());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor < 0) return failed("make", temporary);
  std::string error;
  if (known && (::fchown(descriptor, facts.st_uid, facts.st_gid) != 0 || ::fchmod(descriptor, facts.st_mode & 07777U) != 0))
    error = failed("give the owner and mode to", temporary);
  for (std::string_view rest = content; error.empty() && !rest.empty();) {
    const auto written = ::write(descriptor, rest.data(), rest.size());
    if (written < 0) error = failed("write", temporary);
    else rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (error.empty() && ::fsync(descriptor) != 0) error = failed("sync", temporary);
  ::close(descriptor);
  return error;
}

// One replacement: `path` gets `content`, or what `from` holds, or is gone; what was there is kept as `keep`.
struct Replacement {
  fs::path path;
  std::optional<std::string> content;
  fs::path from;  // where `content` is empty: renamed to `path`; empty: the file goes
  fs::path keep;  // empty: what is there now is not kept
};

std::string replace(const Replacement& wanted) {
  if (!wanted.keep.empty() && ::link(wanted.path.c_str(), wanted.keep.c_str()) != 0 && errno != EEXIST && errno != ENOENT)
    return failed("keep", wanted.path);
  if (wanted.content) {
    const fs::path temporary = wanted.path.string() + ".rebottle-new";
    if (auto error = write_beside(wanted.path, temporary, *wanted.content); !error.empty()) {
      ::unlink(temporary.c_str());
      return error;
    }
    if (::rename(temporary.c_str(), wanted.path.c_str()) != 0) return failed("rename", temporary);
  } else if (!wanted.from.empty()) {
    if (::rename(wanted.from.c_str(), wanted.path.c_str()) != 0) return failed("put back", wanted.from);
  } else if (::unlink(wanted.path.c_str()) != 0 && errno != ENOENT) {
    return failed("remove", wanted.path);
  }
  return sync_folder(wanted.path.parent_path()) ? std::string() : failed("sync the folder of", wanted.path);
}

awaitable<std::string> replace_on_disk_thread(Replacement wanted) { co_return replace(wanted); }

Replacement replacement_of(const JobView& job, Direction direction) {
  const json& recorded = at(job.baseline(), "override");
  Replacement out;
  out.path = text(at(recorded, "path"));
  const bool forward = direction == Direction::forward;
  const bool something = !at(recorded, forward ? "wanted_sha256" : "before_sha256").is_null();
  if (forward) out.keep = kept_name(out.path, job.context.job_key);
  if (!something) return out;
  if (forward && !job.undoes())
    out.content = content_of(job);
  else
    out.from = kept_name(out.path, forward ? job.context.undoes->job_key : job.context.job_key);
  return out;
}

}  // namespace

Performed judge_override(const Engine& engine, const JobView& job) {
  const auto refused = [](const fs::path& path, const std::string& what) {
    return Performed::failed(Outcome::permanent, "override_unusable",
                             "The approved Dockerfile cannot be written to " + path.string() + ": it " + what + ".",
                             {{"path", path.string()}});
  };
  json undone;
  if (job.undoes()) undone = at(at(job.context.undoes->facts, effect::admit), "override");
  if (job.undoes() ? undone.is_null() : engine.config.override_dockerfile.empty()) return Performed::done();
  const fs::path path = job.undoes() ? text(at(undone, "path"))
                                     : replaced(engine.config.override_dockerfile, "{bottle}", job.context.bottle);
  if (::access(path.parent_path().c_str(), W_OK | X_OK) != 0)
    return refused(path, std::string("lies in a folder that the service cannot write: ") + std::strerror(errno));
  const auto held = held_by(path);
  if (!held.error.empty()) return refused(path, held.error);
  json wanted = job.undoes() ? at(undone, "before_sha256") : json(sha256_hex(content_of(job)));
  return Performed::done({{"path", path.string()}, {"before_sha256", hash_or_null(held.sha256)}, {"wanted_sha256", std::move(wanted)}});
}

awaitable<Observed> observe_write_override(Engine& /*engine*/, const JobView& job, Direction direction) {
  const json& recorded = at(job.baseline(), "override");
  const auto held = held_by(text(at(recorded, "path")));
  if (!held.error.empty()) co_return Observed{World::unknown, json::object(), held.error};
  const auto now = hash_or_null(held.sha256);
  json result = {{"path", at(recorded, "path")}, {"sha256", now}};
  const bool forward = direction == Direction::forward;
  if (now == at(recorded, forward ? "wanted_sha256" : "before_sha256"))
    co_return Observed{World::present, std::move(result), {}};
  // Someone wrote to it after us: then nothing of ours is left there to be taken back.
  if (!forward && now != at(recorded, "wanted_sha256"))
    co_return Observed{World::present, std::move(result), "the file was changed by someone else; it is left alone"};
  co_return Observed{World::absent, json::object(), {}};
}

awaitable<Performed> perform_write_override(Engine& engine, const JobView& job, Direction direction) {
  const auto wanted = replacement_of(job, direction);
  auto work = replace_on_disk_thread(wanted);
  const auto error = co_await boost::asio::co_spawn(engine.disk, std::move(work), boost::asio::use_awaitable);
  if (!error.empty())
    co_return Performed::failed(Outcome::transient, "override_not_written",
                                "The approved Dockerfile cannot be put in its place: " + error,
                                {{"path", wanted.path.string()}, {"error", error}});
  json result = {{"path", wanted.path.string()}};
  if (!wanted.keep.empty()) result["before"] = wanted.keep.string();
  co_return Performed::done(std::move(result));
}

}  // namespace rebottle::worker::docker
