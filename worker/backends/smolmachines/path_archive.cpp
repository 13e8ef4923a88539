// Headers only: ustar, and the long names of pax and GNU. Not here: contents.
#include "worker/backends/smolmachines/path_archive.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string_view>
#include <unordered_set>

#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

constexpr std::size_t block_size = 512;
constexpr std::uint64_t extension_max = 1U << 20U;

struct Entry {
  char type = '0';
  std::string name;
  std::string target;  // of a link
  std::uint64_t size = 0;
  // What a reader sees that knows nothing of pax, as busybox; else the same.
  std::string plain_name;
  std::string plain_target;
};

std::string shown(std::string_view name) { return "\"" + shortened(clean_text(name), 120) + "\""; }

class Reader {
 public:
  explicit Reader(const std::filesystem::path& archive) : in_(archive, std::ios::binary) {
    std::error_code error;
    left_ = std::filesystem::file_size(archive, error);
    if (error || !in_) problem_ = "it cannot be read";
  }

  // False at the end and at what is no archive; problem() then tells the two apart.
  bool next(Entry& entry) {
    entry = {};
    std::uint64_t wanted_size = 0;
    std::string extensions;  // their types
    while (problem_.empty() && read_block()) {
      if (block().find_first_not_of('\0') == std::string_view::npos) return ends();
      if (block().substr(257, 5) != "ustar" || !checksum_fits()) return fail("it is no tar");
      const char type = block()[156] == '\0' ? '0' : block()[156];
      const auto size = number(124, 12);
      if (type == 'x' || type == 'L' || type == 'K') {
        // Of two that name an entry, readers differ in which one they believe.
        const bool mixed = !extensions.empty() && (type == 'x' || extensions.front() == 'x');
        if (mixed || extensions.find(type) != std::string::npos) return fail("an entry in it has more than one name");
        extensions += type;
        if (!read_extension(type, size, entry, wanted_size)) return false;
        continue;
      }
      const bool pax = extensions == "x";
      entry.type = type;
      entry.size = size;
      // Only POSIX has a first half of the name there; others read one all the same.
      const auto first = field(345, 155);
      const bool posix = block().substr(257, 6) == std::string_view("ustar\0", 6);
      entry.plain_name = (first.empty() ? "" : first + "/") + field(0, 100);
      if (!posix && !first.empty()) return fail(shown(entry.plain_name) + " has a broken header");
      if (wanted_size != 0 && wanted_size != size) return fail(shown(entry.plain_name) + " is too large");
      entry.plain_target = field(157, 100);
      if (entry.name.empty()) entry.name = entry.plain_name;
      if (entry.target.empty()) entry.target = entry.plain_target;
      if (!pax) entry.plain_name = entry.name;
      if (!pax) entry.plain_target = entry.target;
      if (std::string_view("0123456").find(type) == std::string_view::npos)
        return fail(shown(entry.name) + " is of the unknown type " + shown({&type, 1}));
      if (type != '0' && entry.size != 0) return fail(shown(entry.name) + " cannot have a content");
      return skip(entry.size);
    }
    return false;
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  [[nodiscard]] std::string_view block() const { return {block_.data(), block_.size()}; }
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool read_block() {
    if (left_ < block_size) return fail("it ends too early");
    left_ -= block_size;
    return static_cast<bool>(in_.read(block_.data(), block_size)) || fail("it cannot be read");
  }
  bool skip(std::uint64_t size) {
    const auto padded = (size / block_size + (size % block_size == 0 ? 0 : 1)) * block_size;
    if (size > left_ || padded > left_) return fail("it ends too early");
    left_ -= padded;
    return static_cast<bool>(in_.seekg(static_cast<std::streamoff>(padded), std::ios::cur)) ||
           fail("it cannot be read");
  }
  // Some readers go on behind the first empty block.
  bool ends() {
    while (left_ >= block_size)
      if (!read_block() || block().find_first_not_of('\0') != std::string_view::npos)
        return fail("something follows its end");
    return false;
  }
  [[nodiscard]] std::string field(std::size_t at, std::size_t size) const {
    const auto out = block().substr(at, size);
    return std::string(out.substr(0, out.find('\0')));
  }
  // Octal digits, or for large numbers a byte with the highest bit set and the number after it.
  [[nodiscard]] std::uint64_t number(std::size_t at, std::size_t size) const {
    const auto bytes = block().substr(at, size);
    std::uint64_t out = 0;
    if ((static_cast<unsigned char>(bytes[0]) & 0x80U) != 0) {
      for (const char c : bytes.substr(size - 8)) out = (out << 8U) | static_cast<unsigned char>(c);
      return out;
    }
    const auto digits = bytes.substr(std::min(bytes.find_first_not_of(' '), bytes.size()));
    std::from_chars(digits.data(), digits.data() + digits.size(), out, 8);
    return out;
  }
  [[nodiscard]] bool checksum_fits() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < block_size; ++i)
      sum += i >= 148 && i < 156 ? std::uint64_t{' '} : static_cast<unsigned char>(block_.at(i));
    return sum == number(148, 8);
  }
  // GNU: the name itself; pax: "27 path=a/name\n" and so on.
  bool read_extension(char type, std::uint64_t size, Entry& entry, std::uint64_t& wanted_size) {
    if (size > extension_max || size > left_) return fail("a name in it is too long");
    std::string text(size, '\0');
    if (!in_.read(text.data(), static_cast<std::streamsize>(size))) return fail("it cannot be read");
    left_ -= size;
    if (const auto rest = size % block_size; rest != 0) {
      in_.seekg(static_cast<std::streamoff>(block_size - rest), std::ios::cur);
      left_ -= std::min<std::uint64_t>(left_, block_size - rest);
    }
    if (type != 'x') {
      (type == 'L' ? entry.name : entry.target) = text.substr(0, text.find('\0'));
      return true;
    }
    std::string_view rest = text;
    while (!rest.empty()) {
      std::size_t length = 0;
      const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), length);
      const auto digits = static_cast<std::size_t>(parsed.ptr - rest.data());
      if (parsed.ec != std::errc() || length < digits + 3 || length > rest.size())
        return fail("a pax header is broken");
      const auto record = rest.substr(digits + 1, length - digits - 2);
      rest.remove_prefix(length);
      const auto equals = std::min(record.find('='), record.size() - 1);
      const auto key = record.substr(0, equals);
      const auto value = record.substr(equals + 1);
      if (key.starts_with("GNU.sparse")) return fail("it holds a sparse file in a form that is not read");
      if (key == "path") entry.name = value;
      if (key == "linkpath") entry.target = value;
      if (key != "size") continue;
      const auto* const end = value.data() + value.size();
      const auto number = std::from_chars(value.data(), end, wanted_size);
      if (number.ec != std::errc() || number.ptr != end) return fail("a pax header is broken");
    }
    return true;
  }

  std::ifstream in_;
  std::uint64_t left_ = 0;
  std::array<char, block_size> block_{};
  std::string problem_;
};

// "./a/b/" → "/a/b"; empty for what is not plainly below "./".
std::string plain(std::string_view name) {
  if (name.ends_with('/')) name.remove_suffix(1);
  if (!name.starts_with("./") || name.find('\0') != std::string_view::npos) return {};
  const std::string out(name.substr(1));
  for (std::string_view rest = out; !rest.empty();) {
    rest.remove_prefix(1);
    const auto part = rest.substr(0, rest.find('/'));
    if (part.empty() || part == "." || part == "..") return {};
    rest.remove_prefix(part.size());
  }
  return out;
}

bool is_within(std::string_view name, std::string_view path) {
  return name == path || (name.starts_with(path) && name[path.size()] == '/');
}

class Judge {
 public:
  explicit Judge(const std::vector<std::string>& paths) : paths_(paths) {}

  void note_link(const Entry& entry) {
    if (entry.type != '1' && entry.type != '2') return;
    links_.insert(plain(entry.name));
    links_.insert(plain(entry.plain_name));
  }
  [[nodiscard]] std::string problem(const Entry& entry) const {
    for (const auto& name : {entry.name, entry.plain_name})
      if (!allowed(plain(name))) return shown(name) + " is none of the paths, or lies below a link";
    if (entry.type == '1')
      for (const auto& target : {entry.target, entry.plain_target})
        if (!allowed(plain(target)))
          return shown(entry.name) + " is a link to " + shown(target) + ", which is none of the paths";
    return {};
  }
  // Whether it is one of the paths itself.
  [[nodiscard]] bool is_path(const Entry& entry) const {
    return std::ranges::find(paths_, plain(entry.name)) != paths_.end();
  }

 private:
  [[nodiscard]] bool allowed(const std::string& name) const {
    if (std::ranges::none_of(paths_, [&name](const auto& path) { return is_within(name, path); })) return false;
    for (auto end = name.find('/', 1); end != std::string::npos; end = name.find('/', end + 1))
      if (links_.contains(name.substr(0, end))) return false;
    return true;
  }

  const std::vector<std::string>& paths_;
  std::unordered_set<std::string> links_;
};

}  // namespace

PathArchive read_path_archive(const std::filesystem::path& archive, const std::vector<std::string>& paths) {
  Judge judge(paths);
  PathArchive out;
  Entry entry;
  // A link may come after what lies below it, so all links are known first.
  Reader links(archive);
  while (links.next(entry)) judge.note_link(entry);
  out.problem = links.problem();
  Reader reader(archive);
  while (out.problem.empty() && reader.next(entry)) {
    out.problem = judge.problem(entry);
    if (!judge.is_path(entry)) continue;
    auto member = entry.name.ends_with('/') ? entry.name.substr(0, entry.name.size() - 1) : entry.name;
    if (std::ranges::find(out.members, member) == out.members.end()) out.members.push_back(std::move(member));
  }
  return out;
}

}  // namespace rebottle::worker::smolmachines
