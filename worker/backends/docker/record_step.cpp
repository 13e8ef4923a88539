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
                           {{"container", job.names.container}, {"diff", std::move(diff)}});
}

// What differs from the baseline, apart from restarts.
json differences(const JobView& job, const json& container) {
  json diff = json::array();
  const auto compare = [&diff](std::string_view field, const json& before, const json& now) {
    if (before != now) diff.push_back({{"field", field}, {"before", before}, {"now", now}});
  };
  compare("Id", job.old_id(), at(container, "Id"));
  compare("Name", job.names.container, container_name(container));
  compare("Image", at(job.baseline(), "image_id"), at(container, "Image"));
  compare("State.Running", job.was_running(), at(container, "State", "Running") == true);
  for (const auto& field : changed_fields(at(job.baseline(), "fingerprint"), fingerprint(container)))
    diff.push_back({{"field", field}});
  return diff;
}

json names_of_all(const json& baselines) {
  json out = json::array();
  for (const auto& one : baselines) out.push_back(at(one, "name"));
  return out;
}

json names_of_all(const std::vector<Target>& targets) {
  json out = json::array();
  for (const auto& one : targets) out.push_back(container_name(one.container));
  return out;
}

// A container that a job of another bottle, or of another database, has made to take the place of a member of ours.
awaitable<Performed> look_for_other_jobs(Engine& engine, const JobView& job) {
  std::string any_job(label::job);
  const auto listed = co_await list_containers(engine, any_job);
  if (!listed.here()) co_return failure(listed.reply, "list the containers of all jobs");
  for (const auto& item : listed.doc) {
    const auto key = text(at(item, "Labels", label::job));
    const auto other = names_of(job.context.bottle, job.names.container, key).created;
    const json& names = at(item, "Names");
    if (key == job.context.job_key || std::ranges::find(names, json("/" + other)) == names.end()) continue;
    co_return Performed::failed(
        Outcome::transient, "other_job",
        "Another job (" + key + ") is about to replace the container " + job.names.container + ".",
        {{"container", job.names.container}, {"job", key}, {"created", other}});
  }
  co_return Performed::done();
}

// Found now it costs nothing; found after the stop, a roll-back.
awaitable<Performed> judge_member(Engine& engine, const JobView& job, const json& container) {
  auto diff = differences(job, container);
  const auto pinned = co_await see_image(engine, job.names.tag_previous);
  if (pinned.unclear()) co_return failure(pinned.reply, "inspect the image " + job.names.tag_previous);
  if (!pinned.here() || text(at(pinned.doc, "Id")) != job.old_image())
    diff.push_back({{"field", "image " + job.names.tag_previous}, {"before", job.old_image()}, {"now", "not there"}});
  const auto own = co_await see_new(engine, job);
  if (own.seen.unclear()) co_return own.wrong;
  if (!own.seen.here()) diff.push_back({{"field", "container " + job.names.created}, {"now", own.wrong.message}});
  // What was parked has run before.
  const bool started = job.undoes() ? at(own.seen.doc, "State", "Running") == true : has_been_started(own.seen.doc);
  if (own.seen.here() && started)
    diff.push_back({{"field", "container " + job.names.created}, {"now", "started by someone else"}});
  const auto in_the_way = co_await see_container_named(engine, job.names.parked);
  if (in_the_way.unclear()) co_return failure(in_the_way.reply, "look for a container " + job.names.parked);
  if (in_the_way.here())
    diff.push_back({{"field", "container " + job.names.parked}, {"now", at(in_the_way.doc, "Id")}});
  if (!diff.empty()) co_return drift(job, std::move(diff));
  auto out = co_await look_for_other_jobs(engine, job);
  co_return out;
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

// Everything that is known of one member, once it has proved to be what it was.
awaitable<Performed> document_of(Engine& engine, const JobView& job, Target target) {
  auto same = co_await judge_member(engine, job, target.container);
  if (same.outcome != Outcome::done) co_return same;
  auto networks = co_await network_documents(engine, job);
  if (networks.outcome != Outcome::done) co_return networks;
  json document = {{"container", std::move(target.container)},
                   {"image", std::move(target.image)},
                   {"networks", std::move(networks.result)}};
  co_return Performed::done(std::move(document));
}

std::filesystem::path record_file(const JobView& job) { return job.keep_dir() / "record.json"; }

}  // namespace

awaitable<Performed> perform_record(Engine& engine, const JobView& job, Direction /*direction*/) {
  auto found = co_await find_target(engine, job);
  // The engine was there at the admission: now its silence is something to wait for.
  if (found.refusal.reason_code == "backend_absent") found.refusal.outcome = Outcome::unreachable;
  if (found.refusal.outcome != Outcome::done) co_return found.refusal;
  const json members = names_of_all(at(job.baseline(), "members"));
  const json members_now = names_of_all(found.dependents);
  if (members != members_now) {
    json diff = json::array({{{"field", "containers in its namespaces"}, {"before", members}, {"now", members_now}}});
    co_return drift(job, std::move(diff));
  }
  auto agent = co_await document_of(engine, job, std::move(found.target));
  if (agent.outcome != Outcome::done) co_return agent;
  json documents = std::move(agent.result);
  json& of_members = documents["members"] = json::array();
  for (auto& dependent : found.dependents) {
    const auto member = job.of(container_name(dependent.container));
    auto one = co_await document_of(engine, member, std::move(dependent));
    if (one.outcome != Outcome::done) co_return one;
    of_members.push_back(std::move(one.result));
  }
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

// The step comes here again only after a wait: a freeze, a crash, a pause. A look from before it is too old to act on.
awaitable<Observed> observe_record(Engine& /*engine*/, const JobView& /*job*/, Direction /*direction*/) {
  co_return Observed{World::absent, json::object(), {}};
}

}  // namespace rebottle::worker::docker
