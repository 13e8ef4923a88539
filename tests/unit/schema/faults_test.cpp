// What the store does when the disk is full, when I/O fails at any call, and in the window of SQLite's WAL-reset bug.
// Not here: refusals of single rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fault_vfs.hpp"
#include "store_fixture.hpp"

namespace rebottle::schema {
namespace {

using ::testing::AnyOf;
using testing::approval_of;
using testing::epoch_of;
using ::testing::Eq;
using testing::FaultVfs;
using testing::Folder;
using testing::Foreign;

std::function<void()> freeze(JobStore& store, const std::string& reason) {
  return [&store, reason] { store.add_freeze({0, "", "", reason, "bob", 10, {}}); };
}

TEST(StoreFaults, AFullDiskRollsBackAndTheStoreGoesOn) {
  FaultVfs vfs;
  const Folder folder;
  const auto store = JobStore::open(folder.database(), {});
  vfs.on_write = [] { return SQLITE_FULL; };
  try {
    store->transaction({freeze(*store, "one"), freeze(*store, "two")});
    ADD_FAILURE() << "the disk was full";
  } catch (const StoreError& error) {
    EXPECT_TRUE(error.disk_full());
    EXPECT_FALSE(error.fatal());
  }
  EXPECT_TRUE(store->freezes(20).empty());
  vfs.on_write = nullptr;
  store->transaction({freeze(*store, "three")});
  ASSERT_EQ(store->freezes(20).size(), 1U);
  EXPECT_EQ(store->freezes(20)[0].reason, "three");
}

TEST(StoreFaults, AFullDiskInTheMiddleOfAnItemRollsAllBack) {
  FaultVfs vfs;
  const Folder folder;
  const auto store = JobStore::open(folder.database(), {});
  // More than the page cache holds is written before the commit.
  const std::string large(3 << 20, 'x');
  std::vector<std::function<void()>> work{freeze(*store, "small")};
  for (int n = 0; n < 4; ++n) work.push_back(freeze(*store, large));
  work.push_back(freeze(*store, "last"));
  vfs.on_write = [] { return SQLITE_FULL; };
  EXPECT_THROW(store->transaction(work), StoreError);
  vfs.on_write = nullptr;
  EXPECT_TRUE(store->freezes(20).empty());
  store->transaction({freeze(*store, "again")});
  EXPECT_EQ(store->freezes(20).size(), 1U);
}

// Fails the n-th write or sync of a transaction, then the n+1-th, until none is hit any more.
void sweep(int code, bool at_sync) {
  int reached = 0;
  for (int failing = 1;; ++failing) {
    FaultVfs vfs;
    const Folder folder;
    auto store = JobStore::open(folder.database(), {});
    int calls = 0;
    const auto hook = [&] { return ++calls == failing ? code : SQLITE_OK; };
    (at_sync ? vfs.on_sync : vfs.on_write) = hook;
    bool threw = false;
    try {
      store->transaction({freeze(*store, "one"), freeze(*store, "two")});
    } catch (const StoreError& error) {
      threw = true;
      EXPECT_TRUE(error.fatal()) << error.what();
    }
    vfs.on_write = vfs.on_sync = nullptr;
    EXPECT_EQ(threw, calls >= failing);
    store.reset();
    Foreign foreign(folder.database());
    EXPECT_EQ(foreign.value("PRAGMA integrity_check"), "ok");
    // Without an error both are there; after a fatal one either none or both: nobody was told.
    const auto rows = foreign.value("SELECT count(*) FROM freezes");
    if (threw)
      EXPECT_THAT(rows, AnyOf(Eq("0"), Eq("2")));
    else
      EXPECT_EQ(rows, "2");
    if (!threw) break;
    ++reached;
  }
  EXPECT_GT(reached, 0);
}

TEST(StoreFaults, AFailedWriteIsFatalWhereverItComes) { sweep(SQLITE_IOERR_WRITE, false); }
TEST(StoreFaults, AFailedSyncIsFatalWhereverItComes) { sweep(SQLITE_IOERR_FSYNC, true); }

TEST(StoreFaults, AFailedCheckpointIsReported) {
  FaultVfs vfs;
  const Folder folder;
  const auto store = JobStore::open(folder.database(), {});
  store->add_freeze({0, "", "", std::string(1 << 20, 'x'), "bob", 10, {}});
  vfs.on_write = [] { return SQLITE_IOERR_WRITE; };
  EXPECT_THROW((void)store->checkpoint(), StoreError);
  vfs.on_write = [] { return SQLITE_FULL; };
  try {
    (void)store->checkpoint();
    ADD_FAILURE() << "the disk was full";
  } catch (const StoreError& error) {
    EXPECT_TRUE(error.disk_full());
    EXPECT_FALSE(error.fatal());
  }
  vfs.on_write = nullptr;
  EXPECT_EQ(store->checkpoint(), 0);
}

// The bug: between reading the WAL's header and its back-fill counter, a checkpoint calls xUnfetch. What another
// connection commits in that moment, resetting the WAL, is later lost.
class WalReset : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = JobStore::open(folder_.database(), {});
    other_ = std::make_unique<Foreign>(folder_.database());
    sqlite3_busy_timeout(other_->get(), 0);
    other_->run(
        "PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); CREATE INDEX t_a ON t (a);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
        "INSERT INTO t SELECT i, i, printf('%.*c', 3000, 'x') FROM n");
  }

  // `checkpoint` is the one on trial. Returns what the file is like afterwards.
  std::string run(const std::function<void()>& checkpoint) {
    update_all(1000);
    checkpoint();
    // The other one writes all, and copies all back: the WAL may be reset at the next commit, and the header that
    // the checkpointer remembers is stale.
    update_all(2000);
    sqlite3_wal_checkpoint_v2(other_->get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    vfs_.on_unfetch = [this] {
      vfs_.on_unfetch = nullptr;
      ++windows_;
      refusal_in_window_ = other_->refusal("UPDATE t SET a = a + 10000 WHERE id <= 3");
    };
    checkpoint();
    vfs_.on_unfetch = nullptr;
    update_all(100'000);
    checkpoint();
    store_.reset();
    other_.reset();
    Foreign fresh(folder_.database());
    return fresh.value("PRAGMA integrity_check");
  }
  void update_all(int by) { other_->run("UPDATE t SET a = a + " + std::to_string(by) + ", b = b"); }

  FaultVfs vfs_;
  Folder folder_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<Foreign> other_;
  int windows_ = 0;
  std::string refusal_in_window_;
};

TEST_F(WalReset, TheGuardedCheckpointKeepsTheFileSound) {
  EXPECT_EQ(run([this] { (void)store_->checkpoint(); }), "ok");
  EXPECT_EQ(windows_, 1);
  EXPECT_EQ(refusal_in_window_, "database is locked");
}

// The negative control: the same events without the guard.
TEST_F(WalReset, WithoutTheGuardAnAffectedLibraryCorruptsIt) {
  constexpr int fixed_in = 3'051'003;
  const int version = sqlite3_libversion_number();
  if (version >= fixed_in || version == 3'044'006 || version == 3'050'007)
    GTEST_SKIP() << "SQLite " << sqlite3_libversion() << " has the fix";
  const auto checkpointer = std::make_unique<Foreign>(folder_.database());
  (void)checkpointer->value("SELECT count(*) FROM t");  // or it would not know of a WAL
  const auto result =
      run([&] { sqlite3_wal_checkpoint_v2(checkpointer->get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr); });
  EXPECT_EQ(windows_, 1);
  EXPECT_EQ(refusal_in_window_, "");
  EXPECT_NE(result, "ok");
}

}  // namespace
}  // namespace rebottle::schema
