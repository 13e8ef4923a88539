// What of a guest's archive is trusted: real tars, and headers as only somebody with a purpose would write them.
// Not here: how it is fetched.
#include "worker/backends/smolmachines/path_archive.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace rebottle::worker::smolmachines {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string octal(std::uint64_t number, int digits) {
  std::string out(static_cast<std::size_t>(digits) + 2, '\0');
  std::snprintf(out.data(), out.size(), "%0*llo", digits, static_cast<unsigned long long>(number));
  return out.substr(0, static_cast<std::size_t>(digits) + 1);
}

struct Made {
  char type = '0';
  std::string name;
  std::string target;
  std::string content;
  std::string first;  // of the name, as POSIX has it
  bool posix = true;
};

std::string entry(const Made& made) {
  std::string block(512, '\0');
  const auto put = [&block](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  put(0, made.name);
  put(100, octal(0644, 7));
  put(124, octal(made.content.size(), 11));
  block[156] = made.type;
  put(157, made.target);
  put(257, made.posix ? std::string("ustar\0"
                                    "00",
                                    8)
                      : std::string("ustar  \0", 8));
  put(345, made.first);
  put(148, "        ");
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6));
  block += made.content;
  block.resize((block.size() + 511) / 512 * 512, '\0');
  return block;
}

std::string pax(const std::string& key, const std::string& value) {
  const auto body = " " + key + "=" + value + "\n";
  const auto size = body.size() + 2;
  return entry({'x', "pax", "", std::to_string(size) + body, "", true});
}

class Archive : public ::testing::Test {
 protected:
  Archive() { std::filesystem::create_directories(folder_); }
  ~Archive() override { std::filesystem::remove_all(folder_); }

  PathArchive read(const std::string& bytes, const std::string& end = std::string(1024, '\0')) {
    std::ofstream(folder_ / "a.tar", std::ios::binary) << bytes << end;
    return read_path_archive(folder_ / "a.tar", {"/home/agent", "/srv/notes"});
  }
  PathArchive of_tar(const std::string& command) {
    const auto whole = "cd " + folder_.string() + " && mkdir -p home/agent/sub srv && " + command;
    EXPECT_EQ(std::system(whole.c_str()), 0) << command;  // NOLINT: a test
    return read_path_archive(folder_ / "a.tar", {"/home/agent", "/srv/notes"});
  }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("rebottle-archive-" + std::to_string(::getpid()));
};

TEST_F(Archive, WhatTarsWriteIsFine) {
  const std::string fill =
      "echo x > home/agent/a && ln -f home/agent/a home/agent/sub/b && ln -sfn /etc home/agent/etc && "
      "mkfifo home/agent/pipe && echo y > srv/notes && "
      "touch home/agent/$(printf %0200d 7) && ln -sfn $(printf %0150d 7) home/agent/long && ";
  for (const std::string format : {"gnu", "ustar", "pax"}) {
    const auto long_names = format == "ustar" ? "rm home/agent/0* home/agent/long && " : "";
    const auto found = of_tar("rm -rf home/agent && mkdir -p home/agent/sub && " + fill + long_names +
                              "tar --format=" + format + " -cf a.tar ./home/agent ./srv/notes");
    EXPECT_EQ(found.problem, "") << format;
    EXPECT_THAT(found.members, ElementsAre("./home/agent", "./srv/notes")) << format;
  }
  const auto one = of_tar("tar -cf a.tar ./srv/notes");
  EXPECT_EQ(one.problem, "");
  EXPECT_THAT(one.members, ElementsAre("./srv/notes"));
}

TEST_F(Archive, NothingReachesOutOfThePaths) {
  for (const auto* name : {"./etc/passwd", "/home/agent/a", "home/agent/a", "./home/agent/../x", "./home/agentx",
                           "./home", "./", "./home/agent//a", "./home/agent/./a", "../home/agent/a", ""})
    EXPECT_THAT(read(entry({'0', name, "", "", "", true})).problem, HasSubstr("none of the paths")) << name;
  EXPECT_THAT(read(entry({'0', "agent", "", "", "/home", true})).problem, HasSubstr("none of the paths"));
}

TEST_F(Archive, NothingGoesThroughALink) {
  const auto link = entry({'2', "./home/agent/x", "/etc", "", "", true});
  const auto below = entry({'0', "./home/agent/x/passwd", "", "", "", true});
  EXPECT_EQ(read(link).problem, "");
  EXPECT_THAT(read(link + below).problem, HasSubstr("below a link"));
  EXPECT_THAT(read(below + link).problem, HasSubstr("below a link"));
  const auto second = entry({'1', "./home/agent/y", "./home/agent/x", "", "", true});
  EXPECT_THAT(read(link + second + entry({'0', "./home/agent/y/p", "", "", "", true})).problem,
              HasSubstr("below a link"));
  EXPECT_THAT(read(entry({'1', "./home/agent/h", "./etc/shadow", "", "", true})).problem, HasSubstr("./etc/shadow"));
  EXPECT_THAT(read(entry({'1', "./home/agent/h", "./home/agent/x/shadow", "", "", true}) + link).problem,
              HasSubstr("x/shadow"));
}

TEST_F(Archive, OneEntryHasOneName) {
  const auto fine = entry({'0', "./home/agent/a", "", "", "", true});
  const auto link = entry({'1', "./home/agent/b", "./home/agent/a", "", "", true});
  const auto of_gnu = [](char type, const std::string& name) {
    return entry({type, "././@LongLink", "", name + std::string(1, '\0'), "", false});
  };
  const auto name = of_gnu('L', "./home/agent/c");
  const auto target = of_gnu('K', "./home/agent/c");
  EXPECT_EQ(read(name + fine).problem, "");
  EXPECT_EQ(read(name + target + link).problem, "");
  EXPECT_EQ(read(target + name + link).problem, "");
  for (const auto& extension : {name, target}) {
    EXPECT_THAT(read(extension + pax("path", "./home/agent/d") + link).problem, HasSubstr("more than one name"));
    EXPECT_THAT(read(pax("path", "./home/agent/d") + extension + link).problem, HasSubstr("more than one name"));
    EXPECT_THAT(read(pax("linkpath", "./home/agent/d") + extension + link).problem, HasSubstr("more than one name"));
    EXPECT_THAT(read(extension + extension + link).problem, HasSubstr("more than one name"));
  }
  EXPECT_THAT(read(pax("path", "./home/agent/c") + pax("path", "./home/agent/d") + fine).problem,
              HasSubstr("more than one name"));
}

TEST_F(Archive, TwoReadersCannotTakeItForTwoThings) {
  const auto fine = entry({'0', "./home/agent/a", "", "text", "", true});
  EXPECT_EQ(read(fine).problem, "");
  // busybox knows nothing of pax.
  EXPECT_THAT(read(pax("path", "./home/agent/a") + entry({'0', "./etc/passwd", "", "", "", true})).problem,
              HasSubstr("./etc/passwd"));
  EXPECT_THAT(read(pax("path", "./etc/passwd") + fine).problem, HasSubstr("./etc/passwd"));
  EXPECT_THAT(read(pax("size", "1024") + fine).problem, HasSubstr("too large"));
  EXPECT_THAT(read(pax("GNU.sparse.name", "x") + fine).problem, HasSubstr("sparse"));
  EXPECT_THAT(read(entry({'0', "passwd", "", "", "./home/agent", false})).problem, HasSubstr("broken"));
  EXPECT_THAT(read(entry({'2', "./home/agent/a", "x", "content", "", true})).problem, HasSubstr("content"));
  EXPECT_THAT(read(entry({'S', "./home/agent/a", "", "", "", true})).problem, HasSubstr("unknown type"));
  EXPECT_THAT(read(fine + std::string(512, '\0') + fine).problem, HasSubstr("follows its end"));
  auto broken = fine;
  broken[0] = ' ';
  EXPECT_THAT(read(broken).problem, HasSubstr("no tar"));
  EXPECT_THAT(read(fine, "").problem, HasSubstr("too early"));
  EXPECT_THAT(read(fine.substr(0, 512), "").problem, HasSubstr("too early"));
  EXPECT_THAT(read("nonsense", "").problem, HasSubstr("too early"));
  EXPECT_THAT(read_path_archive(folder_ / "none", {"/a"}).problem, HasSubstr("cannot be read"));
  EXPECT_THAT(read(std::string(1024, '\0')).members, IsEmpty());
}

}  // namespace
}  // namespace rebottle::worker::smolmachines
