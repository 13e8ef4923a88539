// Reads only what tells one entry from the next: names, types and sizes, of ustar, pax and GNU headers. A name that is
// given anew goes into a pax header, which every reader puts before the others.
// Not here: owners, modes, times; they stay in the blocks that are passed on.
#include "worker/backends/docker/tree_picker.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

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

bool leads_up(const std::string& name) { return ("/" + name + "/").find("/../") != std::string::npos; }

// "27 path=a/name\n": the number counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  const auto rest = key.size() + value.size() + 3;  // blank, equals sign, newline
  auto size = rest + std::to_string(rest).size();
  size = rest + std::to_string(size).size();
  return std::to_string(size).append(" ").append(key).append("=").append(value).append("\n");
}

// The header before pax records of that size.
std::string pax_header(std::size_t size) {
  std::string block(512, '\0');
  const auto put = [&block](std::size_t at, std::string_view text) { block.replace(at, text.size(), text); };
  const auto put_octal = [&put](std::size_t at, const char* format, std::size_t number) {
    std::array<char, 16> digits{};
    const auto length = std::snprintf(digits.data(), digits.size(), format, number);
    put(at, {digits.data(), static_cast<std::size_t>(length)});
  };
  put(0, "PaxHeaders/entry");
  for (const auto field : std::array<std::size_t, 3>{100, 108, 116}) put_octal(field, "%07zo", field == 100 ? 0644 : 0);
  put_octal(124, "%011zo", size);
  put_octal(136, "%011zo", 0);
  put(156, "x");
  put(257, "ustar");
  put(263, "00");
  std::size_t sum = 8 * std::size_t{' '};
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put_octal(148, "%06zo", sum);
  block[155] = ' ';
  return block;
}

}  // namespace

TreePicker::TreePicker(const std::vector<std::string>& paths, Keep keep, Above above, std::string_view start)
    : start_(clean_name(std::string(start))), keep_(std::move(keep)), above_(std::move(above)) {
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
  complete_ = block_.find_first_not_of('\0') == std::string::npos;
  if (complete_) return true;
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
  name = from_root(std::move(name));
  place(name);
  // Links and directories have no content, whatever their size says.
  left_ = type == '0' || type == '\0' || type == '7' ? padded : 0;
  auto target = long_target_;
  if (type == '1') target = from_root(target.empty() ? text_field(block_, 157, 100) : target);
  bool wanted = true;
  if (content_ == Content::kept) {
    if (leads_up(name)) problem_ = "/" + name + " leads out of what is kept";
    if (type == '1') judge_link(name, target);
    wanted = problem_.empty() && keep_(index_, start_.empty() ? group_ : renamed(name, target));
  }
  group_.clear();
  long_name_.clear();
  long_target_.clear();
  records_.clear();
  has_long_size_ = false;
  return wanted;
}

std::string TreePicker::from_root(std::string name) const {
  name = clean_name(std::move(name));
  return start_.empty() ? name : start_ + "/" + name;
}

// The first name of a file holds its content; where that is not kept, the link would show what the changed image has
// there.
void TreePicker::judge_link(const std::string& name, const std::string& target) {
  const auto holds = [&](const std::string& path) { return target == path || is_below(target, path); };
  const auto end = paths_.begin() + static_cast<std::ptrdiff_t>(index_) + 1;
  if (leads_up(target) || std::none_of(paths_.begin(), end, holds))
    problem_ = "/" + name + " is the same file as /" + target +
               ", which is not kept with it: name the other path, too, and before this one";
}

std::string TreePicker::renamed(const std::string& name, const std::string& target) const {
  auto records = records_ + pax_record("path", name);
  if (!target.empty()) records += pax_record("linkpath", target);
  auto out = pax_header(records.size()) + records;
  out.resize((out.size() + block_size - 1) / block_size * block_size, '\0');
  return out + block_;
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

// pax: some records; GNU: the name itself.
void TreePicker::read_extension(char type) {
  group_ += extension_;
  if (type == 'L') long_name_ = text_field(extension_, 0, extension_.size());
  if (type == 'K') long_target_ = text_field(extension_, 0, extension_.size());
  if (type != 'x') return;
  std::string_view rest = extension_;
  while (!rest.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
    const auto digits = static_cast<std::size_t>(end - rest.data());
    if (error != std::errc{} || length <= digits + 1 || length > rest.size()) return;
    const auto record = rest.substr(digits + 1, length - digits - 2);
    const auto equals = record.find('=');
    if (equals != std::string_view::npos && !read_record(record.substr(0, equals), record.substr(equals + 1)))
      records_ += rest.substr(0, length);
    rest.remove_prefix(length);
  }
}

// True if it tells a name.
bool TreePicker::read_record(std::string_view key, std::string_view value) {
  if (key == "path") long_name_ = value;
  if (key == "linkpath") long_target_ = value;
  if (key == "size") {
    std::from_chars(value.data(), value.data() + value.size(), long_size_);
    has_long_size_ = true;
  }
  return key == "path" || key == "linkpath";
}

}  // namespace rebottle::worker::docker
