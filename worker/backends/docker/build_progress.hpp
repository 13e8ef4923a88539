// What the lines of a build or pull have said so far: an answer that is a success in HTTP, with the failure inside.
// Not here: the calls (build.hpp).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "worker/backends/docker/build_trace.hpp"

namespace rebottle::worker::docker {

class ProgressReader {
 public:
  using Print = std::function<void(std::string_view)>;

  // `print` gets all that the builder printed, as it came; `output_max` bounds what output() keeps of it.
  explicit ProgressReader(
      std::size_t output_max, Print print = [](std::string_view) {});
  void feed(std::string_view piece);
  void finish();  // a last line without its end

  [[nodiscard]] bool failed() const { return !error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }  // for people, cleaned
  [[nodiscard]] int exit_code() const { return exit_code_; }         // of the RUN that failed, else 0
  [[nodiscard]] std::string output() const;                          // the end of what was printed, cleaned

 private:
  void read_line(const std::string& line);
  void print(const std::string& text);

  Print print_;
  BuildTrace trace_;
  std::string pending_;
  std::string output_;
  std::size_t output_max_;
  std::string error_;
  int exit_code_ = 0;
};

}  // namespace rebottle::worker::docker
