// Files that appear whole or not at all. Not here: what is in them.
#include "worker/backends/docker/files.hpp"

#include <cstdlib>

#include <gtest/gtest.h>

namespace rebottle::worker::docker {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "rebottle-files-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override { fs::remove_all(folder); }
  fs::path folder;
};

TEST_F(Files, AreThereOnlyOnceSealedAndForTheOwnerAlone) {
  const auto path = folder / "job" / "file";
  FileWriter writer(path);
  EXPECT_TRUE(writer.write("content"));
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(writer.seal()) << writer.error();
  EXPECT_EQ(read_file(path), "content");
  EXPECT_EQ(writer.bytes(), 7);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(fs::status(path.parent_path()).permissions(), fs::perms::owner_all);
}

TEST_F(Files, LeaveNothingWhenTheyAreNotSealed) {
  {
    FileWriter writer(folder / "file");
    EXPECT_TRUE(writer.write("half"));
  }
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(Files, ReplaceAnEarlierOneWhole) {
  for (const auto* const content : {"first and longer", "second"}) {
    FileWriter writer(folder / "file");
    EXPECT_TRUE(writer.write(content));
    EXPECT_TRUE(writer.seal());
  }
  EXPECT_EQ(read_file(folder / "file"), "second");
}

TEST_F(Files, SayWhatWentWrong) {
  FileWriter writer(folder / "no" / "such" / "directory" / "file");
  EXPECT_FALSE(writer.write("x"));
  EXPECT_FALSE(writer.seal());
  EXPECT_NE(writer.error().find("No such file"), std::string::npos) << writer.error();
}

}  // namespace
}  // namespace rebottle::worker::docker
