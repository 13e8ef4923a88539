// Takes what lies at and below some paths out of a tar stream of a whole root, block by block and unchanged.
// Not here: archives made or read as a whole (archive.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace rebottle::worker::docker {

class TreePicker {
 public:
  // The bytes of an entry that is kept, headers and content, for the path of this index; false: enough.
  using Keep = std::function<bool(std::size_t index, std::string_view bytes)>;
  // The header of a directory or link above a path.
  using Above = std::function<void(std::string_view header)>;

  // Absolute paths, none below another.
  TreePicker(const std::vector<std::string>& paths, Keep keep, Above above);

  // False: the stream is no tar, or `keep` had enough.
  [[nodiscard]] bool feed(std::string_view piece);

 private:
  static constexpr std::size_t block_size = 512;
  enum class Content : std::uint8_t { extension, kept, skipped };

  bool read_header();
  void read_extension(char type);
  void place(const std::string& name);

  std::vector<std::string> paths_;  // without the slash at the start
  Keep keep_;
  Above above_;
  std::string block_;
  std::string group_;      // the raw headers of the entry that is being read: extensions before its own
  std::string extension_;  // the content of the present one
  char extension_type_ = 0;
  std::string long_name_;
  std::uint64_t long_size_ = 0;
  bool has_long_size_ = false;
  std::uint64_t left_ = 0;  // of the content, with its padding
  Content content_ = Content::skipped;
  std::size_t index_ = 0;
};

}  // namespace rebottle::worker::docker
