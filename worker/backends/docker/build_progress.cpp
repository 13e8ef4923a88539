// JSON lines: "stream" of the classic builder, "aux" of BuildKit, "status" of a pull, "errorDetail" of all.
// Not here: what a failure means for a job.
#include "worker/backends/docker/build_progress.hpp"

#include <charconv>
#include <utility>

#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::size_t line_max = std::size_t{1} << 20;
constexpr std::size_t error_bytes_max = 2000;

// Bars that move are no news.
std::string pull_status(const json& line) {
  const auto status = text(at(line, "status"));
  if (status.empty() || line.contains("progress") || !at(line, "progressDetail").empty()) return {};
  const auto id = text(at(line, "id"));
  return (id.empty() ? "" : id + ": ") + status + "\n";
}

// The whole number that begins there; 0 if none does.
int number_at(const std::string& text, std::size_t where) {
  int number = 0;
  std::from_chars(text.data() + where, text.data() + text.size(), number);
  return number;
}

}  // namespace

ProgressReader::ProgressReader(std::size_t output_max, Print print)
    : print_(std::move(print)), output_max_(output_max) {}

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

void ProgressReader::print(const std::string& text) {
  if (text.empty()) return;
  print_(text);
  output_ += text;
  if (output_.size() > 2 * output_max_) output_.erase(0, output_.size() - output_max_);
}

void ProgressReader::read_line(const std::string& line) {
  const auto document = json::parse(line, nullptr, false);
  if (!document.is_object()) return;  // an empty or overlong line
  print(text(at(document, "stream")));
  print(pull_status(document));
  if (text(at(document, "id")) == "moby.buildkit.trace") print(trace_.read(base64_decoded(text(at(document, "aux")))));
  const json& detail = at(document, "errorDetail");
  auto error = text(at(detail, "message"));
  if (error.empty()) error = text(at(document, "error"));
  if (error.empty() || failed()) return;
  print(error + "\n");
  error_ = shortened(clean_text(error), error_bytes_max);
  if (at(detail, "code").is_number_integer()) exit_code_ = at(detail, "code").get<int>();
  // Podman's builder says it in words alone.
  constexpr std::string_view words = "exit status ";
  const auto said = error_.rfind(words);
  if (exit_code_ == 0 && said != std::string::npos) exit_code_ = number_at(error_, said + words.size());
}

}  // namespace rebottle::worker::docker
