// Text work, written out. Not here: anything that knows what the text means.
#include "worker/backends/text.hpp"

#include <algorithm>

#include "worker/backends/sha256.hpp"

namespace rebottle::worker {
namespace {

constexpr std::string_view ellipsis = "…";
constexpr std::string_view replacement = "\xEF\xBF\xBD";

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// The length of the valid UTF-8 character at the start of `text`; 0 if there is none.
std::size_t character_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (!continues(text[i])) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool beyond = (lead == 0xED && second > 0x9F) || (lead == 0xF4 && second > 0x8F);
  return overlong || beyond ? 0 : length;
}

}  // namespace

std::string clean_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto length = character_length(text);
    const auto lead = static_cast<unsigned char>(text[0]);
    // C1 controls are two bytes, C2 80 to C2 9F.
    const bool control = (length == 1 && (lead < 0x20 || lead == 0x7F) && lead != '\n' && lead != '\t') ||
                         (length == 2 && lead == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0);
    if (lead == '\r') {
      text.remove_prefix(1);
      continue;
    }
    if (length == 0 || control)
      out += replacement;
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string shortened(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max;
  while (end > 0 && continues(text[end])) --end;
  return std::string(text.substr(0, end)).append(ellipsis);
}

std::string last_part(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t begin = text.size() - bytes_max;
  while (begin < text.size() && continues(text[begin])) ++begin;
  return std::string(ellipsis).append(text.substr(begin));
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes.data(), bytes.size());
  return hash.hex();
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string out(text);
  for (auto at = out.find(what); at != std::string::npos; at = out.find(what, at + with.size()))
    out.replace(at, what.size(), with);
  return out;
}

std::string joined(const std::vector<std::string>& items, std::string_view separator) {
  std::string out;
  for (const auto& item : items) out.append(out.empty() ? std::string_view() : separator).append(item);
  return out;
}

void Tail::append(std::string_view bytes) {
  bytes_ += bytes;
  if (bytes_.size() > 2 * bytes_max_) bytes_.erase(0, bytes_.size() - bytes_max_);
}

}  // namespace rebottle::worker
