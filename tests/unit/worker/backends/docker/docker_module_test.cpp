// Every key of the Docker backend's section ends in its own setting. Not here: how values are judged (config_test.cpp).
#include "worker/backends/docker/docker_module.hpp"

#include <algorithm>

#include <gmock/gmock.h>

namespace rebottle::worker::docker {
namespace {

TEST(DockerModule, EveryKeyEndsInItsSetting) {
  const std::map<std::string_view, json> values{{"enabled", false},
                                                {"socket", "/run/d.sock"},
                                                {"container", "bot-{bottle}"},
                                                {"label", "bot.slug"},
                                                {"side_label", "bot.group"},
                                                {"concurrency", 9},
                                                {"builder", "buildkit"},
                                                {"build_network", "builds"},
                                                {"build_memory_mib", 15},
                                                {"build_cpu_percent", 16},
                                                {"registry_auth_file", "/etc/auth.json"},
                                                {"import_dirs", {"/srv/images"}},
                                                {"pull", true},
                                                {"keep_old_s", 17},
                                                {"override_dockerfile", "/srv/{bottle}/Dockerfile"},
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
  EXPECT_EQ(config.side_label, "bot.group");
  EXPECT_EQ(config.concurrency, 9);
  EXPECT_EQ(config.builder, "buildkit");
  EXPECT_EQ(config.build_memory_mib, 15);
  EXPECT_EQ(config.build_cpu_percent, 16);
  EXPECT_EQ(config.registry_auth_file, "/etc/auth.json");
  EXPECT_THAT(config.import_dirs, ::testing::ElementsAre("/srv/images"));
  EXPECT_EQ(config.build_network, "builds");
  EXPECT_TRUE(config.pull);
  EXPECT_EQ(config.keep_old_s, 17);
  EXPECT_EQ(config.override_dockerfile, "/srv/{bottle}/Dockerfile");
  EXPECT_EQ(config.build_timeout_s, 10);
  EXPECT_EQ(config.stop_timeout_s, 0);
  EXPECT_EQ(config.stable_s, 11);
  EXPECT_EQ(config.verify_timeout_s, 12);
  EXPECT_EQ(config.call_timeout_s, 13);
  EXPECT_EQ(config.snapshot_max_bytes, 14);
}

TEST(DockerModule, WhatBuildKitCannotKeepIsRefused) {
  const auto module = docker_module();
  const auto set = [&](std::string_view name, const json& value) {
    for (const auto& key : module->keys())
      if (key.name == name) {
        EXPECT_EQ(key.take({value, "test"}), "") << name;
      }
  };
  set("build_memory_mib", 256);
  set("build_network", "builds");
  EXPECT_TRUE(module->clashes().empty());
  set("builder", "buildkit");
  ASSERT_EQ(module->clashes().size(), 2U);
  EXPECT_EQ(module->clashes()[0].key, "build_memory_mib");
  EXPECT_EQ(module->clashes()[1].key, "build_network");
}

TEST(DockerModule, AnOverrideIsAFileOfItsOwnForEachBottle) {
  DockerConfig config;
  const auto keys = keys_of(config);
  const auto key = std::ranges::find(keys, "override_dockerfile", &config::Key::name);
  ASSERT_NE(key, keys.end());
  EXPECT_NE(key->take({"/srv/Dockerfile", "string"}), "");
  EXPECT_NE(key->take({"{bottle}/Dockerfile", "string"}), "");
  EXPECT_EQ(key->take({"", "string"}), "") << "switched off";
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
