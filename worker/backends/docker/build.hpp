// Builds and pulls: the calls whose answer is a stream of JSON lines with the failure inside.
// Not here: what is built (dockerfile.hpp), whether it is there (image_steps.cpp).
#pragma once

#include <string>

#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/job_view.hpp"

namespace rebottle::worker::docker {

// What the lines of a build or pull have said so far.
class ProgressReader {
 public:
  explicit ProgressReader(std::size_t output_max);
  void feed(std::string_view piece);
  void finish();  // a last line without its end

  [[nodiscard]] bool failed() const { return !error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }  // for people, cleaned
  [[nodiscard]] int exit_code() const { return exit_code_; }         // of the RUN that failed, else 0
  [[nodiscard]] std::string output() const;                          // the end of what was printed, cleaned

 private:
  void read_line(const std::string& line);

  std::string pending_;
  std::string output_;
  std::size_t output_max_;
  std::string error_;
  int exit_code_ = 0;
};

// Builds the job's Dockerfile under the job's tag and labels; result: {output}. Missing base images are pulled where
// the configuration allows it.
[[nodiscard]] awaitable<Performed> build(Engine& engine, const JobView& job);
[[nodiscard]] awaitable<Performed> pull(Engine& engine, std::string reference);

}  // namespace rebottle::worker::docker
