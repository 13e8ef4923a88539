// The client against engines that misbehave, on a unix socket of the test's own. Not here: a real engine.
#include "worker/backends/docker/engine_client.hpp"

#include <cstdlib>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include "tests/support/run.hpp"

namespace rebottle::worker::docker {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using Protocol = asio::local::stream_protocol;
using tests::run;

constexpr std::string_view pong = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK";

// Answers /_ping properly and every other request with the same pieces, waiting between them; then hangs up, or
// keeps the connection and says nothing more.
class FakeEngine {
 public:
  explicit FakeEngine(fs::path socket) : acceptor_(io_, Protocol::endpoint(socket.string())) {}
  ~FakeEngine() { stop(); }
  FakeEngine(const FakeEngine&) = delete;
  FakeEngine& operator=(const FakeEngine&) = delete;

  std::string ping{pong};
  std::vector<std::string> pieces;
  std::chrono::milliseconds between{0};
  bool hangs_up = true;
  std::vector<std::string> requests;  // whole heads; read it after stop()

  void start() {
    thread_ = std::thread([this] { serve(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    boost::system::error_code ignored;
    Protocol::socket wake(io_);
    wake.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }

 private:
  void serve() {
    std::vector<Protocol::socket> kept;
    while (!stopping_) {
      auto peer = acceptor_.accept();
      if (stopping_) return;
      boost::system::error_code error;
      asio::streambuf head;
      const auto size = asio::read_until(peer, head, "\r\n\r\n", error);
      if (error) continue;
      std::string text(asio::buffers_begin(head.data()), asio::buffers_begin(head.data()) + static_cast<long>(size));
      const bool is_ping = text.starts_with("GET /_ping ");
      requests.push_back(std::move(text));
      if (is_ping) asio::write(peer, asio::buffer(ping), error);
      if (!is_ping) answer(peer);
      if (is_ping || hangs_up) continue;
      kept.push_back(std::move(peer));
    }
  }
  void answer(Protocol::socket& peer) {
    boost::system::error_code error;
    for (const auto& piece : pieces) {
      if (error || stopping_) return;
      asio::write(peer, asio::buffer(piece), error);
      asio::steady_timer timer(io_, between);
      timer.wait();
    }
  }

  asio::io_context io_;
  Protocol::acceptor acceptor_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

class EngineClientCase : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "rebottle-client-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    engine = std::make_unique<FakeEngine>(folder / "s");
  }
  void TearDown() override {
    engine.reset();
    fs::remove_all(folder);
  }
  Reply get(std::size_t body_max = 1000, milliseconds deadline = milliseconds(500)) {
    engine->start();
    EngineClient client(io.get_executor(), folder / "s", milliseconds(5000), wanted);
    Call call;
    call.method = "GET";
    call.target = "/thing?x=1";
    call.body_max = body_max;
    call.deadline = deadline;
    auto reply = run(io, client.call(call));
    version = client.version();
    engine->stop();
    return reply;
  }
  asio::io_context io;
  EngineKind wanted = EngineKind::docker;
  fs::path folder;
  std::unique_ptr<FakeEngine> engine;
  std::optional<ApiVersion> version;
};

TEST_F(EngineClientCase, AsksForTheVersionOnceAndUsesIt) {
  engine->pieces = {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"};
  const auto reply = get();
  EXPECT_TRUE(reply.is(200)) << reply.error;
  EXPECT_EQ(reply.body, "hello");
  ASSERT_EQ(engine->requests.size(), 2U);
  EXPECT_TRUE(engine->requests[1].starts_with("GET /v1.41/thing?x=1 HTTP/1.1\r\n")) << engine->requests[1];
}

TEST_F(EngineClientCase, AnEngineThatIsTooOldIsNotAsked) {
  engine->ping = "HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 2\r\n\r\nOK";
  EXPECT_EQ(get().reach, Reach::too_old);
  EXPECT_EQ(engine->requests.size(), 1U);
}

TEST_F(EngineClientCase, AnEngineOfAnotherKindIsNotAsked) {
  engine->ping = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\nContent-Length: 2\r\n\r\nOK";
  const auto podman = get();
  EXPECT_EQ(podman.reach, Reach::other_engine);
  EXPECT_THAT(podman.error, ::testing::HasSubstr("approve for the backend podman"));
  EXPECT_EQ(engine->requests.size(), 1U);
  EXPECT_FALSE(version);
}

TEST_F(EngineClientCase, DockerIsNoPodman) {
  wanted = EngineKind::podman;
  const auto docker = get();
  EXPECT_EQ(docker.reach, Reach::other_engine);
  EXPECT_THAT(docker.error, ::testing::HasSubstr("approve for the backend docker"));
  EXPECT_EQ(engine->requests.size(), 1U);
}

TEST_F(EngineClientCase, APodmanBeforeVersion4IsTooOld) {
  wanted = EngineKind::podman;
  engine->ping = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 3.4.4\r\nContent-Length: 2\r\n\r\nOK";
  const auto reply = get();
  EXPECT_EQ(reply.reach, Reach::too_old);
  EXPECT_THAT(reply.error, ::testing::HasSubstr("Podman 3.4.4"));
  EXPECT_EQ(engine->requests.size(), 1U);
}

TEST_F(EngineClientCase, WhatIsNoEngineIsNotAsked) {
  engine->ping = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
  const auto reply = get();
  EXPECT_EQ(reply.reach, Reach::unreachable);
  EXPECT_THAT(reply.error, ::testing::HasSubstr("no container engine"));
  EXPECT_EQ(engine->requests.size(), 1U);
}

TEST_F(EngineClientCase, NobodyListensIsUnreachable) {
  EngineClient client(io.get_executor(), folder / "nobody", milliseconds(500));
  const auto reply = run(io, client.ping());
  EXPECT_EQ(reply.reach, Reach::unreachable);
  EXPECT_THAT(reply.error, ::testing::HasSubstr("No such file"));
}

TEST_F(EngineClientCase, ASocketPathThatIsTooLongIsUnreachable) {
  EngineClient client(io.get_executor(), folder / std::string(200, 'x'), milliseconds(500));
  EXPECT_EQ(run(io, client.ping()).reach, Reach::unreachable);
}

TEST_F(EngineClientCase, SilenceIsATimeout) {
  engine->hangs_up = false;
  EXPECT_EQ(get().reach, Reach::timeout);
  EXPECT_FALSE(version) << "the next engine may be another one";
}

TEST_F(EngineClientCase, OneByteAtATimeDoesNotLiveForEver) {
  engine->pieces = {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"};
  for (int i = 0; i < 1000; ++i) engine->pieces.emplace_back("x");
  engine->between = milliseconds(20);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(get().reach, Reach::timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - began, milliseconds(5000));
}

TEST_F(EngineClientCase, AHangUpInTheMiddleIsLost) {
  for (const auto* const piece : {"", "HTTP/1.1 200 OK\r\nConte", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
                                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"}) {
    engine = std::make_unique<FakeEngine>(folder / ("s" + std::to_string(std::string_view(piece).size())));
    fs::remove(folder / "s");
    fs::create_symlink(folder / ("s" + std::to_string(std::string_view(piece).size())), folder / "s");
    engine->pieces = {piece};
    EXPECT_EQ(get().reach, Reach::lost) << piece;
  }
}

TEST_F(EngineClientCase, GarbageIsMalformed) {
  engine->pieces = {"SSH-2.0-OpenSSH_9.2\r\n\r\n"};
  EXPECT_EQ(get().reach, Reach::malformed);
}

TEST_F(EngineClientCase, BadChunksAreMalformed) {
  engine->pieces = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"};
  EXPECT_EQ(get().reach, Reach::malformed);
}

TEST_F(EngineClientCase, AnAnswerThatIsTooLongIsCutOff) {
  engine->pieces = {"HTTP/1.1 200 OK\r\n\r\n" + std::string(100000, 'x')};
  const auto reply = get(1000);
  EXPECT_EQ(reply.reach, Reach::malformed);
  EXPECT_LE(reply.body.size(), 1000U);
}

TEST_F(EngineClientCase, AnErrorCarriesTheEnginesMessageCleaned) {
  engine->pieces = {"HTTP/1.1 409 Conflict\r\nContent-Length: 24\r\n\r\n{\"message\":\"no\\u001b[m\"}\n"};
  const auto reply = get();
  EXPECT_TRUE(reply.is(409));
  EXPECT_EQ(reply.message(), "no\xEF\xBF\xBD[m");
}

TEST_F(EngineClientCase, AnErrorThatIsNoJsonIsShownAsItIs) {
  engine->pieces = {"HTTP/1.1 400 Bad Request\r\n\r\nclient version 1.41 is too old\n"};
  const auto reply = get();
  EXPECT_EQ(reply.message(), "client version 1.41 is too old");
  EXPECT_FALSE(version) << "asked anew next time";
}

TEST_F(EngineClientCase, ASinkMayHaveEnough) {
  engine->pieces = {"HTTP/1.1 200 OK\r\n\r\nfirst"};
  engine->hangs_up = false;
  engine->start();
  EngineClient client(io.get_executor(), folder / "s", milliseconds(5000));
  Call call;
  call.method = "GET";
  call.target = "/log";
  std::string got;
  Sink sink = [&got](std::string_view piece) {
    got += piece;
    return false;
  };
  const auto reply = run(io, client.stream(call, sink));
  EXPECT_EQ(reply.reach, Reach::stopped);
  EXPECT_EQ(got, "first");
}

TEST_F(EngineClientCase, ABodyFromAFileIsSentWhole) {
  std::ofstream(folder / "body") << std::string(100000, 'y');
  engine->pieces = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
  engine->start();
  EngineClient client(io.get_executor(), folder / "s", milliseconds(5000));
  Call call;
  call.method = "PUT";
  call.target = "/archive";
  call.content_type = "application/x-tar";
  call.body_file = folder / "body";
  (void)run(io, client.call(call));
  engine->stop();
  ASSERT_EQ(engine->requests.size(), 2U);
  EXPECT_THAT(engine->requests[1], ::testing::HasSubstr("Content-Length: 100000\r\n"));
  call.body_file = folder / "no-such-file";
  EXPECT_NE(run(io, client.call(call)).reach, Reach::answered);
}

}  // namespace
}  // namespace rebottle::worker::docker
