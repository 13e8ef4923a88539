// Links and renames, which are there or not after a crash, nothing between. Not here: when they are done.
#include "worker/backends/docker/override_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/backends/files.hpp"

namespace rebottle::worker::docker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t bytes_max = std::size_t{4} << 20;

std::string failed(std::string_view doing, const fs::path& path) {
  return std::string(doing) + " " + path.string() + ": " + std::strerror(errno);
}

bool there(const fs::path& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0;
}

bool same_file(const fs::path& left, const fs::path& right) {
  struct stat one {};
  struct stat other {};
  return ::lstat(left.c_str(), &one) == 0 && ::lstat(right.c_str(), &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

void read_all(int descriptor, Held& out) {
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    out.error = "is no regular file";
    return;
  }
  std::string content;
  std::array<char, 65'536> buffer{};
  for (;;) {
    const auto got = ::read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) out.error = std::string("cannot be read: ") + std::strerror(errno);
    if (got <= 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(got));
    if (content.size() > bytes_max) {
      out.error = "is larger than a Dockerfile can be";
      return;
    }
  }
  if (out.error.empty()) out.content = std::move(content);
}

}  // namespace

Held held_by(const fs::path& path) {
  Held out;
  // Without waiting: it may be a pipe.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) {
    if (errno != ENOENT)
      out.error = errno == ELOOP ? "is a link" : std::string("cannot be read: ") + std::strerror(errno);
    return out;
  }
  read_all(descriptor, out);
  ::close(descriptor);
  return out;
}

OverrideFile::OverrideFile(fs::path path, std::string_view job_key) : path_(std::move(path)) {
  const std::string key(job_key);
  kept_ = path_.string() + ".before-" + key;
  new_ = path_.string() + ".new-" + key;
}

bool OverrideFile::has_new() const { return there(new_); }
bool OverrideFile::has_kept() const { return there(kept_); }

std::string OverrideFile::keep() const {
  if (::link(path_.c_str(), kept_.c_str()) == 0 || errno == ENOENT) return {};
  if (errno == EEXIST && same_file(path_, kept_)) return {};
  return failed("keep what is there as", kept_);
}

std::string OverrideFile::write_new(const std::string& content) const {
  struct stat facts {};
  const bool replaces = ::lstat(path_.c_str(), &facts) == 0;
  ::unlink(new_.c_str());
  const int descriptor = ::open(new_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor < 0) return failed("make", new_);
  std::string error;
  for (std::string_view rest = content; error.empty() && !rest.empty();) {
    const auto written = ::write(descriptor, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      error = failed("write", new_);
    else
      rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (replaces && error.empty()) {
    // A service that is not root can give the group at best.
    if (::fchown(descriptor, facts.st_uid, facts.st_gid) != 0 &&
        ::fchown(descriptor, static_cast<uid_t>(-1), facts.st_gid) != 0 && errno != EPERM)
      error = failed("give its owner to", new_);
    if (error.empty() && ::fchmod(descriptor, facts.st_mode & 0777U) != 0) error = failed("give its mode to", new_);
  }
  if (error.empty() && ::fsync(descriptor) != 0) error = failed("sync", new_);
  ::close(descriptor);
  return error;
}

std::string OverrideFile::sync() const {
  return sync_directory(path_.parent_path()) ? std::string() : failed("sync the directory of", path_);
}

std::string OverrideFile::replace(const std::optional<std::string>& content) const {
  if (auto error = keep(); !error.empty()) return error;
  if (content) {
    auto error = write_new(*content);
    if (error.empty() && ::rename(new_.c_str(), path_.c_str()) != 0) error = failed("rename", new_);
    if (!error.empty()) {
      ::unlink(new_.c_str());
      return error;
    }
  } else if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
    return failed("remove", path_);
  }
  return sync();
}

std::string OverrideFile::put_back(bool replaced, bool was_there) const {
  ::unlink(new_.c_str());
  if (!replaced) {
    ::unlink(kept_.c_str());
  } else if (was_there) {
    // No new bytes: this works on a full disk, too.
    if (::rename(kept_.c_str(), path_.c_str()) != 0) return failed("put back", kept_);
  } else if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
    return failed("remove", path_);
  }
  return sync();
}

}  // namespace rebottle::worker::docker
