// The last look before the bottle is touched: everything about it goes into a file, and drift ends the job.
// Not here: the baseline itself (admission.cpp).
#include <algorithm>

#include "worker/backends/docker/admission.hpp"
#include "worker/backends/docker/container_check.hpp"
#include "worker/backends/docker/files.hpp"
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

Performed drift(const JobView& job, json diff) {
  return Performed::failed(Outcome::stale, "drift",
                           "The container " + job.names.container + " was changed by someone else meanwhile.",
                           {{"diff", std::move(diff)}});
}

// What differs from the baseline, apart from restarts.
json differences(const JobView& job, const json& container) {
  json diff = json::array();
  const auto compare = [&diff](std::string_view field, const json& before, const json& now) {
    if (before != now) diff.push_back({{"field", field}, {"before", before}, {"now", now}});
  };
  compare("Name", job.names.container, container_name(container));
  compare("Image", at(job.baseline(), "image_id"), at(container, "Image"));
  compare("State.Running", job.was_running(), at(container, "State", "Running") == true);
  for (const auto& field : changed_fields(at(job.baseline(), "fingerprint"), fingerprint(container)))
    diff.push_back({{"field", field}});
  return diff;
}

awaitable<Performed> network_documents(Engine& engine, const JobView& job) {
  json out = json::array();
  for (const auto& network : at(job.baseline(), "networks")) {
    auto id = text(at(network, "id"));
    if (id.empty()) id = text(at(network, "name"));  // a container that has never run knows no ids
    auto seen = co_await see_network(engine, id);
    if (seen.unclear()) co_return failure(seen.reply, "inspect the networks");
    if (seen.gone()) {
      json diff = json::array({{{"field", "network " + text(at(network, "name"))}, {"now", "removed"}}});
      co_return drift(job, std::move(diff));
    }
    out.push_back(std::move(seen.doc));
  }
  co_return Performed::done(std::move(out));
}

std::filesystem::path record_file(const JobView& job) { return job.keep_dir() / "record.json"; }

}  // namespace

awaitable<Performed> perform_record(Engine& engine, const JobView& job, Direction /*direction*/) {
  auto found = co_await find_target(engine, job);
  // The engine was there at the admission: now its silence is something to wait for.
  if (found.refusal.reason_code == "backend_absent") found.refusal.outcome = Outcome::unreachable;
  if (found.refusal.outcome != Outcome::done) co_return found.refusal;
  auto diff = differences(job, found.target.container);
  const auto pinned = co_await see_image(engine, job.names.tag_previous);
  if (pinned.unclear()) co_return failure(pinned.reply, "inspect the image " + job.names.tag_previous);
  if (!pinned.here() || text(at(pinned.doc, "Id")) != job.old_image())
    diff.push_back({{"field", "image " + job.names.tag_previous}, {"before", job.old_image()}, {"now", "not there"}});
  const auto own = co_await see_new(engine, job);
  if (own.seen.unclear()) co_return own.wrong;
  if (!own.seen.here()) diff.push_back({{"field", "container " + job.names.created}, {"now", own.wrong.message}});
  // Found now, it costs nothing; found after the stop, a roll-back.
  const auto in_the_way = co_await see_container_named(engine, job.names.parked);
  if (in_the_way.unclear()) co_return failure(in_the_way.reply, "look for a container " + job.names.parked);
  if (in_the_way.here())
    diff.push_back({{"field", "container " + job.names.parked}, {"now", at(in_the_way.doc, "Id")}});
  if (!diff.empty()) co_return drift(job, std::move(diff));
  auto networks = co_await network_documents(engine, job);
  if (networks.outcome != Outcome::done) co_return networks;

  const json documents = {{"container", std::move(found.target.container)},
                          {"image", std::move(found.target.image)},
                          {"networks", std::move(networks.result)}};
  const auto content = documents.dump();
  const auto file = record_file(job);
  const auto written = co_await write_file(engine, file, content);
  if (!written.empty())
    co_return Performed::failed(Outcome::transient, "record_not_written", "The record cannot be written: " + written,
                                {{"path", file.string()}, {"error", written}});
  // The file is for the service alone: it holds the bottle's environment. The journal keeps its hash.
  json result = {{"file", file.string()}, {"sha256", sha256_hex(content)}, {"bytes", content.size()}};
  co_return Performed::done(std::move(result));
}

awaitable<Observed> observe_record(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  std::error_code error;
  const bool there = job.has_fact(effect::record) && std::filesystem::exists(record_file(job), error);
  if (!there) co_return Observed{World::absent, json::object(), {}};
  co_return Observed{World::present, job.fact(effect::record), {}};
}

}  // namespace rebottle::worker::docker
