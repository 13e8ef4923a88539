// BuildKit's progress as text: the few fields of its protobuf messages (moby.buildkit.v1.StatusResponse) that people
// read. Not here: the stream that carries them (build_progress.hpp).
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace rebottle::worker::docker {

class BuildTrace {
 public:
  // What one message says, as lines: "#3 [2/2] RUN make", "#3 CACHED", "#3 hello", "#3 ERROR: …". What cannot be read
  // is left out; nothing that an engine sends makes this fail.
  [[nodiscard]] std::string read(std::string_view message);

 private:
  struct Vertex {
    int number = 0;
    bool named = false;
    bool ended = false;
    bool line_open = false;  // the last log message had no line break
  };
  Vertex& vertex(std::string_view digest);
  std::string read_vertex(std::string_view message);
  std::string read_log(std::string_view message);

  std::map<std::string, Vertex, std::less<>> vertexes_;
};

}  // namespace rebottle::worker::docker
