// libarchive behind two functions. Not here: the agent's own archives, which stay opaque.
#include "worker/backends/docker/archive.hpp"

#include <locale.h>

#include <memory>
#include <stdexcept>

#include <archive.h>
#include <archive_entry.h>

namespace rebottle::worker::docker {
namespace {

struct Release {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
struct ReleaseWriter {
  void operator()(archive* writer) const { archive_write_free(writer); }
};
struct ReleaseReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Entry = std::unique_ptr<archive_entry, Release>;
using Writer = std::unique_ptr<archive, ReleaseWriter>;
using Reader = std::unique_ptr<archive, ReleaseReader>;

// libarchive converts names by the thread's locale, and in the "C" locale knows ASCII only.
class Utf8Names {
 public:
  Utf8Names() : before_(uselocale(utf8())) {}
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;
  ~Utf8Names() { uselocale(before_); }

 private:
  static locale_t utf8() {
    static const locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;  // null changes nothing
  }
  locale_t before_;
};

la_ssize_t append(archive* /*writer*/, void* out, const void* bytes, std::size_t size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

unsigned type_of(ArchiveEntry::Kind kind) {
  switch (kind) {
    case ArchiveEntry::Kind::file: return AE_IFREG;
    case ArchiveEntry::Kind::directory: return AE_IFDIR;
    case ArchiveEntry::Kind::symlink: return AE_IFLNK;
  }
  return AE_IFREG;
}

void write_entry(archive* writer, const ArchiveEntry& item) {
  const Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), item.path.c_str());
  archive_entry_set_filetype(entry.get(), type_of(item.kind));
  archive_entry_set_perm(entry.get(), static_cast<__LA_MODE_T>(item.mode & 07777U));
  archive_entry_set_uid(entry.get(), item.user);
  archive_entry_set_gid(entry.get(), item.group);
  archive_entry_set_mtime(entry.get(), static_cast<time_t>(item.modified_s), 0);
  const bool file = item.kind == ArchiveEntry::Kind::file;
  if (item.kind == ArchiveEntry::Kind::symlink) archive_entry_set_symlink(entry.get(), item.content.c_str());
  archive_entry_set_size(entry.get(), file ? static_cast<la_int64_t>(item.content.size()) : 0);
  if (archive_write_header(writer, entry.get()) != ARCHIVE_OK)
    throw std::runtime_error(std::string("tar header: ") + archive_error_string(writer));
  if (file && archive_write_data(writer, item.content.data(), item.content.size()) < 0)
    throw std::runtime_error(std::string("tar data: ") + archive_error_string(writer));
}

}  // namespace

std::string make_archive(const std::vector<ArchiveEntry>& entries) {
  const Utf8Names names;
  std::string out;
  const Writer writer(archive_write_new());
  archive_write_set_format_pax_restricted(writer.get());
  if (archive_write_open(writer.get(), &out, nullptr, append, nullptr) != ARCHIVE_OK)
    throw std::runtime_error(std::string("tar: ") + archive_error_string(writer.get()));
  for (const auto& entry : entries) write_entry(writer.get(), entry);
  if (archive_write_close(writer.get()) != ARCHIVE_OK)
    throw std::runtime_error(std::string("tar: ") + archive_error_string(writer.get()));
  return out;
}

std::optional<ArchiveEntry> first_entry(std::string_view bytes) {
  const Utf8Names names;
  const Reader reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) return std::nullopt;
  archive_entry* entry = nullptr;
  if (archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) return std::nullopt;
  ArchiveEntry out;
  if (const char* path = archive_entry_pathname(entry)) out.path = path;
  while (out.path.ends_with('/')) out.path.pop_back();
  const auto type = archive_entry_filetype(entry);
  out.kind = type == AE_IFDIR   ? ArchiveEntry::Kind::directory
             : type == AE_IFLNK ? ArchiveEntry::Kind::symlink
                                : ArchiveEntry::Kind::file;
  out.mode = archive_entry_perm(entry);
  out.user = archive_entry_uid(entry);
  out.group = archive_entry_gid(entry);
  out.modified_s = archive_entry_mtime(entry);
  if (const char* target = archive_entry_symlink(entry)) out.content = target;
  return out;
}

}  // namespace rebottle::worker::docker
