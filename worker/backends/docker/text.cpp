// Text work, written out. Not here: anything that knows what the text means.
#include "worker/backends/docker/text.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace rebottle::worker::docker {
namespace {

std::string encode(std::string_view text, std::string_view also_kept) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((std::isalnum(byte) != 0 && byte < 0x80) || std::string_view("-._~").find(c) != std::string_view::npos ||
        also_kept.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += digits[byte >> 4U];
      out += digits[byte & 15U];
    }
  }
  return out;
}

}  // namespace

std::string percent_encode(std::string_view text) { return encode(text, ""); }
std::string percent_encode_path(std::string_view text) { return encode(text, "/:@"); }

std::string base64_decoded(std::string_view text) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto value = alphabet.find(c);
    if (value == std::string_view::npos) break;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>((bits >> static_cast<unsigned>(count)) & 0xFFU);
  }
  return out;
}

std::string base64url_encoded(std::string_view bytes) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i)
      bits = (bits << 8U) | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i)
      out += at + i > bytes.size() ? '=' : alphabet[(bits >> (18U - 6U * static_cast<unsigned>(i))) & 63U];
  }
  return out;
}

std::string Demultiplexer::feed(std::string_view piece) {
  std::string out;
  while (!piece.empty()) {
    if (left_ == 0) {
      const auto missing = std::min(8 - header_.size(), piece.size());
      header_ += piece.substr(0, missing);
      piece.remove_prefix(missing);
      if (header_.size() < 8) break;
      for (std::size_t i = 4; i < 8; ++i) left_ = (left_ << 8U) | static_cast<unsigned char>(header_[i]);
      header_.clear();
      continue;
    }
    const auto taken = std::min(left_, piece.size());
    out += piece.substr(0, taken);
    piece.remove_prefix(taken);
    left_ -= taken;
  }
  return out;
}

}  // namespace rebottle::worker::docker
