// Makes a member's new container while the old one still runs: created but not started, then connected.
// Not here: which settings go over (carry_over.cpp).
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <set>

#include "worker/backends/docker/carry_over.hpp"
#include "worker/backends/docker/container_check.hpp"
#include "worker/backends/docker/steps.hpp"
#include "worker/backends/docker/text.hpp"
#include "worker/backends/docker/tree_picker.hpp"

namespace rebottle::worker::docker {
namespace {

json created_result(const json& container) {
  return {{"container_id", at(container, "Id")}, {"image_id", at(container, "Image")}};
}

// Whether a container that carries our label is the one that this job wants.
Observed judge_created(const JobView& job, const json& container) {
  const auto name = container_name(container);
  const json& labels = at(container, "Config", "Labels");
  if (overtaken(labels, job)) return seen_as(World::unknown, name + " was made under a newer fence than ours");
  if (name != job.names.created && name != job.names.container)
    return seen_as(World::foreign, "the container with this job's label is called " + name);
  if (text(at(container, "Image")) != job.new_image())
    return seen_as(World::foreign, name + " was made from another image: " + text(at(container, "Image")));
  return {World::present, created_result(container), {}};
}

// A namespace of another member's old container becomes that of its new one.
void follow_owners(const JobView& job, json& container) {
  for (const auto& share : at(job.baseline(), "shares")) {
    const auto owner = job.of(text(at(share, "owner")));
    container["HostConfig"][text(at(share, "field"))] = "container:" + owner.new_id();
  }
}

// Whether a person gave the volume its name: its bind goes over as it stands.
bool has_given_name(const json& container, const std::string& volume) {
  const json& host_config = at(container, "HostConfig");
  return std::ranges::any_of(at(host_config, "Binds"),
                             [&](const json& bind) { return text(bind).starts_with(volume + ":"); }) ||
         std::ranges::any_of(at(host_config, "Mounts"),
                             [&](const json& mount) { return text(at(mount, "Source")) == volume; });
}

// Done with the places of the anonymous volumes that hold nothing, as a list. Podman fills a volume only when it is
// new.
awaitable<Performed> find_empty_volumes(Engine& engine, json container) {
  json out = json::array();
  if (engine.dialect().kind == EngineKind::podman) co_return Performed::done(out);
  for (const auto& mount : at(container, "Mounts")) {
    if (text(at(mount, "Type")) != "volume" || has_given_name(container, text(at(mount, "Name")))) continue;
    const auto place = text(at(mount, "Destination"));
    // The first entry is the volume's own, the second one is content.
    int entries = 0;
    TreePicker picker(
        {place}, [&entries](std::size_t, std::string_view) { return ++entries < 2; }, [](std::string_view) {},
        std::filesystem::path(place).parent_path().string());
    Sink sink = [&picker](std::string_view piece) { return picker.feed(piece); };
    Call call;
    call.method = "GET";
    call.target = archive_target(text(at(container, "Id")), place);
    const auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
    if (entries > 1) continue;
    if (!reply.succeeded() || !picker.complete()) co_return failure(reply, "look into the volume at " + place);
    out.push_back(place);
  }
  co_return Performed::done(std::move(out));
}

// The configuration that the member's old container has now, as far as it is carried over. `container` is the old one
// as the new one is to be.
awaitable<Performed> carry_now(Engine& engine, const JobView& job, CarryOver& out, json& container) {
  auto old = co_await see_container(engine, job.old_id());
  if (!old.here()) co_return failure(old.reply, "inspect the container " + job.names.container);
  const auto diff = changed_fields(at(job.baseline(), "fingerprint"), fingerprint(old.doc));
  if (!diff.empty())
    co_return Performed::failed(Outcome::stale, "drift",
                                "The container " + job.names.container + " was changed by someone else meanwhile.",
                                {{"fields", diff}});
  const auto image = co_await see_image(engine, job.old_image());
  if (!image.here()) co_return failure(image.reply, "inspect the image of " + job.names.container);
  const auto empty = co_await find_empty_volumes(engine, old.doc);
  if (empty.outcome != Outcome::done) co_return empty;
  follow_owners(job, old.doc);
  out = carry_over(old.doc, image.doc, empty.result.get<std::set<std::string>>());
  container = std::move(old.doc);
  co_return Performed::done();
}

// What the new container is made from. A member other than the agent keeps its image, and the name of it as long as
// that still means the same image.
awaitable<Performed> image_to_use(Engine& engine, const JobView& job) {
  if (job.is_agent()) co_return Performed::done(job.image_reference());
  auto reference = text(at(job.baseline(), "image"));
  const auto seen = co_await see_image(engine, reference);
  if (seen.unclear() && !seen.reply.is(400)) co_return failure(seen.reply, "inspect the image " + reference);
  const bool same = seen.here() && text(at(seen.doc, "Id")) == job.old_image();
  co_return Performed::done(same ? reference : job.old_image());
}

json create_body(const Engine& engine, const JobView& job, const CarryOver& carried, const json& image) {
  json body = carried.body;
  body["Image"] = image;
  body["Labels"].update(labels_of(job.context, effect_name(effect::create_new, job.member)));
  const auto& dialect = engine.dialect();
  if (!dialect.updates_policy) body["HostConfig"]["RestartPolicy"] = carried.restart_policy;
  if (dialect.takes_all_networks)
    for (const auto& network : carried.further)
      body["NetworkingConfig"]["EndpointsConfig"][network.network] = network.settings;
  return body;
}

// What the engine made must be what it was told to make.
awaitable<Performed> judge_result(Engine& engine, const JobView& job, std::string id, json old_container, json asked) {
  const auto created = co_await see_container(engine, id);
  if (!created.here()) co_return failure(created.reply, "inspect the container " + job.names.created);
  if (text(at(created.doc, "Image")) != job.new_image())
    co_return Performed::failed(Outcome::permanent, "image_moved",
                                text(at(created.doc, "Config", "Image")) + " means another image than before.",
                                {{"expected", job.new_image()}, {"found", at(created.doc, "Image")}});
  auto fields = unfaithful_fields(old_container, asked, created.doc);
  std::ranges::move(engine.dialect().unfaithful(old_container, created.doc), std::back_inserter(fields));
  if (at(old_container, "HostConfig", "NetworkMode") != at(created.doc, "HostConfig", "NetworkMode"))
    fields.emplace_back("HostConfig.NetworkMode");
  if (!fields.empty())
    co_return Performed::failed(Outcome::permanent, "not_carried",
                                "The engine did not take over settings of the container " + job.names.container + ".",
                                {{"fields", fields}});
  co_return Performed::done(created_result(created.doc));
}

std::vector<json> missing_networks(const JobView& job, const json& container) {
  std::vector<json> out;
  const json& connected = at(container, "NetworkSettings", "Networks");
  for (const auto& network : at(job.baseline(), "networks"))
    if (network.contains("connect") && !connected.contains(text(at(network, "name")))) out.push_back(network);
  return out;
}

// A stopped container can be connected to a network that does not exist: the error would come at its start. So the
// network is looked at first.
awaitable<Performed> connect(Engine& engine, const JobView& job, json network) {
  const auto name = text(at(network, "name"));
  auto id = text(at(network, "id"));
  if (id.empty()) id = name;
  const auto seen = co_await see_network(engine, id);
  if (seen.unclear()) co_return failure(seen.reply, "inspect the network " + name);
  if (seen.gone() || text(at(seen.doc, "Name")) != name)
    co_return Performed::failed(Outcome::stale, "drift", "The network " + name + " is not there any more.",
                                {{"network", name}, {"network_id", id}});
  json body = {{"Container", job.new_id()}, {"EndpointConfig", at(network, "connect")}};
  std::string target = "/networks/" + percent_encode(text(at(seen.doc, "Id"))) + "/connect";
  const auto reply = co_await post_json(engine, std::move(target), std::move(body));
  if (!reply.succeeded()) co_return failure(reply, "connect " + job.names.created + " to the network " + name);
  co_return Performed::done();
}

// A container whose maker died, or lost the answer, before it was compared with the old one.
awaitable<Observed> compare_again(Engine& engine, const JobView& job, std::string id) {
  CarryOver carried;
  json old_container;
  auto judged = co_await carry_now(engine, job, carried, old_container);
  if (judged.outcome == Outcome::done) {
    auto compared =
        co_await judge_result(engine, job, std::move(id), std::move(old_container), std::move(carried.body));
    judged = std::move(compared);
  }
  if (judged.outcome == Outcome::done) co_return Observed{World::present, judged.result, {}};
  const bool certain = judged.outcome == Outcome::permanent || judged.outcome == Outcome::stale;
  co_return seen_as(certain ? World::foreign : World::unknown, judged.message);
}

}  // namespace

bool overtaken(const json& labels, const JobView& job) {
  const auto fence = text(at(labels, label::fence));
  std::int64_t number = 0;
  std::from_chars(fence.data(), fence.data() + fence.size(), number);
  return number > job.context.fence;
}

awaitable<OwnContainer> see_new(Engine& engine, const JobView& job) {
  OwnContainer out;
  auto seen = co_await see_container(engine, job.new_id());
  out.seen = std::move(seen);
  const auto& name = job.names.created;
  if (out.seen.unclear()) out.wrong = failure(out.seen.reply, "inspect the changed container");
  if (out.seen.gone())
    out.wrong = Performed::failed(Outcome::permanent, "container_gone", "The changed container is not there any more.",
                                  {{"container", name}, {"container_id", job.new_id()}});
  if (!out.seen.here()) co_return out;
  if (job.undoes()) {
    // What is put back is the user's own, known by its id alone, and by one of the two names that it may have now.
    const auto now = container_name(out.seen.doc);
    if (now == name || now == job.names.container) co_return out;
    out.wrong = Performed::failed(Outcome::permanent, "not_ours", "The old container is called " + now + " now.",
                                  {{"container", now}, {"parked_as", name}});
    out.seen.sight = Sight::gone;
    co_return out;
  }
  const json& labels = at(out.seen.doc, "Config", "Labels");
  if (overtaken(labels, job)) {
    out.wrong = Performed::failed(Outcome::unknown, "fence_lost", "Another worker has taken this job over.",
                                  {{"container", name}, {"labels", labels}});
  } else if (!made_by(labels, job.context.job_key)) {
    out.wrong = Performed::failed(Outcome::permanent, "not_ours", "The container is not one that this job made.",
                                  {{"container", name}, {"container_id", job.new_id()}});
  } else {
    co_return out;
  }
  out.seen.sight = Sight::gone;
  co_return out;
}

awaitable<Observed> observe_create_new(Engine& engine, const JobView& job, Direction /*direction*/) {
  const std::string own_label = std::string(label::job) + "=" + job.context.job_key;
  const auto listed = co_await list_containers(engine, own_label);
  if (!listed.here()) co_return unclear(listed);
  std::vector<std::string> ids;
  for (const auto& item : listed.doc)
    if (text(at(item, "Labels", label::step)) == effect_name(effect::create_new, job.member))
      ids.push_back(text(at(item, "Id")));
  if (ids.size() > 1) co_return seen_as(World::foreign, "more than one container carries the label " + own_label);
  if (ids.size() == 1) {
    const auto id = ids.front();
    const auto seen = co_await see_container(engine, id);
    if (seen.unclear()) co_return unclear(seen);
    if (seen.here()) {
      auto judged = judge_created(job, seen.doc);
      const bool compared = !job.own_fact(effect::create_new).empty();
      if (judged.world != World::present || compared) co_return judged;
      auto now = co_await compare_again(engine, job, id);
      co_return now;
    }
  }
  const auto in_the_way = co_await see_container_named(engine, job.names.created);
  if (in_the_way.unclear()) co_return unclear(in_the_way);
  if (in_the_way.here()) co_return seen_as(World::foreign, job.names.created + " is someone else's container");
  co_return seen_as(World::absent);
}

awaitable<Performed> perform_create_new(Engine& engine, const JobView& job, Direction /*direction*/) {
  CarryOver carried;
  json old_container;
  const auto ready = co_await carry_now(engine, job, carried, old_container);
  if (ready.outcome != Outcome::done) co_return ready;
  const auto image = co_await image_to_use(engine, job);
  if (image.outcome != Outcome::done) co_return image;
  const json whole = create_body(engine, job, carried, image.result);
  json body = engine.dialect().create_body(whole, old_container, job.names.created);
  auto target = std::string(engine.dialect().container_path) + "create?name=" + percent_encode(job.names.created);
  const auto reply = co_await post_json(engine, std::move(target), std::move(body));
  if (!reply.is(201)) co_return failure(reply, "create the container " + job.names.created);
  const auto answer = json::parse(reply.body, nullptr, false);
  auto id = text(at(answer, "Id"));
  auto out = co_await judge_result(engine, job, std::move(id), std::move(old_container), std::move(carried.body));
  if (out.outcome == Outcome::done && at(answer, "Warnings").is_array()) out.result["warnings"] = answer["Warnings"];
  co_return out;
}

awaitable<Observed> observe_connect_networks(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto own = co_await see_new(engine, job);
  if (own.seen.unclear()) co_return unclear(own.seen);
  if (!own.seen.here()) co_return seen_as(World::foreign, own.wrong.message);
  const auto missing = missing_networks(job, own.seen.doc);
  co_return seen_as(missing.empty() ? World::present : World::absent);
}

awaitable<Performed> perform_connect_networks(Engine& engine, const JobView& job, Direction direction) {
  const auto own = co_await see_new(engine, job);
  if (!own.seen.here()) co_return own.wrong;
  json names = json::array();
  for (const auto& network : missing_networks(job, own.seen.doc)) {
    const auto connected = co_await connect(engine, job, network);
    if (connected.outcome != Outcome::done) co_return connected;
    names.push_back(at(network, "name"));
  }
  const auto seen = co_await observe_connect_networks(engine, job, direction);
  if (seen.world != World::present)
    co_return Performed::failed(Outcome::transient, "not_connected",
                                "The engine did not connect " + job.names.created + " to its networks.",
                                {{"observed", seen.detail}, {"networks", names}});
  json result = {{"networks", std::move(names)}};
  co_return Performed::done(std::move(result));
}

}  // namespace rebottle::worker::docker
