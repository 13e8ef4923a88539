// A bottle of four: an agent, a proxy in its network namespace, a tap in the proxy's process namespace, and a side
// container that is only watched. Not here: single cases.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/docker/docker_case.hpp"

namespace rebottle::tests {

class MembersCase : public DockerCase {
 protected:
  void SetUp() override;

  // `proxy_more` is merged into the proxy's create body.
  void start_bottle(const json& proxy_more = json::object());
  [[nodiscard]] JobDriver whole_job(const std::string& dockerfile = good_dockerfile);
  // Goes on with `one` until an effect is done; fails the test if it does not come to that.
  void run_until(JobDriver& one, const std::string& effect);
  [[nodiscard]] std::vector<std::string> effect_names(JobDriver& one);

  // All four run, the agent is changed, the members live with the new ones, the side container was not touched.
  void expect_changed();
  // All four are the containers that they were, and run if they ran.
  void expect_as_it_was();
  void expect_nothing_left(JobDriver& one, State end);
  [[nodiscard]] std::string network_namespace(const std::string& container);
  // Into the writable layer of a container.
  void put_program(const std::string& id, const std::string& path, const std::string& content);
  // Fails the test when it does not come true within a deadline.
  void poll_until(const std::function<bool()>& wanted);

  std::string proxy, tap, side;
  std::map<std::string, json> before;  // inspect documents by name
};

}  // namespace rebottle::tests
