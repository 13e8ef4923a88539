// A backend's plan as the answer of a request. Not here: making one.
#pragma once

#include "worker/backends/backend.hpp"

namespace rebottle::worker {

[[nodiscard]] inline json plan_json(const Plan& plan) {
  return {{"possible", plan.possible}, {"reason_code", plan.reason_code},
          {"message", plan.message},   {"detail", plan.detail},
          {"makes", plan.makes},       {"changes", plan.changes},
          {"removes", plan.removes},   {"irreversible", plan.irreversible}};
}

}  // namespace rebottle::worker
