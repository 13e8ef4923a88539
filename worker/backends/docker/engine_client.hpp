// HTTP to the engine on its unix socket: one connection per call, a deadline on everything, answers as values.
// Not here: what the calls mean (engine_calls.hpp). Logic thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "worker/backends/docker/api_version.hpp"
#include "worker/backends/docker/engine_kind.hpp"

namespace rebottle::worker::docker {

template <class T>
using awaitable = boost::asio::awaitable<T>;
using std::chrono::milliseconds;

// How far a call got.
enum class Reach : std::uint8_t {
  answered,      // `status` and `body` are the engine's answer
  stopped,       // the caller's sink had enough of the answer
  unreachable,   // no connection: the request was never sent
  lost,          // the connection died after the request was sent: the outcome is unknown
  timeout,       // the deadline passed: the outcome is unknown
  malformed,     // the answer was no HTTP, or longer than allowed: the outcome is unknown
  too_old,       // the engine does not speak API 1.41, or is a Podman before 4.0: nothing was asked
  other_engine,  // another engine answers on this socket: nothing was asked
};

struct Reply {
  Reach reach = Reach::unreachable;
  int status = 0;
  std::string body;         // of an error, or of a success that had no sink
  std::string error;        // for people, unless `answered`
  std::string api_version;  // header Api-Version
  std::string path_stat;    // header X-Docker-Container-Path-Stat
  std::string podman;       // header Libpod-Api-Version; empty for any other engine

  [[nodiscard]] bool answered() const { return reach == Reach::answered; }
  [[nodiscard]] bool is(int wanted) const { return answered() && status == wanted; }
  [[nodiscard]] bool succeeded() const { return answered() && status >= 200 && status < 300; }
  // What went wrong, for people: the engine's own message if there is one. Valid UTF-8, shortened.
  [[nodiscard]] std::string message() const;
};

struct Call {
  std::string method;
  std::string target;  // from the slash after the version on; its parts percent-encoded by the caller
  std::string body;
  std::string content_type;                                  // empty: no body
  std::vector<std::pair<std::string, std::string>> headers;  // more of them; may be secrets, so never logged
  std::filesystem::path body_file;                           // instead of `body`, streamed
  milliseconds deadline{0};                                  // for the whole call; zero: the client's own
  milliseconds idle{0};                         // between two pieces of the answer; zero: the whole deadline
  std::size_t body_max = std::size_t{4} << 20;  // where there is no sink
};

// Takes a piece of a successful answer's body; false ends the call.
using Sink = std::function<bool(std::string_view)>;

class EngineClient {
 public:
  // An engine of another kind than `wanted` is asked for nothing.
  EngineClient(boost::asio::any_io_executor executor, std::filesystem::path socket, milliseconds call_timeout,
               EngineKind wanted = EngineKind::docker);

  // The whole answer.
  [[nodiscard]] awaitable<Reply> call(Call call);
  // The body of a successful answer goes to `sink` as it comes. The sink must outlive the await.
  [[nodiscard]] awaitable<Reply> stream(Call call, Sink sink);
  // Asks for the version, without a version.
  [[nodiscard]] awaitable<Reply> ping();

  // What was agreed with the engine; empty before the first answer and after a broken connection.
  [[nodiscard]] std::optional<ApiVersion> version() const { return version_; }
  [[nodiscard]] const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  awaitable<Reply> exchange(Call call, std::string prefix, Sink sink);

  boost::asio::any_io_executor executor_;
  std::filesystem::path socket_;
  milliseconds call_timeout_;
  EngineKind wanted_;
  std::optional<ApiVersion> version_;
};

}  // namespace rebottle::worker::docker
