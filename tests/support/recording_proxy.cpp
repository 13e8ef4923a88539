// The proxy: one thread, one coroutine per connection and direction. Not here: faults.
#include "tests/support/recording_proxy.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace rebottle::tests {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::local::stream_protocol;
using Socket = Protocol::socket;

struct RecordingProxy::State {
  asio::io_context io;
  Protocol::acceptor acceptor{io};
  std::filesystem::path engine;
  mutable std::mutex mutex;
  std::vector<std::string> requests;
  std::vector<std::pair<std::string, std::string>> renames;  // with their quotes
  std::thread thread;

  void record(std::string line) {
    const std::lock_guard lock(mutex);
    requests.push_back(std::move(line));
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> names() const {
    const std::lock_guard lock(mutex);
    return renames;
  }
};

namespace {

template <class Recorder>
class Recording {
 public:
  explicit Recording(Recorder& recorder) : recorder_(recorder) {}
  void take(std::string_view bytes) {
    if (recorded_) return;
    line_ += bytes;
    const auto end = line_.find(" HTTP/");
    if (end == std::string::npos) return;
    recorded_ = true;
    recorder_.record(line_.substr(0, end));
  }

 private:
  Recorder& recorder_;
  std::string line_;
  bool recorded_ = false;
};

// Passes bytes on until one side is done, then says so to the other.
template <class Watcher>
asio::awaitable<void> pass_on(std::shared_ptr<Socket> from, std::shared_ptr<Socket> to, Watcher watcher) {
  std::array<char, 16384> bytes{};
  error_code error;
  while (!error) {
    const auto size =
        co_await from->async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    watcher.take(std::string_view(bytes.data(), size));
    const auto piece = asio::buffer(bytes.data(), size);
    co_await asio::async_write(*to, piece, asio::redirect_error(asio::use_awaitable, error));
  }
  to->shutdown(Socket::shutdown_send, error);
}

void replace_all(std::string& bytes, const std::string& from, const std::string& to) {
  for (auto found = bytes.find(from); found != std::string::npos; found = bytes.find(from, found + to.size()))
    bytes.replace(found, from.size(), to);
}

// One request and its whole answer. The engine is spoken to in HTTP/1.0, so that the answer ends where the connection
// does and may become longer.
template <class Proxy>
asio::awaitable<void> pass_renamed(Proxy& proxy, std::shared_ptr<Socket> client, std::shared_ptr<Socket> engine) {
  std::array<char, 65536> bytes{};
  error_code error;
  const auto size =
      co_await client->async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
  std::string request(bytes.data(), size);
  const auto version = request.find(" HTTP/1.1\r\n");
  if (error || version == std::string::npos) co_return;
  proxy.record(request.substr(0, version));
  request.replace(version, 9, " HTTP/1.0");
  const auto whole = asio::buffer(request);
  co_await asio::async_write(*engine, whole, asio::redirect_error(asio::use_awaitable, error));
  std::string answer;
  auto into = asio::dynamic_buffer(answer);
  co_await asio::async_read(*engine, into, asio::redirect_error(asio::use_awaitable, error));
  if (const auto length = answer.find("\r\nContent-Length: "); length != std::string::npos)
    answer.erase(length, answer.find("\r\n", length + 2) - length);
  for (const auto& [from, to] : proxy.names()) replace_all(answer, from, to);
  const auto changed = asio::buffer(answer);
  co_await asio::async_write(*client, changed, asio::redirect_error(asio::use_awaitable, error));
}

struct NoWatcher {
  void take(std::string_view /*bytes*/) {}
};

template <class Proxy>
asio::awaitable<void> accept_all(Proxy& proxy) {
  for (;;) {
    error_code error;
    auto client = std::make_shared<Socket>(proxy.io);
    co_await proxy.acceptor.async_accept(*client, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    auto engine = std::make_shared<Socket>(proxy.io);
    const Protocol::endpoint endpoint(proxy.engine.string());
    co_await engine->async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
    if (error) continue;
    const auto ignore = [](const std::exception_ptr&) {};
    if (!proxy.names().empty()) {
      auto renamed = pass_renamed(proxy, client, engine);
      asio::co_spawn(proxy.io, std::move(renamed), ignore);
      continue;
    }
    Recording<Proxy> recording(proxy);
    auto out = pass_on(client, engine, std::move(recording));
    auto back = pass_on(engine, client, NoWatcher());
    asio::co_spawn(proxy.io, std::move(out), ignore);
    asio::co_spawn(proxy.io, std::move(back), ignore);
  }
}

}  // namespace

RecordingProxy::RecordingProxy(std::filesystem::path socket, std::filesystem::path engine)
    : state_(std::make_unique<State>()) {
  state_->engine = std::move(engine);
  const Protocol::endpoint endpoint(socket.string());
  state_->acceptor.open(endpoint.protocol());
  state_->acceptor.bind(endpoint);
  state_->acceptor.listen();
  asio::co_spawn(state_->io, accept_all(*state_), [](const std::exception_ptr&) {});
  state_->thread = std::thread([state = state_.get()] { state->io.run(); });
}

RecordingProxy::~RecordingProxy() {
  state_->io.stop();
  state_->thread.join();
}

void RecordingProxy::rename(const std::string& field, const std::string& as) {
  const std::lock_guard lock(state_->mutex);
  state_->renames.emplace_back('"' + as + '"', "\"Former" + as + '"');  // an object has each name once
  state_->renames.emplace_back('"' + field + '"', '"' + as + '"');
}

void RecordingProxy::rename_nothing() {
  const std::lock_guard lock(state_->mutex);
  state_->renames.clear();
}

std::vector<std::string> RecordingProxy::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

std::vector<std::string> RecordingProxy::mutating() const {
  std::vector<std::string> out;
  for (auto& request : requests())
    if (!request.starts_with("GET ") && !request.starts_with("HEAD ")) out.push_back(std::move(request));
  return out;
}

}  // namespace rebottle::tests
