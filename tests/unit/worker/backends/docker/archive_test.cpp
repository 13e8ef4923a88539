// Tar in memory. Not here: the engine's own archives.
#include "worker/backends/docker/archive.hpp"

#include <gtest/gtest.h>

namespace rebottle::worker::docker {
namespace {

TEST(Archive, WhatIsWrittenIsRead) {
  ArchiveEntry entry;
  entry.path = "home/agent";
  entry.kind = ArchiveEntry::Kind::directory;
  entry.mode = 01770;
  entry.user = 1000;
  entry.group = 70000;
  entry.modified_s = 1234567890;
  const auto read = first_entry(make_archive({entry}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->path, entry.path);
  EXPECT_EQ(read->kind, entry.kind);
  EXPECT_EQ(read->mode, entry.mode);
  EXPECT_EQ(read->user, entry.user);
  EXPECT_EQ(read->group, entry.group);
  EXPECT_EQ(read->modified_s, entry.modified_s);
}

TEST(Archive, ASymlinkKeepsItsTarget) {
  ArchiveEntry entry;
  entry.path = "var/run";
  entry.kind = ArchiveEntry::Kind::symlink;
  entry.content = "/run";
  const auto read = first_entry(make_archive({entry}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, ArchiveEntry::Kind::symlink);
  EXPECT_EQ(read->content, "/run");
}

TEST(Archive, TheHeaderAloneIsEnough) {
  ArchiveEntry file;
  file.path = "large";
  file.content.assign(100000, 'x');
  const auto read = first_entry(std::string_view(make_archive({file})).substr(0, 2048));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->path, "large");
  EXPECT_EQ(read->kind, ArchiveEntry::Kind::file);
}

TEST(Archive, NoArchiveHasNoFirstEntry) {
  EXPECT_FALSE(first_entry(""));
  EXPECT_FALSE(first_entry("this is not a tar archive, however long the text may be made"));
  EXPECT_FALSE(first_entry(make_archive({})));
}

}  // namespace
}  // namespace rebottle::worker::docker
