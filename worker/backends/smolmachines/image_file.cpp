// Paths that cannot leave their directory, and a copy that is hashed while it is made.
// Not here: archives' insides; the engine reads them.
#include "worker/backends/smolmachines/image_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/backends/files.hpp"

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

std::string hex_of(const unsigned char* bytes, unsigned int count) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < count; ++i) {
    out += digits[bytes[i] >> 4U];
    out += digits[bytes[i] & 15U];
  }
  return out;
}

// Gives all of a file to `take`, until that returns what went wrong; `digest` is then its sha256. Returns what went
// wrong, empty if nothing.
std::string read_through(const std::filesystem::path& file, const std::function<std::string(std::string_view)>& take,
                         std::string& digest) {
  const int source = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (source < 0) return "cannot open " + file.string() + ": " + std::strerror(errno);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::string piece(piece_bytes, '\0');
  std::string error;
  while (error.empty()) {
    const auto got = ::read(source, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = "cannot read " + file.string() + ": " + std::strerror(errno);
    if (got <= 0) break;
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(got));
    EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
    error = take(bytes);
  }
  ::close(source);
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), sum.data(), &size);
  digest = hex_of(sum.data(), size);
  return error;
}

}  // namespace

Performed judge_image_file(const SmolmachinesConfig& config, const schema::Args::ImageFile& file) {
  if (config.import_dirs.empty())
    return Performed::failed(Outcome::unsupported, "change_unsupported",
                             "args.change.image.file: no directory of images is configured; set "
                             "backends.smolmachines.import_dirs.",
                             {{"field", "change.image.file"}, {"missing", "import_dirs"}});
  if (!locate(config, file.file).empty()) return Performed::done();
  std::vector<std::string> directories;
  for (const auto& directory : config.import_dirs) directories.push_back(directory.string());
  return Performed::failed(Outcome::permanent, "image_absent",
                           "There is no file " + file.file + " in the configured import_dirs.",
                           {{"file", file.file}, {"import_dirs", directories}});
}

std::int64_t image_file_size(const SmolmachinesConfig& config, const schema::Args& args) {
  const auto* file = std::get_if<schema::Args::ImageFile>(&args.change);
  if (file == nullptr) return 0;
  std::error_code error;
  const auto size = std::filesystem::file_size(locate(config, file->file), error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

std::string import_image_file(const SmolmachinesConfig& config, const schema::Args::ImageFile& file,
                              const std::filesystem::path& to, std::string& other_digest) {
  const auto from = locate(config, file.file);
  if (from.empty()) return "there is no file " + file.file + " any more";
  FileWriter writer(to);
  std::string found;
  const auto error = read_through(
      from, [&writer](std::string_view bytes) { return writer.write(bytes) ? std::string() : writer.error(); }, found);
  if (!error.empty()) return error;
  if (found != file.sha256) {
    other_digest = found;
    return file.file + " has the sha256 " + found + ", not the approved " + file.sha256;
  }
  return writer.seal() ? std::string() : writer.error();
}

std::string file_sha256(const std::filesystem::path& file) {
  std::string found;
  const auto error = read_through(
      file, [](std::string_view /*bytes*/) { return std::string(); }, found);
  return error.empty() ? found : std::string();
}

}  // namespace rebottle::worker::smolmachines
