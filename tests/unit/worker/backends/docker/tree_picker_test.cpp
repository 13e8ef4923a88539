// Subtrees out of a tar stream. Not here: a real engine's stream (tests/podman).
#include "worker/backends/docker/tree_picker.hpp"

#include <map>

#include <gmock/gmock.h>

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
};

Picked pick(const std::string& archive, const std::vector<std::string>& paths, std::size_t piece = 100) {
  Picked out;
  TreePicker picker(
      paths,
      [&out](std::size_t index, std::string_view bytes) {
        out.kept[index] += bytes;
        return true;
      },
      [&out](std::string_view header) { out.above.push_back(first_entry(header).value().path); });
  for (std::size_t at = 0; at < archive.size() && out.whole; at += piece)
    out.whole = picker.feed(std::string_view(archive).substr(at, piece));
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
