// Paths that cannot leave their directory, and a copy that is hashed while it is made.
// Not here: archives' insides; the engine reads them.
#include "worker/backends/smolmachines/image_file.hpp"

#include <cerrno>
#include <cstring>
#include <functional>

#include <fcntl.h>
#include <unistd.h>

#include "worker/backends/files.hpp"
#include "worker/backends/sha256.hpp"

namespace rebottle::worker::smolmachines {
namespace {

constexpr std::size_t piece_bytes = std::size_t{1} << 20;

// The file below the first directory that has it, with no symbolic link on the way out; empty if there is none.
std::filesystem::path locate(const SmolmachinesConfig& config, const std::string& name) {
  for (const auto& directory : config.import_dirs) {
    std::error_code error;
    const auto root = std::filesystem::canonical(directory, error);
    if (error) continue;
    const auto path = std::filesystem::canonical(root / name, error);
    if (error) continue;
    const auto inside = path.lexically_relative(root);
    if (inside.empty() || *inside.begin() == ".." || !std::filesystem::is_regular_file(path, error)) continue;
    return path;
  }
  return {};
}

// Gives all of a file to `take`, until that returns what went wrong. Returns what went wrong, empty if nothing.
std::string read_through(const std::filesystem::path& file, const std::function<std::string(std::string_view)>& take) {
  const int source = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (source < 0) return "cannot open " + file.string() + ": " + std::strerror(errno);
  std::string piece(piece_bytes, '\0');
  std::string error;
  while (error.empty()) {
    const auto got = ::read(source, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = "cannot read " + file.string() + ": " + std::strerror(errno);
    if (got <= 0) break;
    error = take({piece.data(), static_cast<std::size_t>(got)});
  }
  ::close(source);
  return error;
}

}  // namespace

Performed judge_image_file(const SmolmachinesConfig& config, const schema::Args::ImageFile& file) {
  if (config.import_dirs.empty())
    return Performed::failed(Outcome::unsupported, "change_unsupported",
                             "args.change.image.file: no directory of images is configured; set "
                             "backends.smolmachines.import_dirs.",
                             {{"field", "change.image.file"}, {"missing", "import_dirs"}});
  std::error_code error;
  const auto found = locate(config, file.file);
  const auto bytes = std::filesystem::file_size(found, error);
  if (!found.empty() && !error) return Performed::done({{"image_bytes", bytes}});
  std::vector<std::string> directories;
  for (const auto& directory : config.import_dirs) directories.push_back(directory.string());
  return Performed::failed(Outcome::permanent, "image_absent",
                           "There is no file " + file.file + " in the configured import_dirs.",
                           {{"file", file.file}, {"import_dirs", directories}});
}

std::string import_image_file(const SmolmachinesConfig& config, const schema::Args::ImageFile& file,
                              const std::filesystem::path& to, std::string& other_digest) {
  const auto from = locate(config, file.file);
  if (from.empty()) return "there is no file " + file.file + " any more";
  Sha256 hash;
  FileWriter writer(to);
  const auto error = read_through(from, [&](std::string_view bytes) {
    hash.add(bytes.data(), bytes.size());
    return writer.write(bytes) ? std::string() : writer.error();
  });
  if (!error.empty()) return error;
  const auto found = hash.hex();
  if (found != file.sha256) {
    other_digest = found;
    return file.file + " has the sha256 " + found + ", not the approved " + file.sha256;
  }
  return writer.seal() ? std::string() : writer.error();
}

std::string file_sha256(const std::filesystem::path& file) {
  Sha256 hash;
  const auto error = read_through(file, [&hash](std::string_view bytes) {
    hash.add(bytes.data(), bytes.size());
    return std::string();
  });
  return error.empty() ? hash.hex() : std::string();
}

std::filesystem::path ArchiveIndex::find(const SmolmachinesConfig& config, std::string_view sha256) {
  std::error_code error;
  for (const auto& directory : config.import_dirs) {
    const auto options = std::filesystem::directory_options::skip_permission_denied;
    for (std::filesystem::recursive_directory_iterator it(directory, options, error), end; !error && it != end;
         it.increment(error)) {
      std::error_code gone;  // meanwhile
      if (it->is_symlink(gone) || !it->is_regular_file(gone)) continue;
      const auto size = it->file_size(gone);
      const auto written = it->last_write_time(gone);
      if (gone) continue;
      auto& known = known_[it->path()];
      if (known.sha256.empty() || known.size != size || known.written != written) {
        Sha256 hash;
        const auto problem = read_through(it->path(), [&hash](std::string_view bytes) {
          hash.add(bytes.data(), bytes.size());
          return std::string();
        });
        if (!problem.empty()) continue;
        known = {size, written, hash.hex()};
      }
      if (known.sha256 == sha256) return it->path();
    }
  }
  return {};
}

}  // namespace rebottle::worker::smolmachines
