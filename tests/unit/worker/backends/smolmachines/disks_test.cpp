// Disks of machines: who writes to them, what they grow on, copies of them, and their way back.
// Not here: when that is done (tests/smolmachines).
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/backends/smolmachines/disks.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Disk : public ::testing::Test {
 protected:
  Disk() { std::filesystem::create_directory(folder_); }
  ~Disk() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path qcow2(const std::string& backing) {
    std::string header(1024, '\0');
    header.replace(0, 4, "QFI\xfb");
    if (!backing.empty()) {
      header[14] = 2;  // at byte 512
      header[18] = static_cast<char>(backing.size() >> 8U);
      header[19] = static_cast<char>(backing.size() & 0xFFU);
      header.replace(512, backing.size(), backing);
    }
    const auto path = folder_ / "overlay.qcow2";
    std::ofstream(path, std::ios::binary) << header;
    return path;
  }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("rebottle-disk-" + std::to_string(::getpid()));
};

TEST_F(Disk, WhatTheEngineOnlyReadsMayBeUnderIt) {
  EXPECT_EQ(copy_problem(qcow2("")), "");
  const auto seeds = folder_ / "image-seeds";
  std::filesystem::create_directory(seeds);
  for (const auto& path : {folder_ / "overlay-template.ext4", seeds / "storage.qcow2"}) {
    EXPECT_THAT(copy_problem(qcow2(path)), HasSubstr("not there"));
    std::ofstream(path) << "x";
    EXPECT_EQ(copy_problem(qcow2(path)), "");
  }
}

TEST_F(Disk, NothingElseMay) {
  for (const auto* backing :
       {"/var/lib/smolvm/.cache/smolvm/vms/1234/overlay-template.ext4", "/x/base.img", "overlay-template.ext4"})
    EXPECT_THAT(copy_problem(qcow2(backing)), HasSubstr("grows on")) << backing;
  EXPECT_THAT(copy_problem(qcow2(std::string(500, 'x'))), HasSubstr("grows on"));
  EXPECT_THAT(copy_problem(folder_ / "none.qcow2"), HasSubstr("cannot read"));
}

TEST_F(Disk, ANoQcow2FileUnderThatNameIsNoDisk) {
  std::ofstream(folder_ / "overlay.qcow2") << std::string(1024, 'x');
  EXPECT_THAT(copy_problem(folder_ / "overlay.qcow2"), HasSubstr("no qcow2"));
  std::ofstream(folder_ / "overlay.raw") << std::string(1024, 'x');
  EXPECT_EQ(copy_problem(folder_ / "overlay.raw"), "");
}

TEST_F(Disk, BothMustBeThereOnce) {
  qcow2("");
  EXPECT_THAT(disk_names(folder_), IsEmpty());
  std::ofstream(folder_ / "storage.raw") << "x";
  EXPECT_THAT(disk_names(folder_), ElementsAre("overlay.qcow2", "storage.raw"));
  std::ofstream(folder_ / "storage.qcow2") << "x";
  EXPECT_THAT(disk_names(folder_), IsEmpty());
}

TEST_F(Disk, AnotherFormThanIsKnownIsLookedAtToo) {
  EXPECT_EQ(disk_use(folder_ / "nowhere").writers, Writers::no_disks);
  EXPECT_EQ(disk_use(folder_).writers, Writers::no_disks);
  std::ofstream(folder_ / "other.raw") << "x";
  EXPECT_EQ(disk_use(folder_).writers, Writers::no_disks);
  const std::ofstream held(folder_ / "overlay.vhd", std::ios::binary);
  EXPECT_EQ(disk_use(folder_).writers, Writers::some);
}

TEST_F(Disk, OpenForWritingIsSeen) {
  const auto path = qcow2("");
  std::ofstream(folder_ / "storage.raw") << "x";
  EXPECT_EQ(disk_use(folder_).writers, Writers::none);
  {
    const std::ofstream held(path, std::ios::binary | std::ios::app);
    EXPECT_EQ(disk_use(folder_).writers, Writers::some);
    EXPECT_EQ(disk_use(folder_).disk, "overlay.qcow2");
  }
  EXPECT_EQ(disk_use(folder_).writers, Writers::none);
}

// What a child of this process finds there, after `become`.
Writers seen_by_child(const std::filesystem::path& folder, const std::function<void()>& become) {
  const auto child = ::fork();
  if (child == 0) {
    become();
    ::_exit(static_cast<int>(disk_use(folder).writers));
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  return static_cast<Writers>(WEXITSTATUS(status));
}

void refuse_leases() {
  std::array<sock_filter, 6> program = {{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 3),
                                         BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
                                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETLEASE, 0, 1),
                                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
                                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog filter{program.size(), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    ::_exit(99);
}

TEST_F(Disk, WhereThereAreNoLeasesTheProcessesAreLookedAt) {
  const auto path = qcow2("");
  std::ofstream(folder_ / "storage.raw") << "x";
  // Root sees all; a user's session may have processes that let nobody look.
  const auto unused = ::geteuid() == 0 ? Writers::none : seen_by_child(folder_, refuse_leases);
  EXPECT_NE(unused, Writers::some);
  EXPECT_EQ(seen_by_child(folder_, refuse_leases), unused);
  {
    const std::ifstream read_only(path, std::ios::binary);
    EXPECT_EQ(seen_by_child(folder_, refuse_leases), unused);
    const std::ofstream held(path, std::ios::binary | std::ios::app);
    EXPECT_EQ(seen_by_child(folder_, refuse_leases), Writers::some);
  }
  EXPECT_EQ(seen_by_child(folder_, refuse_leases), unused);
}

// A process of the disks' owner that lets nobody else look at it.
class ClosedProcess {
 public:
  ClosedProcess() {
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      if (::prctl(PR_SET_DUMPABLE, 0) == 0 && ::write(ends[1], "x", 1) == 1) ::pause();
      ::_exit(1);
    }
    char ready = 0;
    ::close(ends[1]);
    EXPECT_EQ(::read(ends[0], &ready, 1), 1);
    ::close(ends[0]);
  }
  ~ClosedProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ClosedProcess(const ClosedProcess&) = delete;
  ClosedProcess& operator=(const ClosedProcess&) = delete;

 private:
  pid_t pid_ = -1;
};

TEST_F(Disk, WhereNobodyTellsItIsNotKnown) {
  qcow2("");
  std::ofstream(folder_ / "storage.raw") << "x";
  const ClosedProcess process;
  const auto become_nobody = [] {
    constexpr uid_t nobody = 65534;
    if (::geteuid() == 0 && ::setuid(nobody) != 0) ::_exit(99);  // root may look at everything
    refuse_leases();
  };
  EXPECT_EQ(seen_by_child(folder_, become_nobody), Writers::unknown);
}

std::string content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(Disk, CopiesTakeThePlaceOfWhatWasChanged) {
  for (const auto* name : {"from", "to"}) std::filesystem::create_directory(folder_ / name);
  for (const auto* name : {"from/a", "from/b", "to/a"}) std::ofstream(folder_ / name) << name;
  EXPECT_EQ(move_over(folder_ / "from", folder_ / "to", {"a", "b"}), "");
  EXPECT_EQ(content(folder_ / "to/a") + content(folder_ / "to/b"), "from/afrom/b");
  EXPECT_THAT(move_over(folder_ / "from", folder_ / "to", {"a"}), HasSubstr("put back"));
  EXPECT_EQ(content(folder_ / "to/a"), "from/a");
}

// For this process alone, as root of a user namespace that has nobody else: so that any user can.
bool mount_small_file_system(const std::filesystem::path& place) {
  const auto user = std::to_string(::geteuid());
  const auto group = std::to_string(::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 " + user + " 1";
  std::ofstream("/proc/self/gid_map") << "0 " + group + " 1";
  return ::mount("none", place.c_str(), "tmpfs", 0, "size=4m") == 0;
}

TEST_F(Disk, TheyDoSoOnAFileSystemThatTheChangeHasFilled) {
  for (const auto* name : {"from", "to"}) std::filesystem::create_directory(folder_ / name);
  const auto child = ::fork();
  if (child == 0) {
    const auto to = folder_ / "to";
    EXPECT_TRUE(mount_small_file_system(to)) << "user namespaces are needed: " << std::strerror(errno);
    const std::string old(3 << 20, 'o');
    std::ofstream(folder_ / "from/a") << old;
    std::ofstream(to / "a") << std::string(1 << 20, 'n');
    std::ofstream(to / "b") << std::string(16 << 20, 'n');  // as much as there is room for
    std::ofstream(folder_ / "from/b") << "old";
    EXPECT_EQ(move_over(folder_ / "from", to, {"a", "b"}), "");
    EXPECT_TRUE(content(to / "a") == old);
    EXPECT_EQ(content(to / "b"), "old");
    std::fflush(nullptr);
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "to")) << "nothing was mounted";
}

// As the unit's SystemCallFilter=~@privileged does it: no file is given to anybody, not even to its owner.
void refuse_fchown() {
  std::array<sock_filter, 4> program = {{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchown, 0, 1),
                                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog filter{program.size(), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    ::_exit(1);
}

TEST_F(Disk, ACopyOfOnesOwnNeedsNoChangeOfOwner) {
  const auto from = folder_ / "from.raw";
  std::ofstream(from) << "content";
  const auto child = ::fork();
  if (child == 0) {
    refuse_fchown();
    const auto error = copy_sparse(from, folder_ / "to.raw");
    ::_exit(error.empty() && ::fchown(0, ::geteuid(), ::getegid()) == -1 ? 0 : 2);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(std::filesystem::file_size(folder_ / "to.raw"), 7U);
}

TEST_F(Disk, ACopyKeepsHolesAndMode) {
  const auto from = folder_ / "from.raw";
  {
    std::ofstream out(from, std::ios::binary);
    out << "begin";
    out.seekp(64 << 20);
    out << "end";
  }
  std::filesystem::permissions(from, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write |
                                         std::filesystem::perms::others_read);
  ASSERT_EQ(copy_sparse(from, folder_ / "to.raw"), "");
  EXPECT_EQ(std::filesystem::file_size(folder_ / "to.raw"), (64U << 20U) + 3);
  EXPECT_LT(real_size(folder_ / "to.raw"), 1 << 20);
  EXPECT_EQ(std::filesystem::status(folder_ / "to.raw").permissions(), std::filesystem::status(from).permissions());
  std::ifstream in(folder_ / "to.raw", std::ios::binary);
  std::string word(5, '\0');
  in.read(word.data(), 5);
  EXPECT_EQ(word, "begin");
  in.seekg(64 << 20);
  word.resize(3);
  in.read(word.data(), 3);
  EXPECT_EQ(word, "end");
  EXPECT_THAT(copy_sparse(folder_ / "none", folder_ / "x"), HasSubstr("cannot read"));
}

}  // namespace
}  // namespace rebottle::worker::smolmachines
