// Probing and remembering. Not here: any guess; without an answer a backend can do nothing.
#include "worker/engine/capabilities.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "worker/engine/json_text.hpp"
#include "worker/engine/log.hpp"
#include "worker/engine/within.hpp"

namespace rebottle::worker {
namespace {

constexpr Milliseconds fresh_ms = 5'000;     // an answer younger than this is believed
constexpr Milliseconds believed_probes = 3;  // an answer is believed until so many probes in a row are missing

schema::Capability failed_probe(const Backend& backend, std::string_view reason, const std::string& why) {
  schema::Capability row;
  row.backend = backend.name();
  row.kind = schema::kind_capability_block;
  row.reason_code = reason;
  row.message = "The backend could not be probed: " + why;
  row.detail = json{{"probe", "failed"}}.dump();
  return row;
}

awaitable<std::vector<schema::Capability>> guarded_probe(Backend& backend) {
  std::string failure;
  try {
    auto rows = co_await backend.probe();
    co_return rows;
  } catch (const std::exception& error) {
    failure = error.what();
  }
  co_return std::vector<schema::Capability>(1, failed_probe(backend, "backend_absent", failure));
}

void complete(schema::Capability& row, Milliseconds now, Milliseconds good_for) {
  row.checked_at = now;
  auto detail = json::parse(row.detail, nullptr, false);
  if (!detail.is_object()) detail = json::object();
  detail["good_for_s"] = good_for / 1'000;
  row.detail = to_text(detail);
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
  auto probe = guarded_probe(backend);
  const Milliseconds patience = backend.patience().count();
  auto probed = co_await within(engine_.clock, patience, std::move(probe));
  auto rows = probed ? std::move(*probed)
                     : std::vector<schema::Capability>(1, failed_probe(backend, backend_timeout, "no answer"));
  const auto good_for = believed_probes * interval() + patience;
  for (auto& row : rows) complete(row, engine_.clock.now(), good_for);
  if (!answer.asked || !same(answer.rows, rows)) log_change(rows);
  answer.rows = rows;
  answer.at = engine_.clock.steady();
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

// At the same time, so that engines that hang are waited for once, not one after the other.
awaitable<void> Capabilities::refresh_from(std::size_t index) {
  using namespace boost::asio::experimental::awaitable_operators;
  const auto& all = engine_.backends.all();
  if (index >= all.size()) co_return;
  auto one = refresh(*all[index]);
  auto others = refresh_from(index + 1);
  co_await (std::move(one) && std::move(others));
}

awaitable<void> Capabilities::begin() {
  std::vector<std::string> served;
  for (const auto& backend : engine_.backends.all()) served.emplace_back(backend->name());
  std::string broken;
  try {
    auto forget = [served](schema::JobStore& store) { store.keep_capabilities(served); };
    co_await engine_.store.run(std::move(forget));
  } catch (const schema::StoreError& error) {
    broken = error.what();
  }
  if (!broken.empty()) log::warning("old capabilities could not be removed", {{"error", broken}});
  co_await refresh_from(0);
}

awaitable<void> Capabilities::keep_fresh() {
  auto next = engine_.clock.steady() + interval();
  for (;;) {
    while (engine_.clock.steady() < next && engine_.doubted.empty())
      co_await wait(engine_.clock, engine_.doubt_signal, next);
    const auto doubted = std::exchange(engine_.doubted, {});
    if (engine_.clock.steady() >= next) {
      co_await refresh_from(0);
      next = engine_.clock.steady() + interval();
      continue;
    }
    for (const auto& name : doubted)
      if (auto* backend = engine_.backends.find(name)) co_await refresh(*backend);
  }
}

std::vector<std::vector<schema::Capability>> Capabilities::end() const {
  std::vector<std::vector<schema::Capability>> out;
  for (const auto& [name, answer] : answers_) {
    auto rows = answer.rows;
    for (auto& row : rows) {
      row.supported = false;
      row.reason_code = "service_not_running";
      row.message = "The service was stopped; nothing would carry a job out.";
      row.checked_at = engine_.clock.now();
    }
    out.push_back(std::move(rows));
  }
  return out;
}

awaitable<std::optional<Refusal>> Capabilities::refusal(Backend& backend, std::string kind) {
  Refusal refusal;
  refusal.event = statemachine::Event::unsupported;
  refusal.reason_code = "kind_unsupported";
  refusal.detail = json{{"backend", backend.name()}, {"kind", kind}};
  if (kind != schema::kind_capability_block) {
    refusal.message = "This service does not know jobs of kind '" + kind + "'.";
    refusal.detail["known"] = {schema::kind_capability_block};
    co_return refusal;
  }
  auto& answer = answers_[std::string(backend.name())];
  const auto* known = row(answer, kind);
  const bool fresh = answer.asked && engine_.clock.steady() - answer.at < fresh_ms;
  if (!fresh || known == nullptr || !known->supported) {
    co_await refresh(backend);
    known = row(answer, kind);
  }
  if (known != nullptr && known->supported) co_return std::nullopt;
  refusal.message = "The backend does not know jobs of this kind.";
  if (known != nullptr) {
    refusal.reason_code = known->reason_code;
    refusal.message = known->message;
    auto detail = json::parse(known->detail, nullptr, false);
    if (detail.is_object()) refusal.detail.update(detail);
    refusal.detail.erase("good_for_s");  // of the answer, not of the refusal
    refusal.detail["version"] = known->version;
  }
  co_return refusal;
}

}  // namespace rebottle::worker
