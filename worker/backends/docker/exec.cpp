// Create, start with its output streamed, then ask for the exit code. Not here: what it means for a job.
#include "worker/backends/docker/exec.hpp"

#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::size_t output_kept = 4000;

Performed too_slow(const std::vector<std::string>& command, milliseconds timeout, const std::string& output) {
  return Performed::failed(Outcome::permanent, "exec_timeout",
                           "verify.exec did not end within " + std::to_string(timeout.count()) + " ms.",
                           {{"command", command}, {"timeout_ms", timeout.count()}, {"output", output}});
}

awaitable<Performed> exit_of(Engine& engine, std::string exec_id, std::vector<std::string> command,
                             std::string output) {
  std::string target = "/exec/" + percent_encode(exec_id) + "/json";
  const auto seen = co_await see(engine, std::move(target));
  if (!seen.here()) co_return failure(seen.reply, "ask for the exit code of verify.exec");
  if (at(seen.doc, "Running") == true || !at(seen.doc, "ExitCode").is_number_integer())
    co_return Performed::failed(Outcome::transient, "exec_unclear", "verify.exec has no exit code yet.",
                                {{"command", command}});
  json result = {{"command", command}, {"exit_code", at(seen.doc, "ExitCode")}, {"output", output}};
  co_return Performed::done(std::move(result));
}

}  // namespace

awaitable<Performed> run_in_container(Engine& engine, std::string id, std::vector<std::string> command,
                                      milliseconds timeout) {
  json request = {{"AttachStdout", true}, {"AttachStderr", true}, {"Tty", false}, {"Cmd", command}};
  std::string target = "/containers/" + percent_encode(id) + "/exec";
  const auto created = co_await post_json(engine, std::move(target), std::move(request));
  if (!created.succeeded()) co_return failure(created, "prepare verify.exec");
  auto exec_id = text(at(json::parse(created.body, nullptr, false), "Id"));

  Demultiplexer demultiplexer;
  Tail tail(output_kept);
  Sink sink = [&](std::string_view piece) {
    tail.append(demultiplexer.feed(piece));
    return true;
  };
  Call call;
  call.method = "POST";
  call.target = "/exec/" + percent_encode(exec_id) + "/start";
  call.content_type = "application/json";
  call.body = R"({"Detach":false,"Tty":false})";
  call.deadline = timeout;
  const auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
  auto output = last_part(tail.text(), output_kept);
  if (reply.reach == Reach::timeout) co_return too_slow(command, timeout, output);
  // 400: the engine says that there is no such program in the image.
  if (!reply.succeeded()) {
    auto out = failure(reply, "run verify.exec");
    if (out.outcome == Outcome::permanent) out.reason_code = "exec_failed";
    co_return out;
  }
  auto out = co_await exit_of(engine, std::move(exec_id), std::move(command), std::move(output));
  co_return out;
}

}  // namespace rebottle::worker::docker
