// The table of options: what is taken, what is refused, and what contradicts a machine.
// Not here: where specs come from.
#include "worker/backends/smolmachines/spec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rebottle::worker::smolmachines {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Spec spec_of(const json& document) {
  auto read = Spec::read(document);
  if (const auto* problems = std::get_if<std::vector<std::string>>(&read))
    for (const auto& problem : *problems) ADD_FAILURE() << problem;
  return std::get<Spec>(std::move(read));
}
std::vector<std::string> problems_of(const json& document) {
  auto read = Spec::read(document);
  const auto* problems = std::get_if<std::vector<std::string>>(&read);
  return problems == nullptr ? std::vector<std::string>{} : *problems;
}
std::vector<std::string> fields(const json& differences) {
  std::vector<std::string> out;
  for (const auto& one : differences) out.push_back(one["field"]);
  return out;
}

// As `machine ls --json` of 1.32.2 shows a machine that was made with nothing but an image.
json plain_machine() {
  return {{"cpus", 4},
          {"memory_mib", 8192},
          {"storage_gb", nullptr},
          {"overlay_gb", nullptr},
          {"network", false},
          {"mounts", 0},
          {"ports", 0},
          {"cmd", json::array()},
          {"gpu", false},
          {"disks", json::array()},
          {"block_io", "sync"},
          {"disk_durability", "full"}};
}

TEST(Spec, BecomesArguments) {
  const auto spec = spec_of({{"cpus", 2},
                             {"net", true},
                             {"gpu", false},
                             {"env", {"A=b c", "-e=x"}},
                             {"workdir", "-odd"},
                             {"command", {"/bin/agent", "--flag"}}});
  EXPECT_THAT(spec.options(), ElementsAre("--cpus=2", "--env=A=b c", "--env=-e=x", "--net", "--workdir=-odd"));
  EXPECT_THAT(spec.workload(), ElementsAre("--", "/bin/agent", "--flag"));
  EXPECT_THAT(spec_of(json::object()).workload(), IsEmpty());
}

TEST(Spec, DigestFollowsTheContentNotTheOrder) {
  EXPECT_EQ(spec_of(json::parse(R"({"cpus":1,"mem":2})")).sha256(),
            spec_of(json::parse(R"({"mem":2,"cpus":1})")).sha256());
  EXPECT_NE(spec_of({{"cpus", 1}}).sha256(), spec_of({{"cpus", 2}}).sha256());
}

TEST(Spec, RefusesWhatItDoesNotKnowByName) {
  EXPECT_THAT(problems_of({{"smolfile", "x"}}), ElementsAre(HasSubstr("smolfile: is no option")));
  EXPECT_THAT(problems_of({{"image", "x"}}), ElementsAre(HasSubstr("image")));
  EXPECT_THAT(problems_of({{"label", {"a=b"}}}), ElementsAre(HasSubstr("label")));
  EXPECT_THAT(problems_of({{"cpus", "2"}}), ElementsAre("cpus: must be a whole number"));
  EXPECT_THAT(problems_of({{"net", 1}}), ElementsAre("net: must be true or false"));
  EXPECT_THAT(problems_of({{"env", "A=b"}}), ElementsAre(HasSubstr("env: must be a list")));
  EXPECT_THAT(problems_of({{"env", {1}}}), ElementsAre(HasSubstr("env: must be a list")));
  EXPECT_THAT(problems_of({{"user", ""}}), ElementsAre(HasSubstr("user: must be a text")));
  EXPECT_THAT(problems_of({{"command", "true"}}), ElementsAre(HasSubstr("command: must be a list")));
  EXPECT_THAT(problems_of({{"volume", {"/a:/b:staged"}}}), ElementsAre(HasSubstr("staged")));
  EXPECT_THAT(problems_of(json::array()), ElementsAre("it must be a JSON object"));
  EXPECT_THAT(problems_of(json::parse("{", nullptr, false)), ElementsAre("it must be a JSON object"));
}

TEST(Spec, AgreesWithTheMachineThatItDescribes) {
  EXPECT_THAT(fields(spec_of(json::object()).differences(plain_machine())), IsEmpty());
  auto machine = plain_machine();
  machine.update({{"cpus", 1},
                  {"memory_mib", 256},
                  {"storage_gb", 5},
                  {"network", true},
                  {"allowed_cidrs", {"10.0.0.0/8", "192.0.2.0/24"}},
                  {"mounts", 2},
                  {"ports", 5},
                  {"cmd", {"/bin/agent"}},
                  {"disks", {{{"path", "/x"}}}}});
  const auto spec = spec_of({{"cpus", 1},
                             {"mem", 256},
                             {"storage", 5},
                             {"allow-cidr", {"192.0.2.0/24", "10.0.0.0/8"}},
                             {"volume", {"/a:/b", "/c:/d:ro", "/var/lib/docker"}},
                             {"port", {"8000-8003:9000-9003", "53:53/udp"}},
                             {"command", {"/bin/agent"}},
                             {"disk", {"/x"}}});
  EXPECT_THAT(fields(spec.differences(machine)), IsEmpty());
}

TEST(Spec, NamesEachFieldThatDiffers) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"cpus", 2}}, "cpus"},
      {{{"mem", 256}}, "mem"},
      {{{"storage", 9}}, "storage"},
      {{{"overlay", 9}}, "overlay"},
      {{{"net", true}}, "network"},
      {{{"block-private", true}}, "network"},
      {{{"allow-cidr", {"10.0.0.0/8"}}}, "allow-cidr"},
      {{{"allow-host", {"example.org"}}}, "allow-host"},
      {{{"volume", {"/a:/b"}}}, "volume (number from the host)"},
      {{{"port", {"1:1"}}}, "port (number)"},
      {{{"command", {"x"}}}, "command"},
      {{{"gpu", true}}, "gpu"},
      {{{"disk", {"/x"}}}, "disk (number)"},
      {{{"block-io", "async"}}, "block-io"},
      {{{"disk-durability", "deferred"}}, "disk-durability"},
  };
  for (const auto& [document, field] : cases)
    EXPECT_THAT(fields(spec_of(document).differences(plain_machine())), Contains(field));
}

}  // namespace
}  // namespace rebottle::worker::smolmachines
