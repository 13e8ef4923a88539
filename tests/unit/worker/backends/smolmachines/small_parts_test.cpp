// Versions, names, labels, the engine's errors, disk headers: the parts that only look at what they are given.
// Not here: processes.
#include <array>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <functional>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/backends/smolmachines/calls.hpp"
#include "worker/backends/smolmachines/disks.hpp"
#include "worker/backends/smolmachines/host.hpp"
#include "worker/backends/smolmachines/image_file.hpp"
#include "worker/backends/smolmachines/names.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Version, IsReadFromWhatTheEngineSays) {
  EXPECT_THAT(version_numbers("smolvm 1.32.2\n"), ElementsAre(1, 32, 2));
  EXPECT_THAT(version_numbers("1.9"), ElementsAre(1, 9));
  EXPECT_THAT(version_numbers("smolvm 2.0.0-rc.1"), ElementsAre(2, 0, 0));
  EXPECT_THAT(version_numbers("nonsense"), IsEmpty());
  EXPECT_LT(version_numbers("1.9.2"), version_numbers("1.32.0"));
}

TEST(EngineError, IsTheLastLineThatIsOne) {
  const auto error = engine_error(
      "\x1b[33m WARN\x1b[0m something\n{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"vm not found: a\"}}\n");
  EXPECT_EQ(error.code, "NOT_FOUND");
  EXPECT_EQ(error.message, "vm not found: a");
  EXPECT_EQ(engine_error("Error: text\n").code, "");
  EXPECT_EQ(engine_error("{\"error\":{}}").code, "SMOLVM_ERROR");
  EXPECT_EQ(engine_error("{\"error\" broken").code, "SMOLVM_ERROR");
  EXPECT_EQ(engine_error("").code, "");
}

TEST(Failure, OnlyMistakesStayOnes) {
  Answer answer;
  answer.reach = Reach::answered;
  answer.exit_code = 1;
  for (const auto* code : {"CONFIG_ERROR", "NOT_FOUND", "KVM_UNAVAILABLE"}) {
    answer.error_code = code;
    EXPECT_EQ(failure(answer, "try").outcome, Outcome::permanent) << code;
  }
  for (const auto* code : {"SMOLVM_ERROR", "CONFLICT", "PORT_IN_USE", "STORAGE_ERROR", "NEW_WORD", ""}) {
    answer.error_code = code;
    EXPECT_EQ(failure(answer, "try").outcome, Outcome::transient) << code;
  }
  answer.exit_code = 2;
  EXPECT_EQ(failure(answer, "try").outcome, Outcome::permanent) << "usage";
  answer.reach = Reach::timeout;
  EXPECT_EQ(failure(answer, "try").outcome, Outcome::unreachable);
  answer.reach = Reach::busy;
  EXPECT_EQ(failure(answer, "try").outcome, Outcome::unreachable);
  answer.reach = Reach::ended;
  EXPECT_EQ(failure(answer, "try").outcome, Outcome::unknown);
}

TEST(MachineName, IsWhatTheEngineAcceptsAndSafeAsAFileName) {
  for (const auto* good : {"dev", "B5", "b_5", "b5-r1", "0"}) EXPECT_TRUE(valid_machine_name(good)) << good;
  for (const auto* bad : {"", "-x", "_x", "b.5", "a b", "x/y", "..", "\xc3\xa4"})
    EXPECT_FALSE(valid_machine_name(bad)) << bad;
  EXPECT_TRUE(valid_machine_name(std::string(200, 'x')));
  EXPECT_FALSE(valid_machine_name(std::string(201, 'x')));
  EXPECT_EQ(revision_name("dev", 3), "dev-r3");
}

TEST(Labels, AreOursAndTheOthersOfTheOldMachine) {
  JobContext job;
  job.bottle = "dev";
  job.job_key = "x-9";
  job.fence = 4;
  const json old = {
      {"labels", {{"owner", "exo"}, {"job", "nightly"}, {"io.rebottle.rev", "7"}, {"io.rebottle.job", "x-3"}}}};
  const auto options = label_options(job, 8, "abcdef0123456789", old);
  EXPECT_THAT(options,
              ElementsAre("--label=io.rebottle.managed-by=rebottle", "--label=io.rebottle.bottle=dev",
                          "--label=io.rebottle.rev=8", "--label=io.rebottle.job=x-9", "--label=io.rebottle.fence=4",
                          "--label=io.rebottle.spec=abcdef012345", "--label=job=nightly", "--label=owner=exo"));
}

// ---- the index of archives ----

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

TEST(Environment, KeepsTheEnginesSettingsButNotItsDefaultMachine) {
  ::setenv("SMOLVM_LIB_DIR", "/opt/lib", 1);
  ::setenv("SMOLVM_MACHINE_NAME", "wrong", 1);
  ::setenv("REBOTTLE_SECRET", "x", 1);
  const auto environment = child_environment(300);
  EXPECT_THAT(environment, Contains("SMOLVM_LIB_DIR=/opt/lib"));
  EXPECT_THAT(environment, Contains("NO_COLOR=1"));
  EXPECT_THAT(environment, Contains("SMOLVM_AGENT_READY_TIMEOUT_SECS=300"));
  EXPECT_THAT(environment, Not(Contains(HasSubstr("wrong"))));
  EXPECT_THAT(environment, Not(Contains(HasSubstr("REBOTTLE"))));
  ::unsetenv("SMOLVM_LIB_DIR");
  ::unsetenv("SMOLVM_MACHINE_NAME");
}

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
  EXPECT_EQ(seen_by_child(folder_, refuse_leases), Writers::none);
  {
    const std::ifstream read_only(path, std::ios::binary);
    EXPECT_EQ(seen_by_child(folder_, refuse_leases), Writers::none);
    const std::ofstream held(path, std::ios::binary | std::ios::app);
    EXPECT_EQ(seen_by_child(folder_, refuse_leases), Writers::some);
  }
  EXPECT_EQ(seen_by_child(folder_, refuse_leases), Writers::none);
}

TEST_F(Disk, WhereNobodyTellsItIsNotKnown) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody who may not look";
  qcow2("");
  std::ofstream(folder_ / "storage.raw") << "x";
  const auto become_nobody = [] {
    constexpr uid_t nobody = 65534;
    if (::setuid(nobody) != 0) ::_exit(99);
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

TEST_F(Disk, TheyDoSoOnAFileSystemThatTheChangeHasFilled) {
  for (const auto* name : {"from", "to"}) std::filesystem::create_directory(folder_ / name);
  const auto to = folder_ / "to";
  if (::mount("none", to.c_str(), "tmpfs", 0, "size=4m") != 0) GTEST_SKIP() << "no file system can be mounted here";
  const std::string old(3 << 20, 'o');
  std::ofstream(folder_ / "from/a") << old;
  std::ofstream(to / "a") << std::string(1 << 20, 'n');
  std::ofstream(to / "b") << std::string(16 << 20, 'n');  // as much as there is room for
  std::ofstream(folder_ / "from/b") << "old";
  EXPECT_EQ(move_over(folder_ / "from", to, {"a", "b"}), "");
  EXPECT_EQ(content(to / "a"), old);
  EXPECT_EQ(content(to / "b"), "old");
  EXPECT_EQ(::umount(to.c_str()), 0);
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
