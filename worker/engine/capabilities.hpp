// What each backend can do, as last probed; asks again when an answer is too old to refuse or accept a job by.
// Not here: the probes themselves (backends).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "worker/engine/engine.hpp"

namespace rebottle::worker {

class Capabilities {
 public:
  explicit Capabilities(Engine& engine) : engine_(engine) {}

  // Probes one backend, or all, and records the answers. Concurrent callers for one backend share one probe.
  awaitable<void> refresh(Backend& backend);
  awaitable<void> refresh_all();
  // Probes all backends every probe_interval_s, for ever.
  awaitable<void> keep_fresh();

  // Why the backend cannot do the kind; empty if it can. A negative or old answer is probed again first.
  awaitable<std::optional<Refusal>> refusal(Backend& backend, std::string kind);

 private:
  struct Answer {
    std::vector<schema::Capability> rows;
    Milliseconds at = 0;
    bool asked = false;   // ever
    bool asking = false;  // now
    Signal answered;
  };
  [[nodiscard]] static const schema::Capability* row(const Answer& answer, const std::string& kind);

  Engine& engine_;
  std::map<std::string, Answer, std::less<>> answers_;
  Signal never_;
};

}  // namespace rebottle::worker
