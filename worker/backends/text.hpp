// Small text work on what comes from engines and agents: cleaning, shortening, hashing. Shared by all backends.
// Not here: anything that knows what the text means.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rebottle::worker {

// Valid UTF-8 without control characters other than newline and tab; each bad byte becomes U+FFFD.
[[nodiscard]] std::string clean_text(std::string_view text);
// At most `bytes_max` bytes of the start or of the end, cut at a character, with an ellipsis where it was cut.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t bytes_max);
[[nodiscard]] std::string last_part(std::string_view text, std::size_t bytes_max);

[[nodiscard]] std::string sha256_hex(std::string_view bytes);
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] std::string replaced(std::string_view text, std::string_view what, std::string_view with);

[[nodiscard]] std::string joined(const std::vector<std::string>& items, std::string_view separator = "; ");

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

}  // namespace rebottle::worker
