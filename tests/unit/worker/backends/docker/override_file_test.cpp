// The override file: replaced and put back whole, from whatever point a worker died at. Not here: when (override_step).
#include "worker/backends/docker/override_file.hpp"

#include <cstdlib>
#include <fstream>
#include <set>

#include <sys/stat.h>

#include <gmock/gmock.h>

namespace rebottle::worker::docker {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OverrideFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "rebottle-override-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    path = folder / "Dockerfile";
  }
  void TearDown() override { fs::remove_all(folder); }
  void write(const fs::path& to, const std::string& content) const { std::ofstream(to) << content; }
  [[nodiscard]] std::string content() const { return held_by(path).content.value_or("nothing"); }
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> out;
    for (const auto& one : fs::directory_iterator(folder)) out.insert(one.path().filename().string());
    return out;
  }
  [[nodiscard]] OverrideFile file() const { return {path, "ab-1"}; }

  fs::path folder;
  fs::path path;
};

TEST_F(OverrideFiles, KeepWhatTheyReplaceWithItsMode) {
  write(path, "before");
  ::chmod(path.c_str(), 0664);
  EXPECT_EQ(file().replace("changed"), "");
  EXPECT_EQ(content(), "changed");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0664));
  EXPECT_THAT(names(), ElementsAre("Dockerfile", "Dockerfile.before-ab-1"));
  EXPECT_EQ(held_by(file().kept()).content, "before");
  EXPECT_EQ(file().put_back(true, true), "");
  EXPECT_EQ(content(), "before");
  EXPECT_THAT(names(), ElementsAre("Dockerfile"));
}

TEST_F(OverrideFiles, AreGoneAgainWhereThereWereNone) {
  EXPECT_EQ(file().replace("changed"), "");
  EXPECT_EQ(content(), "changed");
  EXPECT_EQ(file().put_back(true, false), "");
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(OverrideFiles, CanBeTakenAwayAndPutBack) {
  write(path, "before");
  EXPECT_EQ(file().replace(std::nullopt), "");
  EXPECT_THAT(names(), ElementsAre("Dockerfile.before-ab-1"));
  EXPECT_EQ(file().put_back(true, true), "");
  EXPECT_EQ(content(), "before");
}

TEST_F(OverrideFiles, GoOnFromWhereADeadWorkerLeftThem) {
  write(path, "before");
  // It had kept the old one and written half of the new one.
  fs::create_hard_link(path, file().kept());
  write(path.string() + ".new-ab-1", "chan");
  EXPECT_TRUE(file().has_new());
  EXPECT_TRUE(file().has_kept());
  EXPECT_EQ(file().replace("changed"), "");
  EXPECT_EQ(content(), "changed");
  EXPECT_EQ(held_by(file().kept()).content, "before");
  EXPECT_FALSE(file().has_new());
}

TEST_F(OverrideFiles, ARollBackClearsWhatADeadWorkerLeft) {
  write(path, "before");
  fs::create_hard_link(path, file().kept());
  write(path.string() + ".new-ab-1", "chan");
  EXPECT_EQ(file().put_back(false, true), "");
  EXPECT_EQ(content(), "before");
  EXPECT_THAT(names(), ElementsAre("Dockerfile"));
}

TEST_F(OverrideFiles, NeverTouchSomeoneElsesFileUnderTheNameToKeep) {
  write(path, "before");
  write(file().kept(), "theirs");
  EXPECT_THAT(file().replace("changed"), HasSubstr("keep what is there as"));
  EXPECT_EQ(content(), "before");
  EXPECT_EQ(held_by(file().kept()).content, "theirs");
}

TEST_F(OverrideFiles, LinksPipesAndHugeFilesAreNoDockerfiles) {
  fs::create_symlink("/etc/passwd", path);
  EXPECT_EQ(held_by(path).error, "is a link");
  fs::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(held_by(path).error, "is no regular file");
  fs::remove(path);
  write(path, "");
  fs::resize_file(path, std::uintmax_t{1} << 34);  // sparse
  EXPECT_EQ(held_by(path).error, "is larger than a Dockerfile can be");
  fs::remove(path);
  EXPECT_EQ(held_by(path).error, "");
  EXPECT_EQ(held_by(path).content, std::nullopt);
}

TEST_F(OverrideFiles, WhatCannotBeWrittenLeavesNothing) {
  write(path, "before");
  fs::remove_all(folder / "gone");
  const OverrideFile elsewhere(folder / "gone" / "Dockerfile", "ab-1");
  EXPECT_THAT(elsewhere.replace("changed"), HasSubstr("No such file"));
  EXPECT_THAT(names(), ElementsAre("Dockerfile"));
}

}  // namespace
}  // namespace rebottle::worker::docker
