// Builds and pulls. The classic builder is asked for (version=1): it needs no session, and it refuses what reaches
// outside the images. Not here: what is built.
#include "worker/backends/docker/build.hpp"

#include <algorithm>
#include <charconv>

#include "worker/backends/docker/admission.hpp"
#include "worker/backends/docker/archive.hpp"
#include "worker/backends/docker/dockerfile.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::size_t line_max = std::size_t{64} << 10;
constexpr std::size_t output_kept = 8000;

std::string build_target(const Engine& engine, const JobView& job) {
  auto labels = labels_of(job.context, effect::build_image);
  labels[std::string(label::change)] = job.context.args.change_sha256;
  std::string target = "/build?version=1&pull=0&rm=1&forcerm=1&dockerfile=Dockerfile";
  target += "&t=" + percent_encode(job.names.tag_job);
  target += engine.dialect().build_network(engine.config.build_network);
  target += "&labels=" + percent_encode(labels.dump());
  return target;
}

Performed build_failed(const ProgressReader& progress) {
  json detail = {{"error", progress.error()}, {"output", progress.output()}};
  if (progress.exit_code() != 0) detail["exit_code"] = progress.exit_code();
  return Performed::failed(Outcome::permanent, "build_failed", "The build failed: " + progress.error(), detail);
}

// What an answer other than a whole stream means. An engine that refuses a Dockerfile says 400 or 500: another try
// would say the same.
Performed build_refused(const Reply& reply, const ProgressReader& progress, int timeout_s) {
  if (reply.reach == Reach::timeout)
    return Performed::failed(Outcome::permanent, "build_timeout",
                             "The build took longer than " + std::to_string(timeout_s) + " seconds.",
                             {{"timeout_s", timeout_s}, {"output", progress.output()}});
  const bool by_engine = reply.answered() && (reply.status == 400 || reply.status == 500);
  if (!by_engine) return failure(reply, "build the image");
  const auto reason = reply.status == 400 ? "dockerfile_invalid" : "build_failed";
  return Performed::failed(Outcome::permanent, reason, "The build failed: " + reply.message(),
                           {{"error", reply.message()}, {"status", reply.status}});
}

awaitable<Performed> fetch_missing(Engine& engine, std::vector<std::string> references) {
  const auto images = co_await judge_images(engine, std::move(references));
  if (images.failed) co_return failure(images.unclear.reply, "inspect the base images");
  for (const auto& reference : images.absent) {
    if (!engine.config.pull)
      co_return Performed::failed(Outcome::permanent, "image_absent", "The image " + reference + " is not there.",
                                  {{"images", images.absent}});
    const auto pulled = co_await pull(engine, reference);
    if (pulled.outcome != Outcome::done) co_return pulled;
  }
  co_return Performed::done();
}

// The whole number that begins there; 0 if none does.
int number_at(const std::string& text, std::size_t where) {
  int number = 0;
  std::from_chars(text.data() + where, text.data() + text.size(), number);
  return number;
}

}  // namespace

ProgressReader::ProgressReader(std::size_t output_max) : output_max_(output_max) {}

void ProgressReader::feed(std::string_view piece) {
  for (const char c : piece) {
    if (c == '\n') {
      read_line(pending_);
      pending_.clear();
    } else if (pending_.size() < line_max) {
      pending_ += c;
    }
  }
}

void ProgressReader::finish() {
  if (!pending_.empty()) read_line(pending_);
  pending_.clear();
}

std::string ProgressReader::output() const { return last_part(clean_text(output_), output_max_); }

void ProgressReader::read_line(const std::string& line) {
  const auto document = json::parse(line, nullptr, false);
  if (!document.is_object()) return;  // an empty or overlong line
  output_ += text(at(document, "stream"));
  if (output_.size() > 2 * output_max_) output_.erase(0, output_.size() - output_max_);
  const json& detail = at(document, "errorDetail");
  auto error = text(at(detail, "message"));
  if (error.empty()) error = text(at(document, "error"));
  if (error.empty() || failed()) return;
  error_ = shortened(clean_text(error), 2000);
  if (at(detail, "code").is_number_integer()) exit_code_ = at(detail, "code").get<int>();
  // Podman's builder says it in words alone.
  constexpr std::string_view words = "exit status ";
  const auto said = error_.rfind(words);
  if (exit_code_ == 0 && said != std::string::npos) exit_code_ = number_at(error_, said + words.size());
}

awaitable<Performed> build(Engine& engine, const JobView& job) {
  const auto prepared = prepare_dockerfile(job.dockerfile(), job.names.tag_previous);
  const auto fetched = co_await fetch_missing(engine, prepared.images);
  if (fetched.outcome != Outcome::done) co_return fetched;
  const int timeout_s = job.context.args.limits.build_timeout_s.value_or(engine.config.build_timeout_s);
  ArchiveEntry file;
  file.path = "Dockerfile";
  file.content = prepared.text;
  Call call;
  call.method = "POST";
  call.target = build_target(engine, job);
  call.content_type = "application/x-tar";
  call.body = make_archive({file});
  call.deadline = std::chrono::seconds(timeout_s);
  ProgressReader progress(output_kept);
  Sink sink = [&progress](std::string_view piece) {
    progress.feed(piece);
    return true;
  };
  const auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
  progress.finish();
  if (progress.failed()) co_return build_failed(progress);
  if (!reply.succeeded()) co_return build_refused(reply, progress, timeout_s);
  json result = {{"output", progress.output()}};
  co_return Performed::done(std::move(result));
}

awaitable<Performed> pull(Engine& engine, std::string reference) {
  // A tag follows the last colon, unless a slash comes after that: then it is a registry's port.
  const auto colon = reference.rfind(':');
  const bool tagged = colon != std::string::npos && reference.find('/', colon) == std::string::npos;
  const bool digest = reference.find('@') != std::string::npos;
  Call call;
  call.method = "POST";
  call.target = "/images/create?fromImage=" + percent_encode(reference);
  if (!tagged && !digest) call.target += "&tag=latest";
  call.deadline = std::chrono::seconds(engine.config.build_timeout_s);
  ProgressReader progress(output_kept);
  Sink sink = [&progress](std::string_view piece) {
    progress.feed(piece);
    return true;
  };
  const auto reply = co_await engine.client.stream(std::move(call), std::move(sink));
  progress.finish();
  if (progress.failed() || reply.is(404))
    co_return Performed::failed(
        Outcome::permanent, "pull_failed",
        "Cannot pull " + reference + ": " + (progress.failed() ? progress.error() : reply.message()),
        {{"images", {reference}}});
  if (!reply.succeeded()) co_return failure(reply, "pull " + reference);
  co_return Performed::done();
}

}  // namespace rebottle::worker::docker
