// The carry-over table against the engine's own list of fields, against the code, and against its page in the docs.
// Not here: rules of single fields (carry_over_test.cpp); real engines (tests/docker/matrix_test.cpp).
#include "worker/backends/docker/carry_over_table.hpp"

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>

#include "tests/support/carry_paths.hpp"
#include "tests/support/carry_proofs.hpp"
#include "worker/backends/docker/carry_over.hpp"

namespace rebottle::worker::docker {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Versions {
  std::string since;
  std::string last;
};

std::string repository_file(const std::string& path) {
  std::ifstream in(std::string(REBOTTLE_SOURCE_DIR) + "/" + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::map<std::string, Versions> engine_fields() {
  std::map<std::string, Versions> out;
  std::istringstream lines(repository_file("tests/data/engine_api_fields.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string path;
    words >> path;
    words >> out[path].since >> out[path].last;
  }
  return out;
}

std::string parent_of(std::string_view path) { return std::string(path.substr(0, path.rfind('.'))); }

// A container with an image that gives nothing, an endpoint, and a mount for the rows about mounts.
json plain_container(std::string_view path) {
  json container = {{"Id", std::string(64, 'a')},
                    {"Config", json::object()},
                    {"HostConfig", {{"NetworkMode", "one"}}},
                    {"NetworkSettings", {{"Networks", {{"one", json::object()}}}}}};
  if (path.starts_with("HostConfig.Mounts"))
    container["HostConfig"]["Mounts"] = json::array({{{"Type", "bind"}, {"Source", "/s"}, {"Target", "/t"}}});
  return container;
}

CarryOver carried(const json& container) { return carry_over(container, {{"Config", json::object()}}); }

// The create body, laid out as an inspect document.
json as_document(const CarryOver& out) {
  return {{"Config", out.body},
          {"HostConfig", out.body["HostConfig"]},
          {"NetworkSettings", {{"Networks", out.body["NetworkingConfig"]["EndpointsConfig"]}}}};
}

TEST(CarryRows, AreTheFieldsOfTheEnginesOwnDocuments) {
  const auto fields = engine_fields();
  ASSERT_GT(fields.size(), 150U);
  std::set<std::string> known;
  for (const auto& [path, versions] : fields) known.insert(path);
  std::set<std::string> rows;
  for (const auto& row : carry_rows) EXPECT_TRUE(rows.insert(std::string(row.path)).second) << "twice: " << row.path;
  EXPECT_EQ(rows, known);
}

TEST(CarryRows, StandInOrderAndSayWhy) {
  std::string last;
  std::string section;
  for (const auto& row : carry_rows) {
    const auto of = std::string(row.path.substr(0, row.path.find('.')));
    if (of == section) {
      EXPECT_LT(last, row.path);
    }
    section = of;
    last = row.path;
    const bool explained = row.carry != Carry::own_rule && row.carry != Carry::refused;
    EXPECT_TRUE(explained || !row.why.empty()) << row.path;
    EXPECT_EQ(carry_row(row.path), &row);
    EXPECT_TRUE(parent_of(row.path) == section || row.path.find("[]") != std::string::npos ||
                carry_row(parent_of(row.path)) != nullptr)
        << row.path;
  }
}

TEST(CarryRows, WhatIsCarriedArrivesAndWhatIsRefusedIsNamed) {
  for (const auto& row : carry_rows) {
    auto container = plain_container(row.path);
    tests::put_at(container, row.path, "a value");
    const auto out = carried(container);
    const auto place = std::string(row.path.substr(row.path.rfind('.') + 1));
    if (row.carry == Carry::refused) {
      EXPECT_THAT(out.refused, Contains(HasSubstr(std::string(row.why)))) << row.path;
    } else if (row.carry == Carry::engine_made) {
      EXPECT_THAT(out.refused, IsEmpty()) << row.path;
      EXPECT_THAT(tests::values_at(as_document(out), row.path), IsEmpty()) << row.path;
    } else if (row.carry != Carry::own_rule && row.carry != Carry::image_list) {
      EXPECT_THAT(out.refused, IsEmpty()) << row.path;
      EXPECT_THAT(tests::values_at(as_document(out), row.path), ElementsAre(json("a value"))) << row.path;
    }
  }
}

TEST(CarryRows, WhatNoRowKnowsIsRefusedByNameAtEveryLevel) {
  std::set<std::string> parents;
  for (const auto& row : carry_rows) parents.insert(parent_of(row.path));
  ASSERT_TRUE(parents.contains("HostConfig.Mounts[].VolumeOptions.DriverConfig"));
  ASSERT_TRUE(parents.contains("Endpoint.IPAMConfig"));
  for (const auto& parent : parents) {
    if (parent.find("ImageOptions") != std::string::npos) continue;  // refused as a whole
    auto container = plain_container(parent);
    tests::put_at(container, parent + ".FromTheFuture", 1);
    const auto refused = carried(container).refused;
    ASSERT_EQ(refused.size(), 1U) << parent;
    EXPECT_THAT(refused[0], HasSubstr(".FromTheFuture")) << parent;
    tests::put_at(container, parent + ".FromTheFuture", 0);
    EXPECT_THAT(carried(container).refused, IsEmpty()) << "a default: " << parent;
  }
}

TEST(CarryRows, TheNameOfARefusedFieldLeadsToIt) {
  auto container = plain_container("HostConfig.Mounts");
  tests::put_at(container, "HostConfig.Mounts[].BindOptions.FromTheFuture", true);
  tests::put_at(container, "HostConfig.PortBindings.*[].FromTheFuture", "x");
  tests::put_at(container, "Endpoint.IPAMConfig.FromTheFuture", "x");
  EXPECT_THAT(carried(container).refused, ElementsAre("HostConfig.Mounts[0].BindOptions.FromTheFuture",
                                                      "HostConfig.PortBindings[key][0].FromTheFuture",
                                                      "NetworkSettings.Networks[one].IPAMConfig.FromTheFuture"));
}

TEST(CarryRows, ThoseThatThisEngineCannotShowAreRows) {
  for (const auto& one : tests::not_on_this_engine) {
    EXPECT_NE(carry_row(one.path), nullptr) << one.path;
    EXPECT_FALSE(one.why.empty()) << one.path;
  }
}

constexpr std::string_view how(Carry carry) {
  switch (carry) {
    case Carry::copied: return "carried";
    case Carry::image_value: return "carried, unless it is the image's";
    case Carry::image_list: return "carried by entry, unless it is the image's";
    case Carry::own_rule: return "own rule";
    case Carry::refused: return "**refused**";
    case Carry::engine_made: return "the engine's, left to it";
  }
  return {};
}

// Empty for what all versions have that rebottle speaks.
std::string in_versions(const Versions& versions) {
  if (!versions.last.empty()) return "until " + versions.last;
  return versions.since == "1.41" ? "" : "since " + versions.since;
}

std::string matrix() {
  const auto fields = engine_fields();
  std::string out;
  std::string section;
  for (const auto& row : carry_rows) {
    const auto dot = row.path.find('.');
    if (const auto of = row.path.substr(0, dot); of != section) {
      section = of;
      out += (out.empty() ? "### " : "\n### ") + section + "\n\n| field | API | | |\n|---|---|---|---|\n";
    }
    const auto& versions = fields.at(std::string(row.path));
    out += "| `" + std::string(row.path.substr(dot + 1)) + "` | " + in_versions(versions) + " | " +
           std::string(how(row.carry)) + " | " + std::string(row.why) + " |\n";
  }
  return out;
}

TEST(CarryRows, ThePageInTheDocsIsTheTable) {
  const std::string begin = "<!-- begin: worker/backends/docker/carry_over_table.hpp -->\n";
  const std::string end = "<!-- end -->\n";
  auto page = repository_file("docs/docker.md");
  const auto from = page.find(begin);
  ASSERT_NE(from, std::string::npos);
  const auto to = page.find(end, from);
  ASSERT_NE(to, std::string::npos);
  const auto start = from + begin.size();
  if (std::getenv("REBOTTLE_UPDATE_GOLDEN") != nullptr) {
    page.replace(start, to - start, matrix());
    std::ofstream(std::string(REBOTTLE_SOURCE_DIR) + "/docs/docker.md") << page;
    return;
  }
  EXPECT_TRUE(page.substr(start, to - start) == matrix()) << "docs/docker.md is not what the table says; if the table "
                                                             "is right, run this test with REBOTTLE_UPDATE_GOLDEN=1";
}

}  // namespace
}  // namespace rebottle::worker::docker
