// libarchive reads what came and writes what goes on: the engine gets only headers that were written here, so no trick
// in the file's own can name an image. Not here: what the layers hold; that is as trusted as the approval.
#include "worker/backends/docker/image_file.hpp"

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/backends/docker/files.hpp"
#include "worker/backends/docker/text.hpp"
#include "worker/backends/sha256.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::size_t piece_bytes = std::size_t{256} << 10;
constexpr std::size_t manifest_bytes_max = std::size_t{1} << 20;
constexpr std::size_t name_bytes_max = 255;
constexpr int entries_max = 10'000;

struct ArchiveProblem : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct DiskProblem : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The file's bytes, each of them hashed as it is read.
class Source {
 public:
  explicit Source(int descriptor) : descriptor_(descriptor), piece_(piece_bytes, '\0') {}

  // The next piece; 0 at the end, -1 for an error.
  la_ssize_t next(const void** bytes) {
    ssize_t got = 0;
    do got = ::read(descriptor_, piece_.data(), piece_.size());
    while (got < 0 && errno == EINTR);
    if (got > 0) hash_.add(piece_.data(), static_cast<std::size_t>(got));
    *bytes = piece_.data();
    return got;
  }
  // What follows the archive's end belongs to the file, too.
  void drain() {
    const void* ignored = nullptr;
    while (next(&ignored) > 0) {
    }
  }
  [[nodiscard]] std::string hex() { return hash_.hex(); }

 private:
  int descriptor_;
  std::string piece_;
  Sha256 hash_;
};

la_ssize_t read_source(archive* /*reader*/, void* source, const void** bytes) {
  return static_cast<Source*>(source)->next(bytes);
}
la_ssize_t write_file_piece(archive* /*writer*/, void* file, const void* bytes, std::size_t size) {
  const bool written = static_cast<FileWriter*>(file)->write({static_cast<const char*>(bytes), size});
  return written ? static_cast<la_ssize_t>(size) : -1;
}

struct FreeReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
struct FreeWriter {
  void operator()(archive* writer) const { archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

class Copier {
 public:
  Copier(const ImageFile& from, FileWriter& to) : source_(from.descriptor()), left_(from.size()), to_(to) {
    archive_read_support_format_tar(reader_.get());
    archive_write_set_format_pax_restricted(writer_.get());
    if (archive_read_open(reader_.get(), &source_, nullptr, read_source, nullptr) != ARCHIVE_OK)
      throw ArchiveProblem("it is no plain tar archive (compressed ones are not read)");
    if (archive_write_open(writer_.get(), &to_, nullptr, write_file_piece, nullptr) != ARCHIVE_OK)
      throw DiskProblem(to_.error());
  }

  ImageArchive run(std::string_view tag, std::string_view config_id) {
    ImageArchive out;
    archive_entry* entry = nullptr;
    int code = ARCHIVE_OK;
    int entries = 0;
    while ((code = archive_read_next_header(reader_.get(), &entry)) == ARCHIVE_OK || code == ARCHIVE_WARN) {
      if (++entries > entries_max) throw ArchiveProblem("it has too many entries");
      take(entry);
    }
    if (code != ARCHIVE_EOF) throw ArchiveProblem("it cannot be read as a tar archive: " + reason());
    source_.drain();
    out.sha256 = source_.hex();
    out.config_sha256 = finish(tag, config_id);
    return out;
  }

 private:
  [[nodiscard]] std::string reason() const {
    const auto* const text = archive_error_string(reader_.get());
    return text == nullptr ? "damaged" : shortened(clean_text(text), 200);
  }

  void take(archive_entry* entry) {
    const auto* const given = archive_entry_pathname(entry);
    std::string name = given == nullptr ? "" : given;
    while (name.starts_with("./")) name.erase(0, 2);
    const auto type = archive_entry_filetype(entry);
    if (type == AE_IFDIR) return;  // engines make them as they are needed
    if (name.empty() || name.size() > name_bytes_max || name.starts_with('/') ||
        ("/" + name + "/").find("/../") != std::string::npos)
      throw ArchiveProblem("an entry has a name that no image has: " + shortened(clean_text(name), 100));
    // These name images; the manifest is written anew.
    if (name == "repositories" || name == "index.json" || name == "oci-layout") return;
    if (name == "manifest.json") {
      manifest_ = content_of(entry);
    } else if (type == AE_IFLNK) {
      link(name, archive_entry_symlink(entry));
    } else if (type == AE_IFREG && archive_entry_hardlink(entry) == nullptr) {
      copy(name, archive_entry_size(entry));
    } else {
      throw ArchiveProblem("the entry " + shortened(clean_text(name), 100) + " is neither a file nor a link");
    }
  }

  std::string content_of(archive_entry* entry) {
    std::string out(manifest_bytes_max, '\0');
    if (archive_entry_size(entry) > static_cast<la_int64_t>(out.size()))
      throw ArchiveProblem("its manifest is too long");
    const auto got = archive_read_data(reader_.get(), out.data(), out.size());
    if (got < 0) throw ArchiveProblem("its manifest cannot be read: " + reason());
    out.resize(static_cast<std::size_t>(got));
    return out;
  }

  void header(const std::string& name, unsigned type, std::int64_t size, const char* target) {
    const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), type);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_size(entry.get(), size);
    if (target != nullptr) archive_entry_set_symlink(entry.get(), target);
    if (archive_write_header(writer_.get(), entry.get()) != ARCHIVE_OK) write_failed();
  }
  [[noreturn]] void write_failed() const {
    if (!to_.error().empty()) throw DiskProblem(to_.error());
    const auto* const text = archive_error_string(writer_.get());
    throw ArchiveProblem(text == nullptr ? "an entry cannot be copied" : shortened(clean_text(text), 200));
  }
  void link(const std::string& name, const char* target) {
    const std::string_view to = target == nullptr ? "" : target;
    if (to.empty() || to.size() > name_bytes_max)
      throw ArchiveProblem("the entry " + shortened(clean_text(name), 100) + " is a link that no image has");
    header(name, AE_IFLNK, 0, target);
    links_.insert(name);
  }

  void copy(const std::string& name, std::int64_t size) {
    // The holes of a sparse file would be written out: a small file could fill the disk.
    left_ -= size;
    if (size < 0 || left_ < 0)
      throw ArchiveProblem(
          "its entries declare more than the file holds: it is cut off or sparse; write it anew with `docker save`");
    header(name, AE_IFREG, size, nullptr);
    Sha256 hash;
    std::string piece(piece_bytes, '\0');
    for (;;) {
      const auto got = archive_read_data(reader_.get(), piece.data(), piece.size());
      if (got < 0) throw ArchiveProblem("it is damaged: " + reason());
      if (got == 0) break;
      hash.add(piece.data(), static_cast<std::size_t>(got));
      if (archive_write_data(writer_.get(), piece.data(), static_cast<std::size_t>(got)) != got) write_failed();
    }
    hashes_[name] = hash.hex();
  }

  // Returns the hash of the image's configuration.
  std::string finish(std::string_view tag, std::string_view config_id) {
    if (manifest_.empty())
      throw ArchiveProblem("it has no manifest.json: only what `docker save` writes can be loaded");
    auto manifest = json::parse(manifest_, nullptr, false);
    if (!manifest.is_array() || manifest.size() != 1 || !manifest[0].is_object())
      throw ArchiveProblem("it does not hold exactly one image");
    const auto config = text(at(manifest[0], "Config"));
    const auto found = hashes_.find(config);
    if (found == hashes_.end()) throw ArchiveProblem("its manifest names a configuration that is not in it");
    if (!config_id.empty() && config_id != "sha256:" + found->second) throw ArchiveProblem("it holds another image");
    for (const auto& layer : at(manifest[0], "Layers"))
      if (!hashes_.contains(text(layer)) && !links_.contains(text(layer)))
        throw ArchiveProblem("its manifest names a layer that is not in it");
    const json own = json::array({{{"Config", config}, {"RepoTags", {tag}}, {"Layers", at(manifest[0], "Layers")}}});
    const auto content = own.dump(-1, ' ', false, json::error_handler_t::replace);
    header("manifest.json", AE_IFREG, static_cast<std::int64_t>(content.size()), nullptr);
    if (archive_write_data(writer_.get(), content.data(), content.size()) < 0) write_failed();
    if (archive_write_close(writer_.get()) != ARCHIVE_OK) write_failed();
    return found->second;
  }

  Source source_;
  std::int64_t left_;  // of the file's bytes, for what its entries declare
  FileWriter& to_;
  std::unique_ptr<archive, FreeReader> reader_{archive_read_new()};
  std::unique_ptr<archive, FreeWriter> writer_{archive_write_new()};
  std::string manifest_;
  std::map<std::string, std::string> hashes_;
  std::set<std::string> links_;
};

Performed refused(Outcome outcome, std::string reason, const std::string& name, const std::string& what) {
  const auto shown = shortened(clean_text(name), 200);
  return Performed::failed(outcome, std::move(reason), "The image file " + shown + " " + what, {{"file", shown}});
}

// The components of a relative name; empty if one of them leads elsewhere.
std::vector<std::string> components(const std::string& name) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= name.size();) {
    const auto end = std::min(name.find('/', begin), name.size());
    auto part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string::npos) return {};
    out.push_back(std::move(part));
    begin = end + 1;
  }
  return out;
}

// Opens the last component, no component being a link. The error number is left in `error`.
ImageFile open_below(const std::filesystem::path& directory, const std::vector<std::string>& parts, int& error) {
  ImageFile at(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (std::size_t i = 0; at.is_open() && i < parts.size(); ++i) {
    const int flags = i + 1 < parts.size() ? O_RDONLY | O_DIRECTORY : O_RDONLY | O_NONBLOCK;
    at = ImageFile(::openat(at.descriptor(), parts[i].c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
  }
  error = errno;
  return at;
}

}  // namespace

ImageFile::ImageFile(ImageFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
ImageFile& ImageFile::operator=(ImageFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}
ImageFile::~ImageFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}
std::int64_t ImageFile::size() const {
  struct stat facts {};
  return ::fstat(descriptor_, &facts) == 0 ? std::int64_t{facts.st_size} : 0;
}

ImageFileFound find_image_file(const std::vector<std::filesystem::path>& directories, const std::string& name) {
  ImageFileFound out;
  if (directories.empty()) {
    out.refusal = refused(Outcome::unsupported, "change_unsupported", name,
                          "cannot be used: no import_dirs are configured for this backend.");
    return out;
  }
  const auto parts = components(name);
  if (parts.empty()) {
    out.refusal = refused(Outcome::unsupported, "change_unsupported", name,
                          "is not below import_dirs: give a relative name without \".\" and \"..\".");
    return out;
  }
  for (const auto& directory : directories) {
    int error = 0;
    auto file = open_below(directory, parts, error);
    if (!file.is_open() && error == ENOENT) continue;
    struct stat facts {};
    if (!file.is_open()) {
      const bool link = error == ELOOP || error == ENOTDIR;
      out.refusal = refused(link ? Outcome::unsupported : Outcome::permanent,
                            link ? "change_unsupported" : "image_file_unreadable", name,
                            link ? "leads through a link or something that is no directory."
                                 : std::string("cannot be read: ") + std::strerror(error) + ".");
    } else if (::fstat(file.descriptor(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
      out.refusal = refused(Outcome::unsupported, "change_unsupported", name,
                            "is no regular file; only what `docker save` writes can be loaded.");
    } else {
      out.file = std::move(file);
    }
    return out;
  }
  out.refusal = refused(Outcome::permanent, "image_absent", name, "is in none of the import_dirs.");
  return out;
}

ImageArchive copy_archive(const ImageFile& from, const std::filesystem::path& to, std::string_view tag,
                          std::string_view config_id) {
  ImageArchive out;
  try {
    FileWriter writer(to);
    if (!writer.error().empty()) throw DiskProblem(writer.error());
    out = Copier(from, writer).run(tag, config_id);
    if (!writer.seal()) throw DiskProblem(writer.error());
  } catch (const ArchiveProblem& problem) {
    out.problem = problem.what();
  } catch (const DiskProblem& problem) {
    out.disk_problem = problem.what();
  }
  return out;
}

}  // namespace rebottle::worker::docker
