// Reads only what tells one entry from the next: names, types and sizes, of ustar, pax and GNU headers.
// Not here: owners, modes, times; they stay in the blocks that are passed on.
#include "worker/backends/docker/tree_picker.hpp"

#include <algorithm>
#include <charconv>

namespace rebottle::worker::docker {
namespace {

std::string text_field(std::string_view block, std::size_t at, std::size_t size) {
  const auto field = block.substr(at, size);
  return std::string(field.substr(0, field.find('\0')));
}

// Octal digits, or for large numbers a byte with the highest bit set and the number after it.
std::uint64_t number_field(std::string_view block, std::size_t at, std::size_t size) {
  const auto field = block.substr(at, size);
  std::uint64_t number = 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80U) != 0) {
    for (const char c : field.substr(1)) number = (number << 8U) | static_cast<unsigned char>(c);
    return number;
  }
  const auto digits = field.substr(std::min(field.find_first_not_of(' '), field.size()));
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 8);
  return number;
}

// "./a/b/" → "a/b".
std::string clean_name(std::string name) {
  while (name.starts_with("./")) name.erase(0, 2);
  while (name.starts_with('/')) name.erase(0, 1);
  while (name.ends_with('/')) name.pop_back();
  return name == "." ? std::string() : name;
}

bool is_below(std::string_view name, std::string_view place) {
  return name.size() > place.size() && name.starts_with(place) && name[place.size()] == '/';
}

}  // namespace

TreePicker::TreePicker(const std::vector<std::string>& paths, Keep keep, Above above)
    : keep_(std::move(keep)), above_(std::move(above)) {
  for (const auto& path : paths) paths_.push_back(clean_name(path));
}

bool TreePicker::feed(std::string_view piece) {
  while (!piece.empty()) {
    if (left_ > 0) {
      const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece.size()));
      const auto bytes = piece.substr(0, taken);
      if (content_ == Content::extension) extension_ += bytes;
      if (content_ == Content::kept && !keep_(index_, bytes)) return false;
      left_ -= taken;
      piece.remove_prefix(taken);
      if (left_ == 0 && content_ == Content::extension) read_extension(extension_type_);
      continue;
    }
    const auto taken = std::min(block_size - block_.size(), piece.size());
    block_ += piece.substr(0, taken);
    piece.remove_prefix(taken);
    if (block_.size() < block_size) break;
    if (!read_header()) return false;
    block_.clear();
  }
  return true;
}

bool TreePicker::read_header() {
  if (block_.find_first_not_of('\0') == std::string::npos) return true;  // the end of the archive
  if (std::string_view(block_).substr(257, 5) != "ustar") return false;
  const char type = block_[156];
  auto size = number_field(block_, 124, 12);
  const bool extension = type == 'x' || type == 'L' || type == 'K' || type == 'g';
  if (!extension && has_long_size_) size = long_size_;
  const auto padded = (size + block_size - 1) / block_size * block_size;
  if (extension) {
    constexpr std::uint64_t extension_max = 1U << 20U;
    if (size > extension_max) return false;
    group_ += block_;
    extension_.clear();
    extension_type_ = type;
    content_ = Content::extension;
    left_ = padded;
    return true;
  }
  group_ += block_;
  auto name = long_name_;
  if (name.empty()) {
    const auto prefix = text_field(block_, 345, 155);
    name = (prefix.empty() ? "" : prefix + "/") + text_field(block_, 0, 100);
  }
  place(clean_name(std::move(name)));
  // Links and directories have no content, whatever their size says.
  left_ = type == '0' || type == '\0' || type == '7' ? padded : 0;
  const bool wanted = content_ != Content::kept || keep_(index_, group_);
  group_.clear();
  long_name_.clear();
  has_long_size_ = false;
  return wanted;
}

void TreePicker::place(const std::string& name) {
  content_ = Content::skipped;
  for (std::size_t i = 0; i < paths_.size(); ++i)
    if (name == paths_[i] || is_below(name, paths_[i])) {
      content_ = Content::kept;
      index_ = i;
      return;
    }
  const bool above =
      !name.empty() && std::ranges::any_of(paths_, [&](const auto& path) { return is_below(path, name); });
  if (above) above_(group_);
}

// pax: "27 path=a/name\n" and so on; GNU: the name itself.
void TreePicker::read_extension(char type) {
  group_ += extension_;
  if (type == 'L') long_name_ = text_field(extension_, 0, extension_.size());
  if (type != 'x') return;
  std::string_view rest = extension_;
  while (!rest.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
    const auto digits = static_cast<std::size_t>(end - rest.data());
    if (error != std::errc{} || length <= digits + 1 || length > rest.size()) return;
    auto record = rest.substr(digits + 1, length - digits - 2);
    rest.remove_prefix(length);
    const auto equals = record.find('=');
    if (equals == std::string_view::npos) continue;
    const auto value = record.substr(equals + 1);
    if (record.substr(0, equals) == "path") long_name_ = value;
    if (record.substr(0, equals) == "size") {
      std::from_chars(value.data(), value.data() + value.size(), long_size_);
      has_long_size_ = true;
    }
  }
}

}  // namespace rebottle::worker::docker
