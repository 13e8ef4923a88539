// What each backend can do, as last probed; asks again when an answer is too old to refuse or accept a job by.
// Every recorded answer says in its detail for how long it may be believed: `good_for_s`, three probe intervals and
// the time a slow probe takes. Not here: the probes themselves (backends).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "worker/engine/engine.hpp"

namespace rebottle::worker {

class Capabilities {
 public:
  explicit Capabilities(Engine& engine) : engine_(engine) {}

  // Forgets what was recorded of backends that are not served any more, and probes all others.
  awaitable<void> begin();
  // Probes all backends every probe_interval_s, and one at once when the engine doubts it, for ever.
  awaitable<void> keep_fresh();
  // What is to be recorded when the service stops: that nobody carries anything out. By backend.
  [[nodiscard]] std::vector<std::vector<schema::Capability>> end() const;

  // Why the backend cannot do the kind; empty if it can. A negative or old answer is probed again first.
  awaitable<std::optional<Refusal>> refusal(Backend& backend, std::string kind);

 private:
  struct Answer {
    std::vector<schema::Capability> rows;
    Milliseconds at = 0;  // steady
    bool asked = false;   // ever
    bool asking = false;  // now
    Signal answered;
  };
  // Probes, and records the answer. Concurrent callers for one backend share one probe.
  awaitable<void> refresh(Backend& backend);
  // All backends from that one on, at once.
  awaitable<void> refresh_from(std::size_t index);
  [[nodiscard]] Milliseconds interval() const { return Milliseconds{1'000} * engine_.config.service.probe_interval_s; }
  [[nodiscard]] static const schema::Capability* row(const Answer& answer, const std::string& kind);

  Engine& engine_;
  std::map<std::string, Answer, std::less<>> answers_;
};

}  // namespace rebottle::worker
