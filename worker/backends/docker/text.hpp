// Small text work on what comes from engines and agents: encoding, cleaning, shortening, hashing.
// Not here: anything that knows what the text means.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rebottle::worker::docker {

// For one path segment or one query value: everything but unreserved characters is encoded.
[[nodiscard]] std::string percent_encode(std::string_view text);
// For an image reference or another thing that spans path segments: slashes and colons stay.
[[nodiscard]] std::string percent_encode_path(std::string_view text);

// Valid UTF-8 without control characters other than newline and tab; each bad byte becomes U+FFFD.
[[nodiscard]] std::string clean_text(std::string_view text);
// At most `bytes_max` bytes of the start or of the end, cut at a character, with an ellipsis where it was cut.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t bytes_max);
[[nodiscard]] std::string last_part(std::string_view text, std::size_t bytes_max);

[[nodiscard]] std::string sha256_hex(std::string_view bytes);
[[nodiscard]] std::string base64_decoded(std::string_view text);
[[nodiscard]] std::string base64url_encoded(std::string_view bytes);  // with its padding
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] std::string replaced(std::string_view text, std::string_view what, std::string_view with);

// Keeps the last `bytes_max` bytes of what is appended.
class Tail {
 public:
  explicit Tail(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  void append(std::string_view bytes);
  [[nodiscard]] std::string text() const { return clean_text(bytes_); }  // cleaned
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::size_t bytes_max_;
  std::string bytes_;
};

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
