// Archives of the import directories, found by what they hold. Not here: what an archive must be.
#include <filesystem>
#include <fstream>

#include <stdlib.h>

#include <gtest/gtest.h>

#include "worker/backends/smolmachines/image_file.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

TEST(Archives, AreFoundByWhatTheyHold) {
  std::string pattern = std::filesystem::temp_directory_path() / "rebottle-index-XXXXXX";
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  std::filesystem::create_directory(folder / "sub");
  std::ofstream(folder / "sub/one.tar") << "one";
  std::ofstream(folder / "two.tar") << "two";
  std::filesystem::create_symlink("two.tar", folder / "a-link.tar");
  SmolmachinesConfig config;
  config.import_dirs = {folder / "nowhere", folder};
  ArchiveIndex index;
  EXPECT_EQ(index.find(config, sha256_hex("one")), folder / "sub/one.tar");
  EXPECT_EQ(index.find(config, sha256_hex("two")), folder / "two.tar");
  EXPECT_EQ(index.find(config, sha256_hex("three")), "");
  std::ofstream(folder / "two.tar") << "three";
  EXPECT_EQ(index.find(config, sha256_hex("three")), folder / "two.tar");
  EXPECT_EQ(index.find(config, sha256_hex("two")), "");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace rebottle::worker::smolmachines
