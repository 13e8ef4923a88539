// What the tests against a real engine share: bottles, jobs on them, and looks at the result.
// Not here: single cases.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include "tests/support/job_driver.hpp"
#include "tests/support/run.hpp"
#include "worker/backends/docker/docker_backend.hpp"
#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/names.hpp"

namespace rebottle::tests {

namespace docker = worker::docker;

inline constexpr const char* test_image = "rebottle-demo/busybox:1";

// A Dockerfile that adds a program, and one whose agent ends at once.
inline constexpr const char* good_dockerfile =
    "FROM current\nRUN printf '#!/bin/sh\\necho hello\\n' > /bin/hello && chmod 755 /bin/hello\n";
inline constexpr const char* dying_dockerfile = "FROM current\nENTRYPOINT [\"false\"]\nCMD []\n";

class DockerCase : public ::testing::Test {
 protected:
  // The same cases for each engine that speaks this API.
  explicit DockerCase(docker::EngineKind engine_kind = docker::EngineKind::docker) : kind(engine_kind) {}
  void SetUp() override;
  void TearDown() override;

  // The create body of an agent that writes a note when it is stopped.
  [[nodiscard]] json agent_body() const;
  // Creates and starts a container that is removed at the end.
  std::string start_container(const std::string& name, json body);
  std::string create_network(const std::string& name, const std::string& subnet = "");
  void own_network(const std::string& name) { networks_.push_back(name); }  // one that is to be removed at the end

  [[nodiscard]] worker::JobContext job(json change, json more = json::object());
  [[nodiscard]] JobDriver driver(json change, json more = json::object());
  // As after a restart of the worker: nothing is shared with the first.
  std::unique_ptr<worker::Backend> another_backend();

  [[nodiscard]] json inspect(const std::string& name_or_id);  // the engine's own words; null if there is none
  [[nodiscard]] json image(const std::string& reference);     // null if there is none
  json call(const std::string& method, const std::string& target, json body = nullptr);  // asserts success
  std::string run_inside(const std::string& container, std::vector<std::string> command);
  [[nodiscard]] std::vector<std::string> container_names();  // of all containers whose name starts with the bottle's
  [[nodiscard]] std::vector<std::string> own_tags();         // of the bottle's repository
  void remove_leftovers(JobDriver& driver, State end);

  template <class T>
  T wait(boost::asio::awaitable<T> work) {
    return run(io, std::move(work));
  }

  docker::EngineKind kind;
  boost::asio::io_context io;
  std::filesystem::path folder;
  docker::DockerConfig config;
  std::unique_ptr<docker::Engine> engine;  // for looks of the test's own
  std::unique_ptr<worker::Backend> backend;
  std::string bottle;
  int jobs = 0;

 private:
  std::vector<std::string> networks_;
};

// Where inspect may differ after a job, as regular expressions: what the engine makes anew, what is ours, and the
// image.
extern const std::vector<std::string> changed_by_every_job;

// What differs, as "path: before → after", but for paths that match one of the regular expressions.
[[nodiscard]] std::vector<std::string> differences(const json& before, const json& after,
                                                   const std::vector<std::string>& allowed);

}  // namespace rebottle::tests
