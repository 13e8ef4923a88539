// Probing and remembering. Not here: any guess; without an answer a backend can do nothing.
#include "worker/engine/capabilities.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "worker/engine/log.hpp"

namespace rebottle::worker {
namespace {

constexpr Milliseconds fresh_ms = 5'000;  // an answer younger than this is believed

schema::Capability failed_probe(const Backend& backend, const std::string& why, Milliseconds now) {
  schema::Capability row;
  row.backend = backend.name();
  row.kind = schema::kind_capability_block;
  row.reason_code = "backend_absent";
  row.message = "The backend could not be probed: " + why;
  row.detail = json{{"probe", "failed"}}.dump();
  row.checked_at = now;
  return row;
}

bool same(const std::vector<schema::Capability>& a, const std::vector<schema::Capability>& b) {
  return std::ranges::equal(a, b, [](const schema::Capability& x, const schema::Capability& y) {
    return x.kind == y.kind && x.supported == y.supported && x.version == y.version && x.reason_code == y.reason_code;
  });
}

void log_change(const std::vector<schema::Capability>& rows) {
  for (const auto& row : rows)
    log::info(row.supported ? "backend can do it" : "backend cannot do it", {{"backend", row.backend},
                                                                             {"kind", row.kind},
                                                                             {"version", row.version},
                                                                             {"reason", row.reason_code},
                                                                             {"detail", row.message}});
}

}  // namespace

const schema::Capability* Capabilities::row(const Answer& answer, const std::string& kind) {
  const auto found = std::ranges::find(answer.rows, kind, &schema::Capability::kind);
  return found == answer.rows.end() ? nullptr : &*found;
}

awaitable<void> Capabilities::refresh(Backend& backend) {
  auto& answer = answers_[std::string(backend.name())];
  if (answer.asking) {
    while (answer.asking) co_await wait(engine_.clock, answer.answered, std::nullopt);
    co_return;
  }
  struct Asking {
    explicit Asking(Answer& a) : answer(a) { answer.asking = true; }
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;
    ~Asking() {
      answer.asking = false;
      answer.answered.notify();
    }
    Answer& answer;
  };
  const Asking asking(answer);
  std::vector<schema::Capability> rows;
  std::string failure;
  try {
    auto probed = co_await backend.probe();
    rows = std::move(probed);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (!failure.empty()) rows.push_back(failed_probe(backend, failure, engine_.clock.now()));
  for (auto& row : rows) row.checked_at = engine_.clock.now();
  if (!answer.asked || !same(answer.rows, rows)) log_change(rows);
  answer.rows = rows;
  answer.at = engine_.clock.now();
  answer.asked = true;
  auto record = [name = std::string(backend.name()), rows = std::move(rows)](schema::JobStore& store) {
    store.record_capabilities(name, rows);
  };
  std::string broken;
  try {
    co_await engine_.store.run(std::move(record));
  } catch (const schema::StoreError& error) {
    broken = error.what();
  }
  if (!broken.empty())
    log::warning("capabilities could not be recorded", {{"backend", backend.name()}, {"error", broken}});
}

awaitable<void> Capabilities::refresh_all() {
  for (const auto& backend : engine_.backends.all()) co_await refresh(*backend);
}

awaitable<void> Capabilities::keep_fresh() {
  for (;;) {
    const auto next = engine_.clock.now() + Milliseconds{1'000} * engine_.config.service.probe_interval_s;
    while (engine_.clock.now() < next) co_await wait(engine_.clock, never_, next);
    co_await refresh_all();
  }
}

awaitable<std::optional<Refusal>> Capabilities::refusal(Backend& backend, std::string kind) {
  auto& answer = answers_[std::string(backend.name())];
  const auto* known = row(answer, kind);
  const bool fresh = answer.asked && engine_.clock.now() - answer.at < fresh_ms;
  if (!fresh || known == nullptr || !known->supported) {
    co_await refresh(backend);
    known = row(answer, kind);
  }
  if (known != nullptr && known->supported) co_return std::nullopt;
  Refusal refusal;
  refusal.event = statemachine::Event::unsupported;
  refusal.reason_code = "kind_unsupported";
  refusal.message = "The backend does not know jobs of this kind.";
  refusal.detail = json{{"backend", backend.name()}, {"kind", kind}};
  if (known != nullptr) {
    refusal.reason_code = known->reason_code;
    refusal.message = known->message;
    auto detail = json::parse(known->detail, nullptr, false);
    if (detail.is_object()) refusal.detail.update(detail);
    refusal.detail["version"] = known->version;
  }
  co_return refusal;
}

}  // namespace rebottle::worker
