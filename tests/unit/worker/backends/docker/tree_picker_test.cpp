// Subtrees out of a tar stream. Not here: a real engine's stream (tests/podman).
#include "worker/backends/docker/tree_picker.hpp"

#include <map>

#include <gmock/gmock.h>

#include <archive.h>
#include <archive_entry.h>

#include "worker/backends/docker/archive.hpp"

namespace rebottle::worker::docker {
namespace {

using Kind = ArchiveEntry::Kind;

ArchiveEntry entry(std::string path, Kind kind = Kind::file, std::string content = "") {
  ArchiveEntry out;
  out.path = std::move(path);
  out.kind = kind;
  out.content = std::move(content);
  out.user = 1000;
  return out;
}

struct Picked {
  std::map<std::size_t, std::string> kept;
  std::vector<std::string> above;
  bool whole = true;
  std::string problem;
  bool complete = false;
};

Picked pick(const std::string& archive, const std::vector<std::string>& paths, std::size_t piece = 100,
            std::string_view start = "/") {
  Picked out;
  TreePicker picker(
      paths,
      [&out](std::size_t index, std::string_view bytes) {
        out.kept[index] += bytes;
        return true;
      },
      [&out](std::string_view header) { out.above.push_back(first_entry(header).value().path); }, start);
  for (std::size_t at = 0; at < archive.size() && out.whole; at += piece)
    out.whole = picker.feed(std::string_view(archive).substr(at, piece));
  out.problem = picker.problem();
  out.complete = picker.complete();
  return out;
}

const std::string long_name = "home/agent/" + std::string(150, 'x') + "/" + std::string(150, 'y') + "ö";

std::string whole_root() {
  return make_archive({entry("etc", Kind::directory), entry("etc/passwd", Kind::file, "root"),
                       entry("home", Kind::directory), entry("home/agent", Kind::directory),
                       entry("home/agent/notes", Kind::file, std::string(1000, 'n')),
                       entry("home/agent/link", Kind::symlink, "notes"), entry(long_name, Kind::file, "deep"),
                       entry("home/agents", Kind::file, "another"), entry("srv", Kind::directory),
                       entry("srv/data", Kind::file, std::string(512, 'd'))});
}

TEST(TreePicker, TakesWhatIsAtAndBelowAPathUnchanged) {
  const auto expected =
      make_archive({entry("home/agent", Kind::directory), entry("home/agent/notes", Kind::file, std::string(1000, 'n')),
                    entry("home/agent/link", Kind::symlink, "notes"), entry(long_name, Kind::file, "deep")});
  for (const std::size_t piece : {1, 511, 512, 513, 100000}) {
    const auto picked = pick(whole_root(), {"/home/agent", "/srv/data", "/nowhere"}, piece);
    EXPECT_TRUE(picked.whole);
    EXPECT_EQ(picked.kept.size(), 2U);
    // An archive ends with empty blocks; those are the caller's.
    EXPECT_EQ(picked.kept.at(0), expected.substr(0, picked.kept.at(0).size())) << piece;
    EXPECT_EQ(picked.kept.at(1).size(), 1024U);
    EXPECT_EQ(first_entry(picked.kept.at(0)).value().user, 1000);
    EXPECT_EQ(picked.above, (std::vector<std::string>{"home", "srv"}));
  }
}

// "1" where make_archive writes "2".
std::string hard_link(std::string path, std::string target) {
  auto header = make_archive({entry(std::move(path), Kind::symlink, std::move(target))}).substr(0, 512);
  header[156] = '1';
  --header[153];  // the last digit of the checksum, in octal
  return header;
}

TEST(TreePicker, AHardLinkToWhatIsNotKeptIsRefused) {
  const auto file =
      make_archive({entry("srv/data", Kind::file, "d"), entry("home/a", Kind::file, "a")}).substr(0, 2048);
  const auto problem = [&file](const std::string& path, const std::string& target) {
    const auto picked = pick(file + hard_link(path, target), {"/home", "/srv/data", "/var"});
    EXPECT_EQ(picked.whole, picked.problem.empty());
    return picked.problem;
  };
  EXPECT_EQ(problem("home/b", "home/a"), "");
  EXPECT_EQ(problem("var/b", "./srv/data"), "") << "it is put back before the link is";
  EXPECT_EQ(problem("etc/b", "etc/a"), "") << "neither is kept";
  EXPECT_EQ(problem("home/b", "etc/a"),
            "/home/b is the same file as /etc/a, which is not kept with it: name the other path, too, and before this "
            "one")
      << "the changed image may have another file there";
  EXPECT_NE(problem("home/b", "srv/data"), "") << "it is put back after the link is";
  EXPECT_NE(problem("home/b", "home/../etc/a"), "");
}

struct Item {
  std::string name;
  std::string target;
  std::string content;
  bool operator==(const Item&) const = default;
};

// As another reader understands it.
std::vector<Item> items_of(const std::string& bytes) {
  std::vector<Item> out;
  archive* reader = archive_read_new();
  archive_read_support_format_tar(reader);
  EXPECT_EQ(archive_read_open_memory(reader, bytes.data(), bytes.size()), ARCHIVE_OK);
  archive_entry* item = nullptr;
  while (archive_read_next_header(reader, &item) == ARCHIVE_OK) {
    EXPECT_EQ(archive_entry_uid(item), 1000);
    const char* const hard = archive_entry_hardlink(item);
    const char* const symbolic = archive_entry_symlink(item);
    std::string content(static_cast<std::size_t>(archive_entry_size(item)), '\0');
    if (hard == nullptr) archive_read_data(reader, content.data(), content.size());
    out.push_back({archive_entry_pathname(item),
                   hard != nullptr       ? std::string("= ") + hard
                   : symbolic != nullptr ? symbolic
                                         : "",
                   content});
  }
  archive_read_free(reader);
  return out;
}

TEST(TreePicker, NamesAreThoseFromTheRootOn) {
  const auto deep = "work/" + std::string(150, 'x') + "/" + std::string(150, 'y') + "o";
  const auto stream = make_archive({entry("work", Kind::directory), entry("work/a", Kind::file, std::string(700, 'a')),
                                    entry("work/out", Kind::symlink, "../../etc/hosts"),
                                    entry("work/far", Kind::symlink, std::string(150, 't')),
                                    entry(deep, Kind::file, "deep"), entry("beside", Kind::file, "b")});
  const auto links = hard_link("work/b", "work/a");
  for (const std::size_t piece : {1, 513, 100000}) {
    const auto picked = pick(links + stream, {"/root/of/work"}, piece, "/root/of");
    EXPECT_TRUE(picked.whole) << picked.problem;
    EXPECT_TRUE(picked.complete);
    EXPECT_EQ(items_of(picked.kept.at(0)), (std::vector<Item>{{"root/of/work/b", "= root/of/work/a", ""},
                                                              {"root/of/work", "", ""},
                                                              {"root/of/work/a", "", std::string(700, 'a')},
                                                              {"root/of/work/out", "../../etc/hosts", ""},
                                                              {"root/of/work/far", std::string(150, 't'), ""},
                                                              {"root/of/" + deep, "", "deep"}}));
  }
}

TEST(TreePicker, NothingLeadsOutOfWhatIsKept) {
  for (const auto* const name : {"work/../../etc/passwd", "work/..", "work/a/../../x"})
    EXPECT_THAT(pick(make_archive({entry(name, Kind::file, "x")}), {"/root/work"}, 100, "/root").problem,
                ::testing::HasSubstr("leads out of what is kept"))
        << name;
  for (const auto* const name : {"etc/passwd", "/etc/passwd", "../etc/passwd", "workshop", "root/work/x"})
    EXPECT_TRUE(pick(make_archive({entry(name, Kind::file, "x")}), {"/root/work"}, 100, "/root").kept.empty()) << name;
}

TEST(TreePicker, AStreamThatEndsEarlyIsNotComplete) {
  const auto whole = whole_root();
  EXPECT_TRUE(pick(whole, {"/home"}).complete);
  for (const std::size_t size : {std::size_t{0}, std::size_t{512}, std::size_t{700}, whole.find("deep") + 2})
    EXPECT_FALSE(pick(whole.substr(0, size), {"/home"}).complete) << size;
}

TEST(TreePicker, WhatIsNoTarIsRefused) {
  EXPECT_FALSE(pick(std::string(2000, 'x'), {"/a"}).whole);
  auto archive = whole_root();
  archive.insert(512, "shifted");
  EXPECT_FALSE(pick(archive, {"/home"}).whole);
}

TEST(TreePicker, StopsWhenItsCallerHasHadEnough) {
  TreePicker picker(
      {"/home"}, [](std::size_t, std::string_view) { return false; }, [](std::string_view) {});
  EXPECT_FALSE(picker.feed(whole_root()));
}

}  // namespace
}  // namespace rebottle::worker::docker
