// Credentials from a file: whose they are, and what makes the file unusable. Not here: a registry (tests/functional).
#include "worker/backends/docker/registry_auth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include <sys/stat.h>
#include <nlohmann/json.hpp>

#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class RegistryAuthFile : public ::testing::Test {
 protected:
  RegistryAuthFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rebottle-auth-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RegistryAuthFile() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(file()) << text;
    ::chmod(file().c_str(), mode);
  }
  [[nodiscard]] std::filesystem::path file() const { return folder_ / "config.json"; }
  json header(const std::string& reference) {
    auto header = registry_auth(file(), reference).header;
    std::ranges::replace(header, '-', '+');
    std::ranges::replace(header, '_', '/');
    return json::parse(base64_decoded(header), nullptr, false);
  }
  std::filesystem::path folder_;
};

TEST(Registry, IsTheFirstPartOfAReferenceIfThatLooksLikeAHost) {
  EXPECT_EQ(registry_of("debian:12"), "docker.io");
  EXPECT_EQ(registry_of("library/debian"), "docker.io");
  EXPECT_EQ(registry_of("docker.io/library/debian"), "docker.io");
  EXPECT_EQ(registry_of("index.docker.io/library/debian"), "docker.io");
  EXPECT_EQ(registry_of("localhost/x"), "localhost");
  EXPECT_EQ(registry_of("localhost:5000/x:1"), "localhost:5000");
  EXPECT_EQ(registry_of("ghcr.io/a/b@sha256:00"), "ghcr.io");
}

TEST_F(RegistryAuthFile, GivesEachRegistryItsOwnCredentialsOnly) {
  write(R"({"auths": {"https://index.docker.io/v1/": {"auth": "YWxpY2U6czpjcmV0"},
                      "registry.example:5000": {"username": "bob", "password": "ü/?"},
                      "https://token.example/v2/": {"identitytoken": "t0ken", "auth": "eDp5"}}})");
  EXPECT_EQ(header("debian:12"),
            (json{{"username", "alice"}, {"password", "s:cret"}, {"serveraddress", "https://index.docker.io/v1/"}}));
  EXPECT_EQ(header("registry.example:5000/x"),
            (json{{"username", "bob"}, {"password", "ü/?"}, {"serveraddress", "registry.example:5000"}}));
  EXPECT_EQ(header("token.example/x"), (json{{"identitytoken", "t0ken"}, {"serveraddress", "token.example"}}));
  EXPECT_EQ(registry_auth(file(), "registry.example/x").header, "") << "another port is another registry";
  EXPECT_EQ(registry_auth(file(), "registry.example/x").problem, "");
}

TEST_F(RegistryAuthFile, NoFileIsNoProblemAndAMissingOneIs) {
  EXPECT_EQ(registry_auth({}, "debian").problem, "");
  EXPECT_EQ(registry_auth({}, "debian").header, "");
  EXPECT_THAT(registry_auth(file(), "debian").problem, HasSubstr("No such file"));
}

TEST_F(RegistryAuthFile, MustBeTheServicesAlone) {
  for (const mode_t mode : {0640, 0604, 0660, 0620}) {
    write(R"({"auths": {"docker.io": {"auth": "YWxpY2U6czpjcmV0"}}})", mode);
    EXPECT_THAT(registry_auth(file(), "debian").problem, HasSubstr("chmod 600")) << mode;
    EXPECT_EQ(registry_auth(file(), "debian").header, "");
  }
  std::filesystem::remove(file());
  std::filesystem::create_directory(file());
  EXPECT_THAT(registry_auth(file(), "debian").problem, HasSubstr("no regular file"));
}

TEST_F(RegistryAuthFile, ProblemsNeverQuoteWhatIsInIt) {
  write("{\"auths\": {\"docker.io\": {\"password\": \"s3cret\"");
  EXPECT_THAT(registry_auth(file(), "debian").problem, HasSubstr("is no JSON object"));
  EXPECT_EQ(registry_auth(file(), "debian").problem.find("s3cret"), std::string::npos);
}

TEST_F(RegistryAuthFile, HelpersAreNotRun) {
  write(R"({"credsStore": "desktop", "auths": {"ghcr.io": {}}})");
  EXPECT_THAT(registry_auth(file(), "ghcr.io/x").problem, HasSubstr("a helper, which is not run"));
  write(R"({"credHelpers": {"gcr.io": "gcloud"}})");
  EXPECT_THAT(registry_auth(file(), "gcr.io/x").problem, HasSubstr("a helper, which is not run"));
  EXPECT_EQ(registry_auth(file(), "ghcr.io/x").problem, "");
}

}  // namespace
}  // namespace rebottle::worker::docker
