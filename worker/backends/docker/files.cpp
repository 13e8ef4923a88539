// Crash-safe files. Not here: what they hold.
#include "worker/backends/docker/files.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace rebottle::worker::docker {
namespace {

awaitable<std::string> seal_here(FileWriter& writer) {
  const bool sealed = writer.seal();
  co_return sealed ? std::string() : writer.error();
}

bool sync_directory(const std::filesystem::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  ::close(descriptor);
  return synced;
}

}  // namespace

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
  while (!bytes.empty()) {
    const auto written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail("write");
    bytes_ += written;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
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

awaitable<std::string> seal_file(Engine& engine, FileWriter& writer) {
  auto work = seal_here(writer);
  auto error = co_await boost::asio::co_spawn(engine.disk, std::move(work), boost::asio::use_awaitable);
  co_return error;
}

awaitable<std::string> write_file(Engine& engine, std::filesystem::path path, std::string content) {
  FileWriter writer(std::move(path));
  const bool written = writer.write(content);
  if (!written) co_return writer.error();
  auto error = co_await seal_file(engine, writer);
  co_return error;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace rebottle::worker::docker
