// How a machine was made: the options of `machine create`, which the engine cannot report afterwards. A table says
// which there are. Not here: where a spec comes from (spec_source.cpp).
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

namespace rebottle::worker::smolmachines {

using nlohmann::json;

// The document of docs/smolmachines.md: an object whose keys are the long names of the options of `machine create`,
// and `command`, the workload. A machine's name, labels and image are no part of it.
class Spec {
 public:
  // Every key known, every value of its kind; else what is wrong, each with the key and the way out.
  [[nodiscard]] static std::variant<Spec, std::vector<std::string>> read(const json& document);

  [[nodiscard]] const json& document() const { return document_; }
  [[nodiscard]] std::string sha256() const;  // of its canonical text
  // As arguments of `machine create`, up to `--` and the workload.
  [[nodiscard]] std::vector<std::string> options() const;
  [[nodiscard]] std::vector<std::string> workload() const;  // `--` and its words; empty: the image's own
  // Where a machine's row contradicts it: [{field, spec, machine}]. `image` is left out: a change replaces it.
  [[nodiscard]] json differences(const json& machine) const;

 private:
  explicit Spec(json document) : document_(std::move(document)) {}
  json document_;
};

}  // namespace rebottle::worker::smolmachines
