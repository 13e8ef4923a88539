// Every key of the Docker backend's section ends in its own setting. Not here: how values are judged (config_test.cpp).
#include "worker/backends/docker/docker_module.hpp"

#include <gmock/gmock.h>

namespace rebottle::worker::docker {
namespace {

TEST(DockerModule, EveryKeyEndsInItsSetting) {
  const std::map<std::string_view, json> values{{"enabled", false},
                                                {"socket", "/run/d.sock"},
                                                {"container", "bot-{bottle}"},
                                                {"label", "bot.slug"},
                                                {"concurrency", 9},
                                                {"build_network", "builds"},
                                                {"pull", true},
                                                {"build_timeout_s", 10},
                                                {"stop_timeout_s", 0},
                                                {"stable_s", 11},
                                                {"verify_timeout_s", 12},
                                                {"call_timeout_s", 13},
                                                {"snapshot_max_bytes", 14}};
  DockerConfig config;
  const auto keys = keys_of(config);
  ASSERT_EQ(keys.size(), values.size());
  for (const auto& key : keys) EXPECT_EQ(key.take({values.at(key.name), "test"}), "") << key.name;

  EXPECT_FALSE(config.enabled);
  EXPECT_EQ(config.socket, "/run/d.sock");
  EXPECT_EQ(config.container, "bot-{bottle}");
  EXPECT_EQ(config.label, "bot.slug");
  EXPECT_EQ(config.concurrency, 9);
  EXPECT_EQ(config.build_network, "builds");
  EXPECT_TRUE(config.pull);
  EXPECT_EQ(config.build_timeout_s, 10);
  EXPECT_EQ(config.stop_timeout_s, 0);
  EXPECT_EQ(config.stable_s, 11);
  EXPECT_EQ(config.verify_timeout_s, 12);
  EXPECT_EQ(config.call_timeout_s, 13);
  EXPECT_EQ(config.snapshot_max_bytes, 14);
}

TEST(DockerModule, SwitchedOffMakesNone) {
  const auto module = docker_module();
  for (const auto& key : module->keys())
    if (key.name == "enabled") {
      EXPECT_EQ(key.take({false, "boolean"}), "");
    }
  EXPECT_EQ(module->make({}, "/nowhere"), nullptr);
}

}  // namespace
}  // namespace rebottle::worker::docker
