// The calls that are made more than once. Not here: HTTP, decisions.
#include "worker/backends/docker/engine.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::size_t list_bytes_max = std::size_t{16} << 20;
constexpr std::size_t log_bytes_read_max = std::size_t{256} << 10;
constexpr std::size_t log_bytes_kept = 4000;

Seen judged(Reply reply) {
  Seen seen;
  seen.reply = std::move(reply);
  if (seen.reply.is(404)) seen.sight = Sight::gone;
  if (!seen.reply.is(200)) return seen;
  seen.doc = json::parse(seen.reply.body, nullptr, false);
  seen.reply.body.clear();
  if (seen.doc.is_discarded()) {
    seen.reply.reach = Reach::malformed;
    seen.reply.error = "the answer is no JSON";
    seen.doc = nullptr;
  } else {
    seen.sight = Sight::here;
  }
  return seen;
}

awaitable<Seen> see_list(Engine& engine, std::string target) {
  Call call;
  call.method = "GET";
  call.target = std::move(target);
  call.body_max = list_bytes_max;
  auto reply = co_await engine.client.call(std::move(call));
  co_return judged(std::move(reply));
}

}  // namespace

awaitable<Seen> see(Engine& engine, std::string target) {
  Call call;
  call.method = "GET";
  call.target = std::move(target);
  auto reply = co_await engine.client.call(std::move(call));
  co_return judged(std::move(reply));
}

// Documents of other engines are read as a Docker engine's.
awaitable<Seen> see_translated(Engine& engine, std::string target, json (*translate)(const json&)) {
  auto seen = co_await see(engine, std::move(target));
  if (seen.here() && translate != nullptr) seen.doc = translate(seen.doc);
  co_return seen;
}

std::string container_target(const Engine& engine, const std::string& id_or_name) {
  return std::string(engine.dialect().container_path) + percent_encode(id_or_name) + "/json";
}

awaitable<Seen> see_container(Engine& engine, std::string id, bool with_size) {
  if (id.empty()) co_return Seen{Sight::gone, nullptr, {}};
  auto target = container_target(engine, id) + (with_size ? "?size=true" : "");
  auto seen = co_await see_translated(engine, std::move(target), engine.dialect().container);
  // The engine also looks for names and the starts of ids.
  if (seen.here() && text(at(seen.doc, "Id")) != id) seen.sight = Sight::gone;
  if (!seen.gone()) co_return seen;
  // Much follows from a container's absence, so the engine must say it twice, and differently.
  const json filters = {{"id", json::array({id})}};
  std::string list = "/containers/json?all=1&filters=" + percent_encode(filters.dump());
  auto listed = co_await see_list(engine, std::move(list));
  if (listed.here() && listed.doc.is_array() && listed.doc.empty()) co_return seen;
  if (listed.here()) {
    listed.reply.reach = Reach::malformed;
    listed.reply.error = "the engine lists the container " + id + " but does not find it";
  }
  listed.sight = Sight::unclear;
  co_return listed;
}

awaitable<Seen> see_container_named(Engine& engine, std::string name) {
  auto target = container_target(engine, name);
  auto seen = co_await see_translated(engine, std::move(target), engine.dialect().container);
  if (seen.here() && container_name(seen.doc) != name) seen.sight = Sight::gone;
  co_return seen;
}

awaitable<Seen> see_image(Engine& engine, std::string reference) {
  auto target = std::string(engine.dialect().image_path) + percent_encode_path(reference) + "/json";
  auto seen = co_await see_translated(engine, std::move(target), engine.dialect().image);
  co_return seen;
}

awaitable<Seen> see_tag(Engine& engine, std::string tag) {
  auto seen = co_await see_image(engine, tag);
  if (!seen.gone()) co_return seen;
  // Its history is a cheap question beside its place in a list of all images.
  std::string target = "/images/" + percent_encode_path(tag) + "/history";
  auto history = co_await see_list(engine, std::move(target));
  if (history.gone()) co_return seen;
  if (history.here()) {
    history.reply.reach = Reach::malformed;
    history.reply.error = "the engine knows the history of the image " + tag + " but does not find it";
  }
  history.sight = Sight::unclear;
  co_return history;
}

awaitable<Seen> see_network(Engine& engine, std::string id) {
  std::string target = "/networks/" + percent_encode(id);
  auto seen = co_await see(engine, std::move(target));
  co_return seen;
}

awaitable<Seen> list_containers(Engine& engine, std::string label) {
  std::string target = "/containers/json?all=1";
  if (!label.empty()) {
    const json filters = {{"label", json::array({label})}};
    target += "&filters=" + percent_encode(filters.dump());
  }
  auto seen = co_await see_list(engine, std::move(target));
  co_return seen;
}

awaitable<Reply> post(Engine& engine, std::string target) {
  Call call;
  call.method = "POST";
  call.target = std::move(target);
  auto reply = co_await engine.client.call(std::move(call));
  co_return reply;
}

awaitable<Reply> post_json(Engine& engine, std::string target, json body) {
  Call call;
  call.method = "POST";
  call.target = std::move(target);
  call.content_type = "application/json";
  call.body = body.dump();
  auto reply = co_await engine.client.call(std::move(call));
  co_return reply;
}

awaitable<Reply> erase(Engine& engine, std::string target) {
  Call call;
  call.method = "DELETE";
  call.target = std::move(target);
  auto reply = co_await engine.client.call(std::move(call));
  co_return reply;
}

awaitable<std::string> last_log_lines(Engine& engine, json container) {
  Call call;
  call.method = "GET";
  call.target = "/containers/" + percent_encode(text(at(container, "Id"))) + "/logs?stdout=1&stderr=1&tail=40";
  const bool multiplexed = at(container, "Config", "Tty") != true;
  Demultiplexer demultiplexer;
  Tail tail(log_bytes_kept);
  std::size_t read = 0;
  Sink sink = [&](std::string_view piece) {
    tail.append(multiplexed ? demultiplexer.feed(piece) : std::string(piece));
    read += piece.size();
    return read < log_bytes_read_max;
  };
  const auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
  co_return last_part(tail.text(), log_bytes_kept);
}

awaitable<void> pause_for(milliseconds duration) {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, duration);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

Performed failure(const Reply& reply, std::string_view doing) {
  const auto message = std::string(doing) + ": " + reply.message();
  json detail = {{"doing", doing}, {"answer", reply.message()}};
  if (reply.answered()) detail["status"] = reply.status;
  switch (reply.reach) {
    case Reach::unreachable: return Performed::failed(Outcome::unreachable, "engine_unreachable", message, detail);
    case Reach::too_old: return Performed::failed(Outcome::unsupported, "backend_too_old", message, detail);
    case Reach::other_engine: return Performed::failed(Outcome::unsupported, "backend_absent", message, detail);
    case Reach::lost:
    case Reach::timeout:
    case Reach::stopped:
    case Reach::malformed: return Performed::failed(Outcome::transient, "engine_answer_lost", message, detail);
    case Reach::answered: break;
  }
  // Only a clear refusal of the request itself is final. What is said to be missing (404) or in the way (409) is looked
  // at before it is believed, and a status that answers nothing proves nothing.
  const bool refused = reply.status >= 400 && reply.status < 500;
  const bool again =
      !refused || reply.status == 404 || reply.status == 409 || reply.status == 408 || reply.status == 429;
  return Performed::failed(again ? Outcome::transient : Outcome::permanent, again ? "engine_error" : "engine_refused",
                           message, detail);
}

std::string archive_target(const std::string& id, const std::string& path) {
  return "/containers/" + percent_encode(id) + "/archive?path=" + percent_encode(path);
}

Observed unclear(const Seen& seen) { return seen_as(World::unknown, seen.reply.message()); }

Observed seen_as(World world, std::string detail) { return {world, json::object(), std::move(detail)}; }

bool has_been_started(const json& container) {
  return text(at(container, "State", "StartedAt")) != "0001-01-01T00:00:00Z";
}

std::string container_name(const json& container) {
  auto name = text(at(container, "Name"));
  if (name.starts_with('/')) name.erase(0, 1);
  return name;
}

}  // namespace rebottle::worker::docker
