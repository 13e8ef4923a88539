// One service at a time, known to everyone who looks; and looking never takes the lock.
// Not here: the service that holds the lock.
#include "schema/service_lock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

#include "fixtures.hpp"

namespace rebottle::schema {
namespace {

using testing::Folder;
using ::testing::MatchesRegex;

TEST(ServiceLock, ASecondOneLearnsWhoHoldsIt) {
  const Folder folder;
  auto first = ServiceLock::acquire(folder.database());
  ASSERT_TRUE(std::holds_alternative<ServiceLock>(first));
  std::get<ServiceLock>(first).describe("0.1.0", "2026-11-23T09:00:00Z", 7);
  const auto second = ServiceLock::acquire(folder.database());
  ASSERT_TRUE(std::holds_alternative<ServiceHolder>(second));
  const auto& holder = std::get<ServiceHolder>(second);
  EXPECT_EQ(holder.pid, ::getpid());
  EXPECT_EQ(holder.text, "pid=" + std::to_string(::getpid()) + " version=0.1.0 since=2026-11-23T09:00:00Z epoch=7");
}

TEST(ServiceLock, IsSeenWithoutBeingTaken) {
  const Folder folder;
  EXPECT_EQ(running_service(folder.database()), std::nullopt);
  {
    auto lock = ServiceLock::acquire(folder.database());
    std::get<ServiceLock>(lock).describe("0.1.0-a-rather-long-version", "now", 0);
    std::get<ServiceLock>(lock).describe("0.1.0", "now", 7);
    ASSERT_TRUE(running_service(folder.database()));
    EXPECT_THAT(running_service(folder.database())->text, MatchesRegex("pid=[0-9]+ version=0.1.0 since=now epoch=7"));
    EXPECT_TRUE(std::holds_alternative<ServiceHolder>(ServiceLock::acquire(folder.database())));
  }
  EXPECT_EQ(running_service(folder.database()), std::nullopt);
  EXPECT_TRUE(std::holds_alternative<ServiceLock>(ServiceLock::acquire(folder.database())));
}

TEST(ServiceLock, OldTextIsNotTheNewHolders) {
  const Folder folder;
  std::ofstream(folder.database().string() + ".lock") << "pid=1 version=old since=then epoch=1\n";
  EXPECT_EQ(running_service(folder.database()), std::nullopt);
  const auto lock = ServiceLock::acquire(folder.database());
  ASSERT_TRUE(running_service(folder.database()));
  EXPECT_EQ(running_service(folder.database())->text, "");
  EXPECT_EQ(running_service(folder.database())->pid, 0);
}

TEST(ServiceLock, EverySpellingOfThePathIsOneLock) {
  const Folder folder;
  (void)JobStore::open(folder.database(), {});
  std::filesystem::create_symlink(folder.database(), folder.path() / "link.db");
  std::filesystem::create_directory(folder.path() / "sub");
  const auto lock = ServiceLock::acquire(folder.database());
  EXPECT_TRUE(running_service(folder.path() / "link.db"));
  EXPECT_TRUE(running_service(folder.path() / "sub" / ".." / "rebottle.db"));
}

TEST(ServiceLock, MovesWithItsOwner) {
  const Folder folder;
  auto acquired = ServiceLock::acquire(folder.database());
  std::optional<ServiceLock> owner(std::get<ServiceLock>(std::move(acquired)));
  EXPECT_TRUE(running_service(folder.database()));
  owner.reset();
  EXPECT_EQ(running_service(folder.database()), std::nullopt);
}

TEST(ServiceLock, ADeadHolderHoldsNothing) {
  const Folder folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = ServiceLock::acquire(folder.database());
    const char byte = std::holds_alternative<ServiceLock>(lock) ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_TRUE(running_service(folder.database()));
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(running_service(folder.database()), std::nullopt);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(ServiceLock, SaysWhyItCannotBeMade) {
  EXPECT_THROW((void)ServiceLock::acquire("/proc/no/such/rebottle.db"), StoreError);
  EXPECT_EQ(running_service("/no/such/folder/rebottle.db"), std::nullopt);
}

}  // namespace
}  // namespace rebottle::schema
