// A unix socket in front of the engine's that writes down the request line of each connection.
// It relies on the client's habit of one request per connection. Not here: faults; but for renamed fields every byte is
// passed on unchanged.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace rebottle::tests {

class RecordingProxy {
 public:
  // Listens on `socket` and connects on to `engine`, on a thread of its own until it is destroyed.
  RecordingProxy(std::filesystem::path socket, std::filesystem::path engine);
  RecordingProxy(const RecordingProxy&) = delete;
  RecordingProxy& operator=(const RecordingProxy&) = delete;
  ~RecordingProxy();

  // From now on the engine's answers call this field of JSON objects otherwise, as a newer engine's might.
  void rename(const std::string& field, const std::string& as);
  void rename_nothing();

  [[nodiscard]] std::vector<std::string> requests() const;  // "GET /v1.41/containers/json?all=1"
  [[nodiscard]] std::vector<std::string> mutating() const;  // those that are neither GET nor HEAD

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rebottle::tests
