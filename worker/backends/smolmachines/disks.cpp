// Leases, headers, holes. Not here: what the copies are for.
#include "worker/backends/smolmachines/disks.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/backends/files.hpp"

namespace rebottle::worker::smolmachines {
namespace {

constexpr std::size_t copy_at_once = std::size_t{1} << 20;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

bool has_open_for_writing(const std::filesystem::path& process, const struct stat& file, bool& readable) {
  std::error_code error;
  bool hidden = false;
  for (const auto& entry : std::filesystem::directory_iterator(process / "fd", error)) {
    struct stat opened {};
    // The link's own mode says how the file was opened.
    struct stat link {};
    if (::stat(entry.path().c_str(), &opened) != 0 || ::lstat(entry.path().c_str(), &link) != 0) {
      hidden = hidden || errno == EACCES || errno == EPERM;
      continue;
    }
    if (opened.st_dev == file.st_dev && opened.st_ino == file.st_ino && (link.st_mode & S_IWUSR) != 0) return true;
  }
  const bool ended = error == std::errc::no_such_file_or_directory || error == std::errc::no_such_process;
  readable = !hidden && (!error || ended);
  return false;
}

// The owner of /proc/<pid> is root's where a process does not let itself be looked at, so its own word is read.
bool is_of(const std::filesystem::path& process, uid_t user) {
  constexpr std::string_view key = "\nUid:\t";
  const auto status = read_file(process / "status");
  const auto at = status.find(key);
  return at != std::string::npos && status.substr(at + key.size()).starts_with(std::to_string(user) + "\t");
}

// One by one, where no lease can be had. A process that may not be looked at counts if it is the owner's: nobody else
// but root could have opened the disk.
Writers look_at_processes(const struct stat& file) {
  auto out = Writers::none;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const auto name = entry.path().filename().string();
    // Init is no machine, and often lets nobody look.
    if (name.find_first_not_of("0123456789") != std::string::npos || name == "1") continue;
    bool readable = true;
    if (has_open_for_writing(entry.path(), file, readable)) return Writers::some;
    if (!readable && is_of(entry.path(), file.st_uid)) out = Writers::unknown;
  }
  return error ? Writers::unknown : out;
}

// A read lease is refused while the file is open for writing. It is asked for without waiting, and given back at once.
// Where the system gives none at all (to another user than the owner, or on such a file system) that says nothing.
Writers writers_of(const std::filesystem::path& file) {
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (descriptor.get() < 0) return errno == ENOENT ? Writers::none : Writers::unknown;
  if (::fcntl(descriptor.get(), F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(descriptor.get(), F_SETLEASE, F_UNLCK);
    return Writers::none;
  }
  if (errno == EAGAIN) return Writers::some;
  struct stat status {};
  return ::fstat(descriptor.get(), &status) == 0 ? look_at_processes(status) : Writers::unknown;
}

std::uint64_t big_endian(const unsigned char* bytes, std::size_t count) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < count; ++i) out = (out << 8U) | bytes[i];
  return out;
}

std::string failed(std::string_view doing, const std::filesystem::path& file) {
  return "cannot " + std::string(doing) + " " + file.string() + ": " + std::strerror(errno);
}

bool copy_range(int from, int to, off_t begin, off_t end) {
  std::vector<char> buffer(copy_at_once);
  while (begin < end) {
    const auto wanted = std::min(buffer.size(), static_cast<std::size_t>(end - begin));
    const auto got = ::pread(from, buffer.data(), wanted, begin);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    for (ssize_t done = 0; done < got;) {
      const auto put = ::pwrite(to, buffer.data() + done, static_cast<std::size_t>(got - done), begin + done);
      if (put < 0 && errno != EINTR) return false;
      if (put > 0) done += put;
    }
    begin += got;
  }
  return true;
}

// The owner is given only where another one made the file: the service's sandbox refuses the call even to no effect.
bool keep_owner(int file, const struct stat& wanted) {
  struct stat made {};
  if (::fstat(file, &made) != 0) return false;
  const bool same = made.st_uid == wanted.st_uid && made.st_gid == wanted.st_gid;
  return (same || ::fchown(file, wanted.st_uid, wanted.st_gid) == 0) && ::fchmod(file, wanted.st_mode) == 0;
}

bool copy_data(int from, int to, off_t size) {
  if (::ioctl(to, FICLONE, from) == 0) return true;  // file systems that share blocks
  off_t data = 0;
  while (data < size) {
    data = ::lseek(from, data, SEEK_DATA);
    if (data < 0) return errno == ENXIO;  // nothing but a hole is left
    const auto hole = ::lseek(from, data, SEEK_HOLE);
    if (hole < 0 || !copy_range(from, to, data, hole)) return false;
    data = hole;
  }
  return true;
}

}  // namespace

std::vector<std::string> disk_names(const std::filesystem::path& data_dir) {
  std::vector<std::string> out;
  for (const std::string_view stem : {"overlay", "storage"}) {
    std::vector<std::string> found;
    for (const std::string_view format : {".qcow2", ".raw"}) {
      const auto name = std::string(stem).append(format);
      std::error_code error;
      const auto status = std::filesystem::symlink_status(data_dir / name, error);
      if (std::filesystem::is_regular_file(status)) found.push_back(name);
    }
    if (found.size() != 1) return {};
    out.push_back(std::move(found.front()));
  }
  return out;
}

DiskUse disk_use(const std::filesystem::path& data_dir) {
  DiskUse out{Writers::no_disks, {}};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir, error)) {
    const auto stem = entry.path().stem();
    if (stem != "overlay" && stem != "storage") continue;
    const auto name = entry.path().filename().string();
    const auto writers = writers_of(entry.path());
    if (out.writers == Writers::no_disks) out.writers = Writers::none;
    if (writers == Writers::some) return {writers, name};
    if (writers == Writers::unknown) out = {writers, name};
  }
  return out;
}

std::string copy_problem(const std::filesystem::path& disk) {
  std::ifstream in(disk, std::ios::binary);
  std::array<unsigned char, 20> header{};
  if (!in.read(reinterpret_cast<char*>(header.data()), header.size()))  // NOLINT: bytes
    return failed("read", disk);
  const bool qcow2 = std::memcmp(header.data(), "QFI\xfb", 4) == 0;
  if (!qcow2) return disk.extension() == ".qcow2" ? disk.string() + " is no qcow2 file" : std::string();
  const auto offset = big_endian(header.data() + 8, 8);
  const auto length = big_endian(header.data() + 16, 4);
  if (offset == 0) return {};
  constexpr std::uint64_t name_max = 1023;  // by the format
  std::string backing(std::min(length, name_max), '\0');
  if (length > name_max || !in.seekg(static_cast<std::streamoff>(offset)) ||
      !in.read(backing.data(), static_cast<std::streamsize>(backing.size())))
    return disk.string() + " has a backing file that cannot be read";
  const std::filesystem::path path = backing;
  // What the engine only ever reads: its own empty file system, and what it unpacked of an image.
  const auto under = [&path](const char* folder) {
    return std::ranges::find(path, std::filesystem::path(folder)) != path.end();
  };
  const bool constant = path.is_absolute() && !under("vms") &&
                        (path.filename().string().ends_with("-template.ext4") || under("image-seeds"));
  if (!constant) return disk.string() + " grows on " + backing + ", which a copy would not hold";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return disk.string() + " grows on " + backing + ", which is not there";
  return {};
}

std::int64_t real_size(const std::filesystem::path& file) {
  struct stat status {};
  constexpr std::int64_t block = 512;
  return ::stat(file.c_str(), &status) == 0 ? status.st_blocks * block : 0;
}

std::string copy_sparse(const std::filesystem::path& from, const std::filesystem::path& to) {
  const auto temporary = to.string() + ".rebottle-part";
  const Descriptor source(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  if (source.get() < 0 || ::fstat(source.get(), &status) != 0) return failed("read", from);
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);
  const Descriptor target(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (target.get() < 0) return failed("make", temporary);
  std::string error;
  if (!copy_data(source.get(), target.get(), status.st_size) || ::ftruncate(target.get(), status.st_size) != 0)
    error = failed("copy to", temporary);
  else if (!keep_owner(target.get(), status))
    error = failed("keep the owner of", temporary);
  else if (::fsync(target.get()) != 0)
    error = failed("sync", temporary);
  else if (::rename(temporary.c_str(), to.c_str()) != 0 || !sync_directory(to.parent_path()))
    error = failed("rename", temporary);
  if (!error.empty()) std::filesystem::remove(temporary, ignored);
  return error;
}

std::string move_over(const std::filesystem::path& from, const std::filesystem::path& to,
                      const std::vector<std::string>& names) {
  bool crosses = false;
  for (const auto& name : names) {
    if (::rename((from / name).c_str(), (to / name).c_str()) == 0) continue;
    if (errno != EXDEV) return failed("put back", to / name);
    crosses = true;
    break;
  }
  if (!crosses) return sync_directory(to) && sync_directory(from) ? std::string() : failed("sync", to);
  for (const auto& name : names)
    if (::unlink((to / name).c_str()) != 0 && errno != ENOENT) return failed("remove", to / name);
  for (const auto& name : names)
    if (auto error = copy_sparse(from / name, to / name); !error.empty()) return error;
  return {};
}

std::string sync_file_system(const std::filesystem::path& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) return failed("open", path);
  return ::syncfs(descriptor.get()) == 0 ? std::string() : failed("sync", path);
}

}  // namespace rebottle::worker::smolmachines
