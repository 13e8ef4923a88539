// What an effect prints, kept within bounds: the beginning and the end of it, and how much lies between.
// Not here: storing it (schema), what prints (backends).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schema/rows.hpp"

namespace rebottle::worker {

class BuildLog {
 public:
  // Keeps at most `bytes_max`, a quarter of it from the beginning.
  explicit BuildLog(std::size_t bytes_max);

  // The next piece is the first one of another try.
  void restart() { restarting_ = true; }
  void append(std::string_view piece);
  // All of it so far, if anything came since stored(); valid UTF-8 without NUL, whatever came.
  [[nodiscard]] std::optional<schema::BuildLog> unstored() const;
  // What unstored() returned is safe.
  void stored() { changed_ = false; }

 private:
  std::size_t head_max_;
  std::size_t tail_max_;
  std::string head_;
  std::string tail_;  // up to twice its bound, so that it is seldom moved
  std::int64_t dropped_ = 0;
  bool restarting_ = false;
  bool changed_ = false;
};

}  // namespace rebottle::worker
