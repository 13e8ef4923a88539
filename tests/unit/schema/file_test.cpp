// The database as a file: its modes, moved and replaced files, tampering, other people's files, checkpoints, two
// writers, and a writer that dies.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "schema/service_lock.hpp"
#include "store_fixture.hpp"

namespace rebottle::schema {
namespace {

using statemachine::Event;
using statemachine::State;
using testing::approval_of;
using testing::epoch_of;
using testing::Folder;
using testing::Foreign;
using ::testing::HasSubstr;

unsigned mode_of(const std::filesystem::path& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 07777U : 0;
}

std::string fatal_error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const StoreError& error) {
    return error.fatal() ? error.what() : std::string("not fatal: ") + error.what();
  }
  return "";
}

std::string insert_of(const std::string& approval_id) {
  return "INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by) VALUES ('" + approval_id +
         "', 'capability_block', 'docker', 'b-" + approval_id + "', '{\"change\":{\"image\":\"i\"}}', 'alice')";
}

class StoreFile : public testing::StoreTest {};

TEST(StoreFileModes, AreTheGroupsWhateverTheUmask) {
  const Folder folder;
  const auto old = ::umask(077);
  const auto store = JobStore::open(folder.path() / "made" / "here" / "rebottle.db", {});
  store->begin_epoch(epoch_of("a"));
  ::umask(old);
  EXPECT_EQ(mode_of(folder.path() / "made" / "here"), 02770U);
  EXPECT_EQ(mode_of(folder.path() / "made" / "here" / "rebottle.db"), 0660U);
  EXPECT_EQ(mode_of(folder.path() / "made" / "here" / "rebottle.db-wal"), 0660U);
  EXPECT_EQ(mode_of(folder.path() / "made" / "here" / "rebottle.db-shm"), 0660U);
}

TEST(StoreFileModes, AnExistingDirectoryKeepsItsMode) {
  const Folder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0700), 0);
  (void)JobStore::open(folder.database(), {});
  EXPECT_EQ(mode_of(folder.path()), 0700U);
}

TEST(StoreFileOpen, WithoutCreateAMissingFileIsNotMade) {
  const Folder folder;
  OpenOptions options;
  options.create = false;
  EXPECT_THROW((void)JobStore::open(folder.database(), options), StoreError);
  EXPECT_THROW((void)OperatorStore::open(folder.database()), StoreError);
  EXPECT_FALSE(std::filesystem::exists(folder.database()));
}

TEST_F(StoreFile, TheSettingsAreThoseOfADurableStore) {
  Foreign foreign(folder_.database());
  EXPECT_EQ(foreign.value("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(foreign.value("PRAGMA encoding"), "UTF-8");
  EXPECT_EQ(foreign.value("PRAGMA integrity_check"), "ok");
}

TEST_F(StoreFile, AMovedFileIsNoticed) {
  store_->check_file();
  std::filesystem::rename(folder_.database(), folder_.path() / "elsewhere.db");
  EXPECT_THAT(fatal_error_of([&] { store_->check_file(); }), HasSubstr("was moved, removed or replaced"));
}

TEST_F(StoreFile, ARemovedFileIsNoticed) {
  std::filesystem::remove(folder_.database());
  EXPECT_THAT(fatal_error_of([&] { store_->check_file(); }), HasSubstr("was moved, removed or replaced"));
}

TEST_F(StoreFile, AReplacedFileIsNoticed) {
  std::filesystem::copy_file(folder_.database(), folder_.path() / "copy.db");
  std::filesystem::rename(folder_.path() / "copy.db", folder_.database());
  EXPECT_THAT(fatal_error_of([&] { store_->check_file(); }), HasSubstr("was moved, removed or replaced"));
}

TEST_F(StoreFile, ARemovedWalIsNoticed) {
  store_->check_file();
  std::filesystem::remove(folder_.database().string() + "-wal");
  EXPECT_THAT(fatal_error_of([&] { store_->check_file(); }), HasSubstr("rebottle.db-wal was moved"));
}

TEST_F(StoreFile, AMovedFolderIsNoticed) {
  const auto elsewhere = folder_.path().string() + "-moved";
  std::filesystem::rename(folder_.path(), elsewhere);
  EXPECT_THAT(fatal_error_of([&] { store_->check_file(); }), HasSubstr("was moved, removed or replaced"));
  std::filesystem::rename(elsewhere, folder_.path());
  store_->check_file();
}

// The lock says that there is one service: without its file there may be two.
TEST(StoreFileLock, ARemovedOrReplacedLockIsNoticed) {
  const Folder folder;
  const auto lock_file = folder.database().string() + ".lock";
  const auto lock = ServiceLock::acquire(folder.database());
  const auto store = JobStore::open(folder.database(), {});
  store->check_file();
  std::filesystem::rename(lock_file, lock_file + ".away");
  EXPECT_THAT(fatal_error_of([&] { store->check_file(); }), HasSubstr("rebottle.db.lock was moved"));
  { std::ofstream(lock_file) << "pid=1"; }
  EXPECT_THAT(fatal_error_of([&] { store->check_file(); }), HasSubstr("rebottle.db.lock was moved"));
  std::filesystem::rename(lock_file + ".away", lock_file);
  store->check_file();
}

TEST_F(StoreFile, AForeignTriggerIsNoticedWhileOpen) {
  Foreign foreign(folder_.database());
  foreign.run("CREATE TABLE theirs (x)");
  EXPECT_THAT(fatal_error_of([&] { store_->check_file(); }), HasSubstr("table theirs is foreign or altered"));
  foreign.run("DROP TABLE theirs");
  store_->check_file();
  foreign.run("CREATE TRIGGER mine AFTER INSERT ON approvals BEGIN DELETE FROM requests; END");
  EXPECT_THAT(fatal_error_of([&] { store_->check_file(); }), HasSubstr("trigger mine is foreign or altered"));
}

TEST_F(StoreFile, StatisticsOfTheQueryPlannerAreNoTampering) {
  Foreign(folder_.database()).run("ANALYZE");
  store_->check_file();
  store_.reset();
  store_ = JobStore::open(folder_.database(), {});
}

TEST_F(StoreFile, TwoWritersWaitForEachOther) {
  Foreign foreign(folder_.database());
  foreign.run("BEGIN IMMEDIATE; " + insert_of("theirs"));
  std::atomic<bool> done = false;
  std::thread ours([&] {
    store_->add_freeze({0, "", "", "r", "bob", 10, {}});
    done = true;
  });
  EXPECT_FALSE(done);  // it can't be before the other one commits
  foreign.run("COMMIT");
  ours.join();
  EXPECT_TRUE(done);
  EXPECT_EQ(foreign.value("SELECT count(*) FROM freezes"), "1");
  EXPECT_EQ(foreign.value("SELECT count(*) FROM jobs"), "1");
}

TEST_F(StoreFile, ManyProducersLoseNothing) {
  constexpr int producers = 4;
  constexpr int rows_each = 40;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  threads.reserve(producers);
  for (int producer = 0; producer < producers; ++producer)
    threads.emplace_back([&, producer] {
      Foreign foreign(folder_.database());
      sqlite3_busy_timeout(foreign.get(), 60'000);
      for (int row = 0; row < rows_each; ++row)
        if (!foreign.refusal(insert_of(std::to_string(producer) + "-" + std::to_string(row))).empty()) ++failed;
    });
  // Meanwhile the service takes what it finds, and checkpoints.
  int claimed = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(50);
  while (claimed < producers * rows_each && std::chrono::steady_clock::now() < deadline) {
    std::vector<std::function<void()>> work;
    for (const auto& job : store_->claimable(10, {{{"docker", 20}}}))
      work.emplace_back(
          [&, id = job.job_id] { claimed += store_->claim(id, epoch_, "t" + std::to_string(id), 20, "w") ? 1 : 0; });
    store_->transaction(work);
    (void)store_->checkpoint();
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(claimed, producers * rows_each);
  EXPECT_EQ(Foreign(folder_.database()).value("PRAGMA integrity_check"), "ok");
}

TEST_F(StoreFile, CheckpointBoundsTheWal) {
  const auto wal = folder_.database().string() + "-wal";
  Foreign foreign(folder_.database());
  foreign.run("PRAGMA wal_autocheckpoint = 0");
  for (int n = 0; n < 600; ++n) {
    foreign.run(insert_of("job-" + std::to_string(n)));
    (void)store_->checkpoint();
  }
  EXPECT_LT(std::filesystem::file_size(wal), 1000U * 4120U);
  EXPECT_EQ(store_->checkpoint(), 0);
}

TEST_F(StoreFile, CheckpointLeavesASmallWalAlone) {
  const auto pages = store_->checkpoint();
  EXPECT_GT(pages, 0);
  EXPECT_LE(pages, 200);
}

TEST_F(StoreFile, AReaderThatNeverEndsMakesTheRestGrowVisibly) {
  Foreign reader(folder_.database());
  reader.run("BEGIN");
  (void)reader.value("SELECT count(*) FROM jobs");
  Foreign foreign(folder_.database());
  foreign.run("PRAGMA wal_autocheckpoint = 0");
  int before = 0;
  for (int round = 0; round < 3; ++round) {
    for (int n = 0; n < 100; ++n) foreign.run(insert_of(std::to_string(round) + "-" + std::to_string(n)));
    const int pages = store_->checkpoint();
    EXPECT_GT(pages, before);
    before = pages;
  }
  EXPECT_GT(before, 1000);
  reader.run("ROLLBACK");
  EXPECT_EQ(store_->checkpoint(), 0);
}

TEST_F(StoreFile, CheckpointIsNoChangeByOthers) {
  Foreign foreign(folder_.database());
  foreign.run("PRAGMA wal_autocheckpoint = 0");
  for (int n = 0; n < 100; ++n) foreign.run(insert_of(std::to_string(n)));
  (void)store_->changed_by_others();
  EXPECT_EQ(store_->checkpoint(), 0);
  EXPECT_FALSE(store_->changed_by_others());
}

// The child dies at a given point of a transaction; the parent looks at what is left.
void die_in_transaction(const std::filesystem::path& path, int items_before_death) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto store = JobStore::open(path, {});
    std::vector<std::function<void()>> work;
    for (int n = 0; n < 4; ++n)
      work.emplace_back([&store, n, items_before_death] {
        if (n == items_before_death) std::raise(SIGKILL);
        store->add_freeze({0, "", "", "r" + std::to_string(n), "bob", 10, {}});
      });
    store->transaction(work);
    std::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(StoreFileCrash, ATransactionIsWholeOrNotThere) {
  for (int items = 0; items <= 4; ++items) {
    const Folder folder;
    (void)JobStore::open(folder.database(), {});
    die_in_transaction(folder.database(), items);
    Foreign foreign(folder.database());
    EXPECT_EQ(foreign.value("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(foreign.value("SELECT count(*) FROM freezes"), items == 4 ? "4" : "0") << items;
  }
}

TEST(StoreFileCrash, AnInterruptedCreationIsFinishedByTheNext) {
  const Folder folder;
  { std::ofstream(folder.database()); }  // made, and nothing more
  const auto store = JobStore::open(folder.database(), {});
  EXPECT_EQ(store->instance_id().size(), 12U);
}

TEST(StoreFileOpen, TwoCreatorsAgreeOnOneDatabase) {
  const Folder folder;
  std::vector<std::string> instances(4);
  std::vector<std::thread> threads;
  for (auto& instance : instances)
    threads.emplace_back([&] { instance = JobStore::open(folder.database(), {})->instance_id(); });
  for (auto& thread : threads) thread.join();
  for (const auto& instance : instances) EXPECT_EQ(instance, instances[0]);
}

}  // namespace
}  // namespace rebottle::schema
