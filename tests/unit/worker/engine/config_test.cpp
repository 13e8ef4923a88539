// The configuration file: what is taken over, and the exact text of each refusal.
// Not here: flags and environment (program_test.cpp).
#include "worker/engine/config.hpp"

#include <gmock/gmock.h>

namespace rebottle::worker {
namespace {

std::string fault_of(std::string_view text) {
  try {
    static_cast<void>(parse_config(text, "rebottle.toml"));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Config, EmptyFileIsTheDefaults) {
  const auto config = parse_config("", "rebottle.toml");

  EXPECT_EQ(config.service.drain_s, 30);
  EXPECT_EQ(config.service.max_downtime_s, 300);
  EXPECT_EQ(config.docker.container, "{bottle}");
  EXPECT_TRUE(config.docker.enabled);
  EXPECT_EQ(config.docker.engine, docker::EngineKind::docker);
  EXPECT_EQ(config.podman.engine, docker::EngineKind::podman);
  EXPECT_EQ(config.podman.socket, "/run/podman/podman.sock");
}

TEST(Config, PodmanHasTheKeysOfDocker) {
  const auto config = parse_config("[backends.podman]\nlabel = \"bot\"\nstable_s = 7\n", "rebottle.toml");
  EXPECT_EQ(config.podman.label, "bot");
  EXPECT_EQ(config.podman.stable_s, 7);
  EXPECT_EQ(config.docker.stable_s, docker::DockerConfig().stable_s);
  EXPECT_EQ(fault_of("[backends.podman]\nsock = \"/x\"\n"),
            "rebottle.toml:2: backends.podman.sock: unknown; did you mean backends.podman.socket?");
}

TEST(Config, EveryKeyIsTakenOver) {
  const auto config = parse_config(R"(
[service]
db = "/srv/r.db"
state_dir = "/srv"
drain_s = 1
max_downtime_s = 2
attempts_max = 3
pause_first_ms = 4
pause_max_ms = 5
crashes_max = 6
probe_interval_s = 7
leftover_retry_s = 8
log_level = "debug"
[backends.docker]
enabled = false
socket = "/run/d.sock"
container = "bot-{bottle}"
label = "bot.slug"
concurrency = 9
build_network = "builds"
pull = true
build_timeout_s = 10
stop_timeout_s = 0
stable_s = 11
verify_timeout_s = 12
call_timeout_s = 13
snapshot_max_bytes = 14
)",
                                   "rebottle.toml");

  EXPECT_EQ(config.service.db, "/srv/r.db");
  EXPECT_EQ(config.service.state_dir, "/srv");
  EXPECT_EQ(config.service.drain_s, 1);
  EXPECT_EQ(config.service.max_downtime_s, 2);
  EXPECT_EQ(config.service.attempts_max, 3);
  EXPECT_EQ(config.service.pause_first_ms, 4);
  EXPECT_EQ(config.service.pause_max_ms, 5);
  EXPECT_EQ(config.service.crashes_max, 6);
  EXPECT_EQ(config.service.probe_interval_s, 7);
  EXPECT_EQ(config.service.leftover_retry_s, 8);
  EXPECT_EQ(config.service.log_level, "debug");
  EXPECT_FALSE(config.docker.enabled);
  EXPECT_EQ(config.docker.socket, "/run/d.sock");
  EXPECT_EQ(config.docker.container, "bot-{bottle}");
  EXPECT_EQ(config.docker.label, "bot.slug");
  EXPECT_EQ(config.docker.concurrency, 9);
  EXPECT_EQ(config.docker.build_network, "builds");
  EXPECT_TRUE(config.docker.pull);
  EXPECT_EQ(config.docker.build_timeout_s, 10);
  EXPECT_EQ(config.docker.stop_timeout_s, 0);
  EXPECT_EQ(config.docker.stable_s, 11);
  EXPECT_EQ(config.docker.verify_timeout_s, 12);
  EXPECT_EQ(config.docker.call_timeout_s, 13);
  EXPECT_EQ(config.docker.snapshot_max_bytes, 14);
}

TEST(Config, RefusalsNameFileLineKeyAndTheWayOut) {
  EXPECT_EQ(fault_of("[service]\ndrain = 3\n"),
            "rebottle.toml:2: service.drain: unknown; did you mean service.drain_s?");
  EXPECT_EQ(fault_of("[servce]\n"), "rebottle.toml:1: servce: unknown; did you mean service?");
  EXPECT_EQ(fault_of("\n[backends.doker]\npull = true\n"),
            "rebottle.toml:2: backends.doker: unknown; did you mean backends.docker?");
  EXPECT_EQ(fault_of("[service]\ndrain_s = \"3\"\n"),
            "rebottle.toml:2: service.drain_s: must be a whole number from 0 to 3600, not of type string");
  EXPECT_EQ(fault_of("[service]\ndrain_s = -1\n"),
            "rebottle.toml:2: service.drain_s: must be a whole number from 0 to 3600, not -1");
  EXPECT_EQ(fault_of("[service]\ndrain_s = 1.5\n"),
            "rebottle.toml:2: service.drain_s: must be a whole number from 0 to 3600, not of type floating-point");
  EXPECT_EQ(fault_of("[service]\ndb = \"r.db\"\n"), "rebottle.toml:2: service.db: must be an absolute path");
  EXPECT_EQ(fault_of("[service]\nlog_level = \"loud\"\n"),
            "rebottle.toml:2: service.log_level: must be one of debug, info, warning, error");
  EXPECT_EQ(fault_of("[backends.docker]\npull = 1\n"),
            "rebottle.toml:2: backends.docker.pull: must be true or false, not of type integer");
  EXPECT_EQ(fault_of("[backends.docker]\ncontainer = \"agent\"\n"),
            "rebottle.toml:2: backends.docker.container: must hold {bottle}, which stands for the bottle's slug");
  EXPECT_EQ(fault_of("service = 3\n"), "rebottle.toml:1: service: must be a section, not of type integer");
  EXPECT_EQ(fault_of("[service]\npause_first_ms = 500\npause_max_ms = 100\n"),
            "rebottle.toml:3: service.pause_max_ms: must not be less than service.pause_first_ms");
}

TEST(Config, EveryFaultIsNamedAtOnce) {
  EXPECT_EQ(fault_of("[service]\ndrain = 3\nattempts_max = 0\n"),
            "rebottle.toml:3: service.attempts_max: must be a whole number from 1 to 100, not 0\n"
            "rebottle.toml:2: service.drain: unknown; did you mean service.drain_s?");
}

TEST(Config, SyntaxErrorsNameTheLine) {
  EXPECT_THAT(fault_of("[service]\ndrain_s = \n"), ::testing::StartsWith("rebottle.toml:2: "));
}

}  // namespace
}  // namespace rebottle::worker
