// The backends that this service was started with, by name, and why another name is not among them.
// Not here: which backends exist (worker/builtin_backends.cpp), what they do.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/backend.hpp"

namespace rebottle::worker {

// Why a job cannot be taken; the fields of the row that says so.
struct Refusal {
  statemachine::Event event{};
  std::string reason_code;
  std::string message;
  json detail = json::object();
};

class Backends {
 public:
  // `known` are the names that mean something to rebottle, whether or not this service serves them.
  Backends(std::vector<std::unique_ptr<Backend>> backends, std::vector<std::string> known);

  [[nodiscard]] Backend* find(std::string_view name) const;  // null if there is none of that name
  [[nodiscard]] const std::vector<std::unique_ptr<Backend>>& all() const { return backends_; }
  [[nodiscard]] const std::vector<std::string>& known() const { return known_; }
  // For a name that find() does not know.
  [[nodiscard]] Refusal refusal(const std::string& name) const;

 private:
  std::vector<std::unique_ptr<Backend>> backends_;
  std::vector<std::string> known_;
};

}  // namespace rebottle::worker
