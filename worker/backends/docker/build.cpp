// Builds and pulls. Both builders are spoken to in one call without a session, so that nothing of the host can be
// asked for. Not here: what is built.
#include "worker/backends/docker/build.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "worker/backends/docker/archive.hpp"
#include "worker/backends/docker/names.hpp"
#include "worker/backends/docker/registry_auth.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::size_t output_kept = 8000;

std::string build_target(const Engine& engine, const Build& wanted) {
  const auto& config = engine.config;
  const bool classic = builder_of(config) == Builder::classic;
  std::string target = "/build?pull=0&rm=1&forcerm=1&dockerfile=Dockerfile";
  target += classic ? "&version=1" : "&version=2";
  target += "&t=" + percent_encode(wanted.tag);
  target += engine.dialect().build_network(config.build_network);
  target += "&labels=" + percent_encode(wanted.labels.dump());
  if (config.build_memory_mib > 0) {
    const auto bytes = std::to_string(std::int64_t{config.build_memory_mib} << 20);
    target += "&memory=" + bytes + "&memswap=" + bytes;
  }
  if (config.build_cpu_percent > 0)
    target += "&cpuperiod=100000&cpuquota=" + std::to_string(std::int64_t{config.build_cpu_percent} * 1000);
  return target;
}

// While it lives, nothing that carries the mark is removed: it may be what the builder is about to go on from.
class BuildUnderWay {
 public:
  BuildUnderWay(Engine& engine, std::string mark)
      : engine_(engine), at_(engine.builds_under_way.insert(std::move(mark))) {}
  BuildUnderWay(const BuildUnderWay&) = delete;
  BuildUnderWay& operator=(const BuildUnderWay&) = delete;
  ~BuildUnderWay() { engine_.builds_under_way.erase(at_); }

 private:
  Engine& engine_;
  std::multiset<std::string>::iterator at_;
};

Performed build_failed(const ProgressReader& progress) {
  json detail = {{"error", progress.error()}, {"output", progress.output()}};
  if (progress.exit_code() != 0) detail["exit_code"] = progress.exit_code();
  return Performed::failed(Outcome::permanent, "build_failed", "The build failed: " + progress.error(), detail);
}

// What an answer other than a whole stream means. An engine that refuses a Dockerfile says 400 or 500: another try
// would say the same.
Performed build_refused(const Reply& reply, const Dockerfile& dockerfile, const ProgressReader& progress,
                        int timeout_s) {
  if (reply.reach == Reach::timeout)
    return Performed::failed(Outcome::permanent, "build_timeout",
                             "The build took longer than " + std::to_string(timeout_s) + " seconds.",
                             {{"timeout_s", timeout_s}, {"output", progress.output()}});
  const bool by_engine = reply.answered() && (reply.status == 400 || reply.status == 500);
  if (!by_engine) return failure(reply, "build the image");
  const auto reason = reply.status == 400 ? "dockerfile_invalid" : "build_failed";
  const auto error = with_own_lines(reply.message(), dockerfile);
  return Performed::failed(Outcome::permanent, reason, "The build failed: " + error,
                           {{"error", error}, {"status", reply.status}});
}

// The registry wants other credentials: asking again gets the same answer.
bool is_denial(std::string_view message) {
  constexpr std::array signs = {"no basic auth credentials", "unauthorized", "denied", "forbidden",
                                "invalid username/password", "http 401"};
  const auto said = lower_case(message);
  return std::ranges::any_of(signs, [&](const char* sign) { return said.find(sign) != std::string::npos; });
}

// Someone has removed an image that the builder was about to go on from, be it by a prune or with the last tag of
// another job: the next build begins without it.
bool lost_its_parent(const Performed& failed) {
  return failed.message.find("unknown parent image ID") != std::string::npos;
}

// A call whose answer is a stream of lines with the failure inside.
struct Told {
  Reply reply;
  ProgressReader progress;
};
awaitable<Told> listen(Engine& engine, Call call, Print print) {
  ProgressReader progress(output_kept, std::move(print));
  Sink sink = [&progress](std::string_view piece) {
    progress.feed(piece);
    return true;
  };
  auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
  progress.finish();
  co_return Told{std::move(reply), std::move(progress)};
}

}  // namespace

Builder builder_of(const DockerConfig& config) {
  return config.builder == "buildkit" ? Builder::buildkit : Builder::classic;
}

std::string build_mark(const JobContext& job, std::string_view owner) {
  auto mark = job.job_key.substr(0, job.job_key.rfind('-')) + "-";
  if (!owner.empty()) mark.append(owner).append("-");
  return mark + job.args.change_sha256.substr(0, 32);
}

awaitable<Performed> build(Engine& engine, Build wanted, Print print) {
  ArchiveEntry file;
  file.path = "Dockerfile";
  file.content = wanted.dockerfile.text;
  if (builder_of(engine.config) == Builder::classic)
    file.content = with_first_instruction(wanted.dockerfile, "LABEL " + std::string(label::build) + "=" + wanted.mark +
                                                                 " " + std::string(label::job) + "=");
  Call call;
  call.method = "POST";
  call.target = build_target(engine, wanted);
  call.content_type = "application/x-tar";
  call.body = make_archive({file});
  call.deadline = std::chrono::seconds(wanted.timeout_s);
  const BuildUnderWay under_way(engine, wanted.mark);
  const auto told = co_await listen(engine, std::move(call), std::move(print));
  const auto& [reply, progress] = told;
  if (!progress.failed() && reply.succeeded()) co_return Performed::done();
  auto out =
      progress.failed() ? build_failed(progress) : build_refused(reply, wanted.dockerfile, progress, wanted.timeout_s);
  if (lost_its_parent(out)) out.outcome = Outcome::transient;
  co_return out;
}

awaitable<Performed> pull(Engine& engine, std::string reference, Print print) {
  const auto auth = registry_auth(engine.config.registry_auth_file, reference);
  if (!auth.problem.empty())
    co_return Performed::failed(Outcome::permanent, "registry_auth_unusable",
                                "The credentials for " + reference + " cannot be read: " + auth.problem + ".",
                                {{"images", {reference}}, {"problem", auth.problem}});
  // A tag follows the last colon, unless a slash comes after that: then it is a registry's port.
  const auto colon = reference.rfind(':');
  const bool tagged = colon != std::string::npos && reference.find('/', colon) == std::string::npos;
  const bool digest = reference.find('@') != std::string::npos;
  Call call;
  call.method = "POST";
  call.target = "/images/create?fromImage=" + percent_encode(reference);
  if (!tagged && !digest) call.target += "&tag=latest";
  if (!auth.header.empty()) call.headers.emplace_back("X-Registry-Auth", auth.header);
  call.deadline = std::chrono::seconds(engine.config.build_timeout_s);
  const auto told = co_await listen(engine, std::move(call), std::move(print));
  const auto& [reply, progress] = told;
  if (progress.failed() || reply.is(404) || reply.is(500)) {
    const auto why = progress.failed() ? progress.error() : reply.message();
    // 500 is the engine's word for whatever a registry said, or did not say in time.
    const bool again = reply.is(500) && !is_denial(why);
    co_return Performed::failed(again ? Outcome::transient : Outcome::permanent, "pull_failed",
                                "Cannot pull " + reference + ": " + why, {{"images", {reference}}});
  }
  if (!reply.succeeded()) co_return failure(reply, "pull " + reference);
  co_return Performed::done();
}

awaitable<Performed> load(Engine& engine, std::filesystem::path archive, Print print) {
  Call call;
  call.method = "POST";
  call.target = "/images/load?quiet=1";
  call.content_type = "application/x-tar";
  call.body_file = std::move(archive);
  call.deadline = std::chrono::seconds(engine.config.build_timeout_s);
  const auto told = co_await listen(engine, std::move(call), std::move(print));
  const auto& [reply, progress] = told;
  const bool refused = reply.is(400) || reply.is(500);
  if (progress.failed() || refused)
    co_return Performed::failed(Outcome::permanent, "image_file_invalid",
                                "The engine cannot load the image: " + (refused ? reply.message() : progress.error()),
                                {{"output", progress.output()}});
  if (!reply.succeeded()) co_return failure(reply, "load the image");
  co_return Performed::done();
}

}  // namespace rebottle::worker::docker
