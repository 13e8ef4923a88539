// Image files: found below the directories only, hashed whole, and stripped of names. Not here: an engine.
#include "worker/backends/docker/image_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>

#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "worker/backends/docker/archive.hpp"
#include "worker/backends/docker/files.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Member {
  std::string name;
  std::string content;
};

std::vector<Member> members_of(const std::string& bytes) {
  std::vector<Member> out;
  archive* reader = archive_read_new();
  archive_read_support_format_tar(reader);
  EXPECT_EQ(archive_read_open_memory(reader, bytes.data(), bytes.size()), ARCHIVE_OK);
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    std::string content(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
    archive_read_data(reader, content.data(), content.size());
    if (const char* target = archive_entry_symlink(entry)) content = std::string("-> ") + target;
    out.push_back({archive_entry_pathname(entry), content});
  }
  archive_read_free(reader);
  return out;
}

ArchiveEntry file(const std::string& path, const std::string& content) {
  ArchiveEntry entry;
  entry.path = path;
  entry.content = content;
  return entry;
}

const std::string manifest = R"([{"Config":"c.json","RepoTags":["debian:12","host/own:1"],"Layers":["a/layer.tar"]}])";

class ImageFiles : public ::testing::Test {
 protected:
  ImageFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rebottle-image-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(imports() / "sub");
  }
  ~ImageFiles() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::filesystem::path imports() const { return folder_ / "imports"; }
  [[nodiscard]] std::filesystem::path copy() const { return folder_ / "copy" / "image.tar"; }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(imports() / name, std::ios::binary) << bytes;
    return bytes;
  }
  [[nodiscard]] Performed refusal(const std::string& name) const {
    auto found = find_image_file({imports()}, name);
    EXPECT_FALSE(found.file.is_open()) << name;
    return found.refusal;
  }
  ImageArchive copied(const std::string& name) const {
    const auto found = find_image_file({imports()}, name);
    EXPECT_TRUE(found.file.is_open()) << found.refusal.message;
    return copy_archive(found.file, copy(), "rebottle/x:job-1");
  }
  std::filesystem::path folder_;
};

TEST_F(ImageFiles, AreFoundInTheFirstDirectoryThatHasThem) {
  write("sub/x.tar", "12345");
  const auto other = folder_ / "other";
  std::filesystem::create_directory(other);
  const auto found = find_image_file({folder_ / "none", other, imports()}, "sub/x.tar");
  ASSERT_TRUE(found.file.is_open()) << found.refusal.message;
  EXPECT_EQ(found.file.size(), 5);
  EXPECT_EQ(refusal("sub/y.tar").reason_code, "image_absent");
  EXPECT_THAT(find_image_file({}, "x.tar").refusal.message, HasSubstr("no import_dirs are configured"));
}

TEST_F(ImageFiles, AreNeverOutsideTheDirectories) {
  std::ofstream(folder_ / "secret") << "s";
  for (const auto* const name : {"../secret", "sub/../../secret", "/etc/passwd", "", ".", "sub//x", "sub/./x", "sub/"})
    EXPECT_THAT(refusal(name).message, HasSubstr("not below import_dirs")) << name;
  std::filesystem::create_symlink("../secret", imports() / "link");
  std::filesystem::create_directory_symlink(folder_, imports() / "way-out");
  EXPECT_THAT(refusal("link").message, HasSubstr("leads through a link"));
  EXPECT_THAT(refusal("way-out/secret").message, HasSubstr("leads through a link"));
}

TEST_F(ImageFiles, AreRegularFiles) {
  EXPECT_THAT(refusal("sub").message, HasSubstr("no regular file"));
  ASSERT_EQ(::mkfifo((imports() / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(refusal("pipe").message, HasSubstr("no regular file")) << "and nobody waits for a writer";
}

TEST_F(ImageFiles, GetOurNameAndNoOther) {
  ArchiveEntry link;
  link.path = "b/layer.tar";
  link.kind = ArchiveEntry::Kind::symlink;
  link.content = "../a/layer.tar";
  const auto bytes = write(
      "x.tar", make_archive({file("repositories", R"({"debian":{"12":"0"}})"), file("index.json", "{}"),
                             file("oci-layout", "{}"), file("c.json", "config"),
                             file("a/layer.tar", std::string(300'000, 'l')), link, file("manifest.json", manifest)}));
  const auto archive = copied("x.tar");
  EXPECT_EQ(archive.problem, "");
  EXPECT_EQ(archive.disk_problem, "");
  EXPECT_EQ(archive.sha256, sha256_hex(bytes));
  EXPECT_EQ(archive.config_sha256, sha256_hex("config"));
  const auto members = members_of(read_file(copy()));
  ASSERT_EQ(members.size(), 4U);
  EXPECT_EQ(members[0].name, "c.json");
  EXPECT_EQ(members[1].content, std::string(300'000, 'l'));
  EXPECT_EQ(members[2].content, "-> ../a/layer.tar");
  EXPECT_EQ(members[3].name, "manifest.json");
  EXPECT_EQ(members[3].content, R"([{"Config":"c.json","Layers":["a/layer.tar"],"RepoTags":["rebottle/x:job-1"]}])");
  struct stat facts {};
  ASSERT_EQ(::stat(copy().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST_F(ImageFiles, AreHashedToTheirLastByte) {
  const auto bytes = write(
      "x.tar",
      make_archive({file("c.json", "config"), file("a/layer.tar", "layer"), file("manifest.json", manifest)}) + "more");
  EXPECT_EQ(copied("x.tar").sha256, sha256_hex(bytes));
}

// What an engine wrote that was asked for one image, and broke off or mistook itself.
TEST_F(ImageFiles, AreProvedToBeTheImageThatWasAskedFor) {
  const auto whole = make_archive(
      {file("c.json", "config"), file("a/layer.tar", std::string(5000, 'l')), file("manifest.json", manifest)});
  write("whole.tar", whole);
  write("cut.tar", whole.substr(0, 3000) + R"({"message":"no space left on device"})");
  write("layerless.tar", make_archive({file("c.json", "config"), file("manifest.json", manifest)}));
  const auto copied_as = [&](const std::string& name, const std::string& id) {
    return copy_archive(find_image_file({imports()}, name).file, copy(), "rebottle/x:job-1", id).problem;
  };
  const auto id = "sha256:" + sha256_hex("config");
  EXPECT_THAT(copied_as("cut.tar", id), HasSubstr("cut off"));
  EXPECT_EQ(copied_as("layerless.tar", id), "its manifest names a layer that is not in it");
  EXPECT_EQ(copied_as("whole.tar", "sha256:" + sha256_hex("another")), "it holds another image");
  EXPECT_FALSE(std::filesystem::exists(copy())) << "nothing of that gets the name";
  EXPECT_EQ(copied_as("whole.tar", id), "");
}

TEST_F(ImageFiles, ThatAreNoArchiveOfOneImageAreRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {std::string(2000, 'x'), "no plain tar archive"},
      {std::string("\x1f\x8b\x08", 3) + std::string(2000, 'x'), "no plain tar archive"},
      {make_archive({file("etc/passwd", "root")}), "no manifest.json"},
      {make_archive({file("manifest.json", "[]")}), "exactly one image"},
      {make_archive({file("manifest.json", "{")}), "exactly one image"},
      {make_archive({file("manifest.json", "[" + manifest.substr(1, manifest.size() - 2) + "," + manifest.substr(1))}),
       "exactly one image"},
      {make_archive({file("manifest.json", manifest)}), "a configuration that is not in it"},
      {make_archive({file("../c.json", "config"), file("manifest.json", manifest)}), "a name that no image has"},
      {make_archive({file("manifest.json", std::string(2 << 20, ' '))}), "manifest is too long"}};
  for (const auto& [bytes, problem] : cases) {
    write("x.tar", bytes);
    EXPECT_THAT(copied("x.tar").problem, HasSubstr(problem));
    EXPECT_FALSE(std::filesystem::exists(copy())) << problem;
  }
  // Cut off in the middle of a layer.
  const auto whole = make_archive(
      {file("c.json", "config"), file("a/layer.tar", std::string(300'000, 'l')), file("manifest.json", manifest)});
  write("x.tar", whole.substr(0, 300'500));
  EXPECT_THAT(copied("x.tar").problem, HasSubstr("damaged"));
  write("x.tar", whole.substr(0, 100'000));
  EXPECT_THAT(copied("x.tar").problem, HasSubstr("more than the file holds"));
}

// A header that declares `size` bytes of a file and brings none of them: GNU's, with one hole or without a map of
// holes.
std::string sparse_file(std::size_t size, bool mapped) {
  std::string block(512, '\0');
  const auto put = [&block](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  const auto octal = [](std::size_t number) {
    std::array<char, 12> out{};
    std::snprintf(out.data(), out.size(), "%011zo", number);
    return std::string(out.data());
  };
  put(0, "a/layer.tar");
  put(100, "0000644");
  put(124, octal(0));
  put(136, octal(0));
  put(148, "        ");
  put(156, "S");
  put(257, "ustar  ");
  if (mapped) {
    put(386, octal(size));
    put(398, octal(0));
  }
  put(483, octal(size));
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(148, octal(sum).substr(5));
  return block;
}

TEST_F(ImageFiles, ThatDeclareMoreThanTheyHoldAreRefusedBeforeTheyFillTheDisk) {
  const auto whole = make_archive({file("c.json", "config"), file("manifest.json", manifest)});
  for (const bool mapped : {true, false}) {
    write("x.tar", sparse_file(std::size_t{64} << 20U, mapped) + whole);
    EXPECT_THAT(copied("x.tar").problem, HasSubstr("more than the file holds")) << mapped;
    EXPECT_FALSE(std::filesystem::exists(copy()));
  }
  ArchiveEntry link;
  link.path = "b/layer.tar";
  link.kind = ArchiveEntry::Kind::symlink;
  link.content = std::string(5000, 'x');
  write("x.tar", make_archive({link}) + whole);
  EXPECT_THAT(copied("x.tar").problem, HasSubstr("a link that no image has"));
}

TEST_F(ImageFiles, ThatCannotBeCopiedAreNoFaultOfTheirs) {
  write("x.tar", make_archive({file("c.json", "config"), file("manifest.json", manifest)}));
  std::ofstream(folder_ / "copy") << "in the way";
  const auto archive = copied("x.tar");
  EXPECT_EQ(archive.problem, "");
  EXPECT_THAT(archive.disk_problem, HasSubstr("image.tar"));
}

}  // namespace
}  // namespace rebottle::worker::docker
