// What the cases of a rollback share: an agent with networks, a restart policy and a volume, and looks at what is back.
// Each executable defines for its engine what is marked so. Not here: single cases.
#pragma once

#include <string>
#include <vector>

#include "tests/docker/docker_case.hpp"

namespace rebottle::tests {

class Rollback : public DockerCase {
 protected:
  Rollback();  // the executable's engine

  // The executable's: as a person makes an agent there; sets `before`.
  void start_agent();
  // The executable's: where inspect may differ after a restart of the same container.
  static const std::vector<std::string>& by_restart();

  [[nodiscard]] std::string own_image(const std::string& tag) const {
    return std::string(engine->dialect().image_prefix) + "rebottle/" + bottle + ":" + tag;
  }

  void expect_as_it_was() {
    const auto after = inspect(bottle);
    EXPECT_EQ(differences(before, after, by_restart()), std::vector<std::string>());
    EXPECT_EQ(docker::at(after, "State", "Running"), docker::at(before, "State", "Running"));
  }

  void expect_nothing_left(JobDriver& job, State end) {
    remove_leftovers(job, end);
    EXPECT_EQ(container_names(), std::vector<std::string>{bottle});
    EXPECT_EQ(own_tags(), std::vector<std::string>());
    EXPECT_TRUE(std::filesystem::is_empty(config.snapshot_dir));
  }

  json before;
};

}  // namespace rebottle::tests
