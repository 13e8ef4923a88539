// Waits for other processes to change the database, without a busy loop and without missing a commit.
// Not here: what is waited for.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "schema/operator_store.hpp"
#include "tools/environment.hpp"

namespace rebottle::tools {

enum class Wake : std::uint8_t {
  changed,      // somebody committed: look again
  tick,         // about a second without a commit: a chance to look at the service
  timed_out,    // for good
  interrupted,  // for good
};

class Waiter {
 public:
  // The time starts now; no timeout: waits for ever.
  Waiter(const Environment& environment, schema::OperatorStore& store,
         std::optional<std::chrono::milliseconds> timeout);

  // Look first, then call this. Returns within about 10 ms of another process's commit.
  [[nodiscard]] Wake next();

 private:
  const Environment& environment_;
  schema::OperatorStore& store_;
  std::optional<std::chrono::milliseconds> deadline_;
};

}  // namespace rebottle::tools
