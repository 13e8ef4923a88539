// HTTP over a unix socket with Beast; the only file that includes it, since it is slow to compile.
// Not here: what the calls mean.
#include "worker/backends/docker/engine_client.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <variant>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>

#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Stream = beast::basic_stream<asio::local::stream_protocol, asio::any_io_executor>;

constexpr std::size_t error_body_max = std::size_t{64} << 10;
constexpr std::size_t message_bytes_max = 2000;

// Lets each operation take `idle` at most, and all of them together no longer than the deadline: a peer that sends
// one byte a second never runs into the first and surely into the second.
class Deadline {
 public:
  Deadline(Stream& stream, milliseconds whole, milliseconds idle)
      : stream_(stream), end_(Clock::now() + whole), idle_(idle.count() > 0 ? idle : whole) {}
  void arm() { stream_.expires_at(std::min(end_, Clock::now() + idle_)); }

 private:
  Stream& stream_;
  Clock::time_point end_;
  milliseconds idle_;
};

Reply failed(Reach reach, const error_code& error, std::string_view doing) {
  Reply reply;
  reply.reach = error == beast::error::timeout ? Reach::timeout : reach;
  reply.error = std::string(doing) + ": " + (error == beast::error::timeout ? "no answer in time" : error.message());
  return reply;
}

// An answer that ends too early is a lost connection; one that breaks the grammar is malformed.
Reach reach_of_read_error(const error_code& error) {
  const bool cut = error == http::error::end_of_stream || error == http::error::partial_message;
  const bool grammar = error.category() == http::make_error_code(http::error::bad_method).category();
  return grammar && !cut ? Reach::malformed : Reach::lost;
}

template <class Request>
void fill_header(Request& request, const Call& call) {
  request.version(11);
  request.method_string(call.method);
  request.set(http::field::host, "engine");
  request.set(http::field::user_agent, "rebottle");
  request.keep_alive(false);
  if (!call.content_type.empty()) request.set(http::field::content_type, call.content_type);
  for (const auto& [name, value] : call.headers) request.set(name, value);
}

// Writes the request; an error for the reason that it was not sent whole.
awaitable<error_code> send(Stream& stream, const Call& call, const std::string& target) {
  error_code error;
  if (call.body_file.empty()) {
    http::request<http::string_body> request;
    fill_header(request, call);
    request.target(target);
    request.body() = call.body;
    request.prepare_payload();
    co_await http::async_write(stream, request, asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }
  http::request<http::file_body> request;
  fill_header(request, call);
  request.target(target);
  request.body().open(call.body_file.c_str(), beast::file_mode::scan, error);
  if (error) co_return error;
  request.prepare_payload();
  co_await http::async_write(stream, request, asio::redirect_error(asio::use_awaitable, error));
  co_return error;
}

// Where the pieces of an answer's body go.
class Receiver {
 public:
  Receiver(Reply& reply, const Sink& sink, std::size_t body_max) : reply_(reply), sink_(sink), body_max_(body_max) {}

  // False: enough.
  bool take(std::string_view piece) {
    if (reply_.status < 300 && sink_) {
      if (sink_(piece)) return true;
      reply_.reach = Reach::stopped;
      return false;
    }
    if (reply_.status >= 300) {  // an error's text is for people: the start is enough
      reply_.body += piece.substr(0, error_body_max - std::min(error_body_max, reply_.body.size()));
      return reply_.body.size() < error_body_max;
    }
    if (reply_.body.size() + piece.size() > body_max_) {
      reply_.reach = Reach::malformed;
      reply_.error = "the answer is longer than " + std::to_string(body_max_) + " bytes";
      return false;
    }
    reply_.body += piece;
    return true;
  }

 private:
  Reply& reply_;
  const Sink& sink_;
  std::size_t body_max_;
};

awaitable<Reply> receive(Stream& stream, Deadline& deadline, const Call& call, const Sink& sink) {
  Reply reply;
  error_code error;
  beast::flat_buffer buffer(std::size_t{64} << 10);
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  parser.skip(call.method == "HEAD");
  deadline.arm();
  co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failed(reach_of_read_error(error), error, "reading the answer");
  reply.reach = Reach::answered;
  reply.status = static_cast<int>(parser.get().result_int());
  reply.api_version = std::string(parser.get()["Api-Version"]);
  reply.podman = std::string(parser.get()["Libpod-Api-Version"]);
  reply.path_stat = std::string(parser.get()["X-Docker-Container-Path-Stat"]);

  Receiver receiver(reply, sink, call.body_max);
  std::array<char, 32768> piece;  // NOLINT: filled by the parser
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    deadline.arm();
    co_await http::async_read_some(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    if (error == http::error::need_buffer) error = {};
    const auto taken = piece.size() - parser.get().body().size;
    const bool wanted = taken == 0 || receiver.take(std::string_view(piece.data(), taken));
    if (!wanted) co_return reply;
    if (error) co_return failed(reach_of_read_error(error), error, "reading the answer");
  }
  co_return reply;
}

// "4.3.1" → 4; 0 for what is no version.
int major_of(std::string_view version) {
  int number = 0;
  std::from_chars(version.data(), version.data() + version.size(), number);
  return number;
}

// Podman offers itself under Docker's socket path, too; its answers to the same questions are others.
void judge_engine(Reply& reply, EngineKind wanted) {
  const auto kind = reply.podman.empty() ? EngineKind::docker : EngineKind::podman;
  if (kind != wanted) {
    reply.reach = Reach::other_engine;
    reply.error = "the engine on this socket is " + std::string(engine_word(kind)) + ", not " +
                  std::string(engine_word(wanted)) + "; give the socket of the other one, or approve for the backend " +
                  (kind == EngineKind::podman ? "podman" : "docker");
  } else if (kind == EngineKind::podman && major_of(reply.podman) < podman_major_oldest) {
    reply.reach = Reach::too_old;
    reply.error = "the engine is Podman " + shortened(clean_text(reply.podman), 40) + "; at least " +
                  std::to_string(podman_major_oldest) + ".0 is needed";
  }
}

}  // namespace

std::string Reply::message() const {
  if (!answered()) return error;
  const auto document = nlohmann::json::parse(body, nullptr, false);
  std::string text = body;
  if (document.is_object() && document.contains("message") && document["message"].is_string())
    text = document["message"].get<std::string>();
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  text = shortened(clean_text(text), message_bytes_max);
  return text.empty() ? "HTTP status " + std::to_string(status) : text;
}

EngineClient::EngineClient(asio::any_io_executor executor, std::filesystem::path socket, milliseconds call_timeout,
                           EngineKind wanted)
    : executor_(std::move(executor)), socket_(std::move(socket)), call_timeout_(call_timeout), wanted_(wanted) {}

awaitable<Reply> EngineClient::exchange(Call call, std::string prefix, Sink sink) {
  error_code error;
  Stream stream(executor_);
  Deadline deadline(stream, call.deadline.count() > 0 ? call.deadline : call_timeout_, call.idle);
  const std::string path = socket_.string();
  constexpr std::size_t path_max = sizeof(sockaddr_un{}.sun_path) - 1;
  if (path.size() > path_max) co_return failed(Reach::unreachable, asio::error::name_too_long, path);
  const asio::local::stream_protocol::endpoint endpoint(path);
  deadline.arm();
  co_await stream.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    auto reply = failed(Reach::unreachable, error, path);
    reply.reach = Reach::unreachable;  // a timeout here, too: nothing was sent
    co_return reply;
  }
  const std::string target = prefix + call.target;
  deadline.arm();
  const auto send_error = co_await send(stream, call, target);
  // The engine may refuse early and close: its answer says more than the broken pipe.
  if (send_error && send_error != asio::error::broken_pipe && send_error != asio::error::connection_reset)
    co_return failed(Reach::lost, send_error, "sending the request");
  auto reply = co_await receive(stream, deadline, call, sink);
  co_return reply;
}

awaitable<Reply> EngineClient::ping() {
  Call call;
  call.method = "GET";
  call.target = "/_ping";
  Sink no_sink;
  std::string no_prefix;
  auto reply = co_await exchange(std::move(call), std::move(no_prefix), std::move(no_sink));
  version_.reset();
  if (!reply.succeeded()) co_return reply;
  const auto server = parse_api_version(reply.api_version);
  if (!server) {
    reply.reach = Reach::malformed;
    reply.error = "the answer to /_ping names no API version: this is no container engine";
    co_return reply;
  }
  version_ = negotiate(*server);
  if (!version_) {
    reply.reach = Reach::too_old;
    reply.error = "the engine speaks API " + server->text() + "; at least " + api_version_oldest.text() + " is needed";
  }
  judge_engine(reply, wanted_);
  if (!reply.answered()) version_.reset();
  co_return reply;
}

awaitable<Reply> EngineClient::stream(Call call, Sink sink) {
  if (!version_) {
    auto ping_reply = co_await ping();
    if (!version_) {
      // Whatever became of the ping, the request itself was never sent.
      if (ping_reply.error.empty()) ping_reply.error = "/_ping: " + ping_reply.message();
      const bool judged = ping_reply.reach == Reach::too_old || ping_reply.reach == Reach::other_engine;
      if (!judged) ping_reply.reach = Reach::unreachable;
      co_return ping_reply;
    }
  }
  std::string prefix = "/v" + version_->text();
  auto reply = co_await exchange(std::move(call), std::move(prefix), std::move(sink));
  // After a broken connection the engine may be another one: negotiate anew.
  const bool broken = reply.reach != Reach::answered && reply.reach != Reach::stopped;
  const bool refused = reply.is(400) && reply.body.find("client version") != std::string::npos;
  if (broken || refused) version_.reset();
  co_return reply;
}

awaitable<Reply> EngineClient::call(Call call) {
  Sink no_sink;
  auto reply = co_await stream(std::move(call), std::move(no_sink));
  co_return reply;
}

}  // namespace rebottle::worker::docker
