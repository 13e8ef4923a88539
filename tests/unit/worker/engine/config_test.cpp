// The configuration file: what is taken over, and the exact text of each refusal.
// Not here: the keys of the backends (worker/backends), flags and environment (program_test.cpp).
#include "worker/engine/config.hpp"

#include <limits>

#include <gmock/gmock.h>

namespace rebottle::worker {
namespace {

// A backend with a key of each type.
struct Section {
  bool pull = false;
  std::string container;
  std::int64_t bytes = 0;
  std::filesystem::path socket;
};

class Module final : public BackendModule {
 public:
  explicit Module(Section& section) : section_(section) {}
  [[nodiscard]] std::string_view name() const override { return "docker"; }
  [[nodiscard]] config::Keys keys() override {
    return {config::yes_or_no("pull", section_.pull),
            config::text("container", section_.container, config::holds_bottle),
            config::whole("bytes", section_.bytes, 0, std::numeric_limits<std::int64_t>::max()),
            config::absolute_path("socket", section_.socket)};
  }
  [[nodiscard]] std::unique_ptr<Backend> make(const boost::asio::any_io_executor&,
                                              const std::filesystem::path&) const override {
    return nullptr;
  }

 private:
  Section& section_;
};

Config parsed(std::string_view text, Section& section) {
  BackendModules modules;
  modules.push_back(std::make_unique<Module>(section));
  return parse_config(text, "rebottle.toml", modules);
}

std::string fault_of(std::string_view text) {
  try {
    Section section;
    static_cast<void>(parsed(text, section));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Config, EmptyFileIsTheDefaults) {
  const auto config = parse_config("", "rebottle.toml", {});

  EXPECT_EQ(config.service.drain_s, 30);
  EXPECT_EQ(config.service.max_downtime_s, 300);
}

TEST(Config, EveryKeyIsTakenOver) {
  Section section;
  const auto config = parsed(R"(
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
pull = true
container = "bot-{bottle}"
bytes = 9223372036854775807
socket = "/run/d.sock"
)",
                             section);

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
  EXPECT_TRUE(section.pull);
  EXPECT_EQ(section.container, "bot-{bottle}");
  EXPECT_EQ(section.bytes, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(section.socket, "/run/d.sock");
}

TEST(Config, BackendThatThisVersionDoesNotHaveIsRefused) {
  EXPECT_THROW(static_cast<void>(parse_config("[backends.lxc]\n", "rebottle.toml", {})), ConfigError);
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
