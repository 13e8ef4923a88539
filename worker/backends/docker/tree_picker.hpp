// Takes what lies at and below some paths out of a tar stream, block by block: content, owners and times stay as they
// are, names are those from the root on. Not here: archives made or read as a whole (archive.hpp).
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

  // Absolute paths, none below another, in the order in which they are put back. `start`: the directory that the
  // stream's names begin at.
  TreePicker(const std::vector<std::string>& paths, Keep keep, Above above, std::string_view start = "/");

  // False: the stream is no tar, `keep` had enough, or there is a problem.
  [[nodiscard]] bool feed(std::string_view piece);
  // What cannot be kept as it is; empty: nothing. It holds names as the agent gave them.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // The archive's end was seen; an engine that meets an error on its way says so by leaving it out.
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  static constexpr std::size_t block_size = 512;
  enum class Content : std::uint8_t { extension, kept, skipped };

  bool read_header();
  void read_extension(char type);
  bool read_record(std::string_view key, std::string_view value);
  void place(const std::string& name);
  void judge_link(const std::string& name, const std::string& target);
  [[nodiscard]] std::string from_root(std::string name) const;
  [[nodiscard]] std::string renamed(const std::string& name, const std::string& target) const;

  std::vector<std::string> paths_;  // without the slash at the start
  std::string start_;               // likewise
  Keep keep_;
  Above above_;
  std::string block_;
  std::string group_;      // the raw headers of the entry that is being read: extensions before its own
  std::string extension_;  // the content of the present one
  char extension_type_ = 0;
  std::string long_name_;
  std::string long_target_;  // of a link
  std::string records_;      // pax records that tell neither of them
  std::uint64_t long_size_ = 0;
  bool has_long_size_ = false;
  std::uint64_t left_ = 0;  // of the content, with its padding
  Content content_ = Content::skipped;
  std::size_t index_ = 0;
  std::string problem_;
  bool complete_ = false;
};

}  // namespace rebottle::worker::docker
