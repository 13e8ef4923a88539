// The hint that wakes an idle service: what it tells, what it leaves out, and that it can be absent.
// Not here: how soon a commit is noticed (store_thread_test.cpp).
#include "worker/engine/write_watch.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

namespace rebottle::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using worker::WriteWatch;

constexpr milliseconds forever{60'000};

class WriteWatchTest : public ::testing::Test {
 protected:
  WriteWatchTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rebottle-watch-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    directory_ = pattern;
    append("rebottle.db");
    append("rebottle.db-wal");
  }
  ~WriteWatchTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void append(const std::string& name) const { std::ofstream(directory_ / name, std::ios::app) << "x"; }

  std::filesystem::path directory_;
};

TEST_F(WriteWatchTest, WriteToTheWalEndsTheWait) {
  WriteWatch watch(directory_ / "rebottle.db");
  ASSERT_TRUE(watch.hints());
  append("rebottle.db-wal");
  watch.wait(forever);

  EXPECT_TRUE(watch.written());
  EXPECT_FALSE(watch.written());
}

TEST_F(WriteWatchTest, OtherFilesAreNotTheDatabase) {
  WriteWatch watch(directory_ / "rebottle.db");
  append("rebottled.log");
  append("other.db-wal");

  EXPECT_FALSE(watch.written());
}

TEST_F(WriteWatchTest, LinkLeadsToTheWalBesideItsTarget) {
  const auto link = std::filesystem::temp_directory_path() / (directory_.filename().string() + ".db");
  std::filesystem::create_symlink(directory_ / "rebottle.db", link);
  WriteWatch watch(link);
  std::filesystem::remove(link);
  append("rebottle.db-wal");

  EXPECT_TRUE(watch.written());
}

TEST_F(WriteWatchTest, MoreWritesThanTheQueueHoldsAreStillAWrite) {
  WriteWatch watch(directory_ / "rebottle.db");
  for (int i = 0; i < 20'000; ++i) append(i % 2 == 0 ? "a" : "b");  // 16384 by default; repeats are one event
  append("rebottle.db-wal");

  EXPECT_TRUE(watch.written());
}

TEST_F(WriteWatchTest, RestIsNotEndedByAWrite) {
  WriteWatch watch(directory_ / "rebottle.db");
  append("rebottle.db-wal");
  const auto begin = steady_clock::now();
  watch.rest(milliseconds(30));

  EXPECT_GE(steady_clock::now() - begin, milliseconds(29));
}

TEST_F(WriteWatchTest, WakeEndsTheWaitOfAnotherThread) {
  WriteWatch watch(directory_ / "rebottle.db");
  const auto begin = steady_clock::now();
  std::thread other([&watch] { watch.wake(); });
  watch.wait(forever);
  other.join();

  EXPECT_LT(steady_clock::now() - begin, forever);
}

TEST_F(WriteWatchTest, WithoutADirectoryItHintsNothingAndStillWakes) {
  WriteWatch watch(directory_ / "missing" / "rebottle.db");
  EXPECT_FALSE(watch.hints());
  EXPECT_FALSE(watch.written());
  watch.wake();
  const auto begin = steady_clock::now();
  watch.wait(forever);

  EXPECT_LT(steady_clock::now() - begin, forever);
}

}  // namespace
}  // namespace rebottle::test
