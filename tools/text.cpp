// UTF-8 by hand, because hostile bytes must survive as escapes; widths from the C library's own tables.
// Not here: any knowledge of jobs.
#include "tools/text.hpp"

#include <locale.h>
#include <wchar.h>

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>

namespace rebottle::tools {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 1;  // bytes
  bool valid = false;      // otherwise `value` is the single byte
};

// The next code point of a text that is not empty. Overlong forms, surrogates and values past 10FFFF are invalid.
CodePoint next_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {first, 1, false};
  char32_t value = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {first, 1, false};
    value = (value << 6U) | (byte(i) & 0x3fU);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < smallest[length] || value > 0x10ffff || surrogate) return {first, 1, false};
  return {value, length, true};
}

// wcwidth answers for the thread's locale, whatever the user's is; -1 for what cannot be printed.
class Utf8Locale {
 public:
  Utf8Locale() : mine_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (mine_ != nullptr) before_ = uselocale(mine_);
  }
  ~Utf8Locale() {
    if (mine_ == nullptr) return;
    uselocale(before_);
    freelocale(mine_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

  // Without the locale every character counts as one column.
  [[nodiscard]] int width(char32_t value) const { return mine_ == nullptr ? 1 : wcwidth(static_cast<wchar_t>(value)); }

 private:
  locale_t mine_;
  locale_t before_ = nullptr;
};

struct Range {
  char32_t first, last;
};

// Characters that a terminal obeys instead of showing, or shows as nothing.
constexpr std::array hidden_ranges{
    Range{0x0000, 0x001f},    // C0
    Range{0x007f, 0x009f},    // DEL, C1
    Range{0x00ad, 0x00ad},    // soft hyphen
    Range{0x061c, 0x061c},    // Arabic letter mark
    Range{0x180e, 0x180e},    // Mongolian vowel separator
    Range{0x200b, 0x200f},    // zero width, bidi marks
    Range{0x2028, 0x202e},    // line and paragraph separators, bidi embeddings and overrides
    Range{0x2060, 0x206f},    // word joiner, bidi isolates, deprecated format characters
    Range{0xfeff, 0xfeff},    // byte order mark
    Range{0xfff9, 0xfffb},    // interlinear annotation
    Range{0xe0000, 0xe007f},  // tags
};

bool is_hidden(char32_t value, const Utf8Locale& locale) {
  const auto inside = [value](const Range& range) { return value >= range.first && value <= range.last; };
  return std::ranges::any_of(hidden_ranges, inside) || locale.width(value) < 0;
}

std::string escaped(const CodePoint& point) {
  const auto value = static_cast<std::uint32_t>(point.value);
  if (!point.valid) return fmt::format("\\x{:02x}", value);
  switch (point.value) {
    case U'\n': return "\\n";
    case U'\r': return "\\r";
    case U'\t': return "\\t";
    default: break;
  }
  if (value < 0x80) return fmt::format("\\x{:02x}", value);
  return value > 0xffff ? fmt::format("\\U{:08x}", value) : fmt::format("\\u{:04x}", value);
}

}  // namespace

std::string printable(std::string_view text) {
  const Utf8Locale locale;
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = next_code_point(text);
    if (point.valid && !is_hidden(point.value, locale))
      result.append(text.substr(0, point.length));
    else
      result.append(escaped(point));
    text.remove_prefix(point.length);
  }
  return result;
}

std::vector<std::string> printable_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(printable(text.substr(0, end)));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::size_t display_width(std::string_view text) {
  const Utf8Locale locale;
  std::size_t width = 0;
  while (!text.empty()) {
    const CodePoint point = next_code_point(text);
    width += static_cast<std::size_t>(std::max(0, locale.width(point.value)));
    text.remove_prefix(point.length);
  }
  return width;
}

std::string fit(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  const Utf8Locale locale;
  std::size_t used = 1;  // the ellipsis
  std::string_view rest = text;
  while (!rest.empty()) {
    const CodePoint point = next_code_point(rest);
    used += static_cast<std::size_t>(std::max(0, locale.width(point.value)));
    if (used > width) break;
    rest.remove_prefix(point.length);
  }
  return std::string(text.substr(0, text.size() - rest.size())) + "…";
}

std::string_view nearest(std::string_view word, const std::vector<std::string>& words) {
  const auto distance = [word](std::string_view other) {
    std::vector<std::size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = row[0]++;
      for (std::size_t j = 0; j < other.size(); ++j) {
        const std::size_t changed = diagonal + (word[i] == other[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
      }
    }
    return row.back();
  };
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const auto& candidate : words) {
    // A word that was only begun is nearer than any slip.
    const bool begun = word.size() > 1 && candidate.starts_with(word);
    const std::size_t found = begun ? 0 : distance(candidate);
    if (found >= best_distance) continue;
    best = candidate;
    best_distance = found;
  }
  return best;
}

}  // namespace rebottle::tools
