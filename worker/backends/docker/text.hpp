// What the Engine API's texts need beside the work that all backends share (worker/backends/text.hpp).
// Not here: anything that knows what the text means.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "worker/backends/text.hpp"

namespace rebottle::worker::docker {

using worker::clean_text;
using worker::joined;
using worker::last_part;
using worker::lower_case;
using worker::replaced;
using worker::sha256_hex;
using worker::shortened;
using worker::Tail;

// For one path segment or one query value: everything but unreserved characters is encoded.
[[nodiscard]] std::string percent_encode(std::string_view text);
// For an image reference or another thing that spans path segments: slashes and colons stay.
[[nodiscard]] std::string percent_encode_path(std::string_view text);

[[nodiscard]] std::string base64_decoded(std::string_view text);
[[nodiscard]] std::string base64url_encoded(std::string_view bytes);  // with its padding

// Takes the engine's multiplexed stdout/stderr stream apart: frames of eight header bytes and a payload.
class Demultiplexer {
 public:
  // The payload bytes that `piece` completes, in order of arrival.
  [[nodiscard]] std::string feed(std::string_view piece);

 private:
  std::string header_;
  std::size_t left_ = 0;
};

}  // namespace rebottle::worker::docker
