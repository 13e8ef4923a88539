// Crash-safe files. Not here: what they hold.
#include "worker/backends/files.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace rebottle::worker {

namespace {

// False with errno set.
bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

bool sync_directory(const std::filesystem::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  ::close(descriptor);
  return synced;
}

FileWriter::FileWriter(std::filesystem::path path) : path_(std::move(path)), temporary_(path_.string() + ".part") {
  const auto directory = path_.parent_path();
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    fail("create the directory of");
    return;
  }
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor_ < 0) fail("open");
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

bool FileWriter::fail(std::string_view doing) {
  error_ = std::string(doing) + " " + path_.string() + ": " + std::strerror(errno);
  return false;
}

bool FileWriter::write(std::string_view bytes) {
  if (!error_.empty()) return false;
  if (!write_all(descriptor_, bytes)) return fail("write");
  bytes_ += static_cast<std::int64_t>(bytes.size());
  return true;
}

bool FileWriter::seal() {
  if (!error_.empty()) return false;
  if (::fsync(descriptor_) != 0) return fail("sync");
  ::close(descriptor_);
  descriptor_ = -1;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return fail("rename");
  const auto directory = path_.parent_path();
  if (!sync_directory(directory) || !sync_directory(directory.parent_path())) return fail("sync the directory of");
  return true;
}

ScratchFile::ScratchFile(const std::filesystem::path& directory) {
  auto name = (directory / "scratch-XXXXXX").string();
  descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0)
    error_ = "make a file in " + directory.string() + ": " + std::strerror(errno);
  else
    ::unlink(name.c_str());
}

ScratchFile::~ScratchFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool ScratchFile::write(std::string_view bytes) {
  if (error_.empty() && !write_all(descriptor_, bytes)) error_ = std::string("write: ") + std::strerror(errno);
  return error_.empty();
}

int ScratchFile::take() {
  ::lseek(descriptor_, 0, SEEK_SET);
  return std::exchange(descriptor_, -1);
}

std::string seal_as(const std::filesystem::path& from, const std::filesystem::path& to) {
  const auto failed = [&](std::string_view doing) {
    return std::string(doing) + " " + from.string() + ": " + std::strerror(errno);
  };
  const int descriptor = ::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return failed("open");
  const bool synced = ::fsync(descriptor) == 0;
  auto error = synced ? std::string() : failed("sync");
  ::close(descriptor);
  if (!error.empty()) return error;
  if (::rename(from.c_str(), to.c_str()) != 0 || !sync_directory(to.parent_path())) return failed("rename");
  return {};
}

std::optional<std::int64_t> free_bytes(const std::filesystem::path& directory) {
  struct statvfs space {};
  if (::statvfs(directory.c_str(), &space) != 0) return std::nullopt;
  return static_cast<std::int64_t>(space.f_bavail * space.f_frsize);
}

std::string read_file(const std::filesystem::path& path) {
  const std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();  // which ends at a read error, as of a process that ends meanwhile, instead of throwing
  return text.str();
}

}  // namespace rebottle::worker
