// The effects of the null backend: Docker's, by the same names, in the same steps and order, with the same flags.
// A test compares the two. Not here: what they do, which is the same for all (null_backend.cpp).
#pragma once

#include <string_view>
#include <vector>

#include "worker/backends/backend.hpp"

namespace rebottle::worker::null {

struct Row {
  std::string_view name;
  State step;
  bool mutates;
  bool undoable;
  bool interruptible;
  bool begins_downtime;
  bool ends_downtime;
  bool (*wanted)(const JobContext& job);
  std::string_view summary;  // {bottle} and {job} stand for the bottle's name and the job's key
};

[[nodiscard]] const Row* find_row(std::string_view name);  // null if there is none
// Follows from the approval alone.
[[nodiscard]] std::vector<Effect> effects_of(const JobContext& job, State step);

}  // namespace rebottle::worker::null
