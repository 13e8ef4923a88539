// Two bounded strings, cut where UTF-8 allows it. Not here: which effects print.
#include "worker/engine/build_log.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <nlohmann/json.hpp>

namespace rebottle::worker {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// The last place at or before `end` where a character begins.
std::size_t boundary_before(std::string_view text, std::size_t end) {
  auto at = std::min(end, text.size());
  for (int i = 0; i < 3 && at > 0 && at < text.size() && continues(text[at]); ++i) --at;
  return at;
}

std::size_t boundary_after(std::string_view text, std::size_t begin) {
  auto at = begin;
  for (int i = 0; i < 3 && at < text.size() && continues(text[at]); ++i) ++at;
  return at;
}

// SQLite ends a text at a NUL, and JSON knows no broken UTF-8. The JSON library replaces the one and escapes the other.
std::string valid_text(std::string text) {
  std::ranges::replace(text, '\0', '?');
  const auto quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(quoted).get<std::string>();
}

}  // namespace

BuildLog::BuildLog(std::size_t bytes_max) : head_max_(bytes_max / 4), tail_max_(bytes_max - bytes_max / 4) {}

void BuildLog::append(std::string_view piece) {
  if (piece.empty()) return;
  if (std::exchange(restarting_, false)) {
    head_.clear();
    tail_.clear();
    dropped_ = 0;
  }
  changed_ = true;
  if (tail_.empty() && dropped_ == 0 && head_.size() < head_max_) {
    const auto fits = boundary_before(piece, head_max_ - head_.size());
    head_ += piece.substr(0, fits);
    piece.remove_prefix(fits);
  }
  tail_ += piece;
  if (tail_.size() <= 2 * tail_max_) return;
  const auto excess = boundary_after(tail_, tail_.size() - tail_max_);
  tail_.erase(0, excess);
  dropped_ += static_cast<std::int64_t>(excess);
}

std::optional<schema::BuildLog> BuildLog::unstored() const {
  if (!changed_) return std::nullopt;
  schema::BuildLog log;
  log.head = valid_text(head_);
  const auto excess = tail_.size() > tail_max_ ? boundary_after(tail_, tail_.size() - tail_max_) : 0;
  log.tail = valid_text(tail_.substr(excess));
  log.cut_bytes = dropped_ + static_cast<std::int64_t>(excess);
  if (log.cut_bytes == 0) log.head += std::exchange(log.tail, {});
  return log;
}

}  // namespace rebottle::worker
