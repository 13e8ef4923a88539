// Two passes: escape and measure, then print.
// Not here: wrapping; a cell is one line.
#include "tools/table.hpp"

#include <algorithm>
#include <array>
#include <ostream>

#include "tools/text.hpp"

namespace rebottle::tools {
namespace {

// Empty for plain text. The eight basic colours only: they follow the terminal's theme.
constexpr std::string_view escape_of(Tone tone) {
  constexpr std::array<std::string_view, 7> escapes{"",         "\x1b[2m",  "\x1b[1m",   "\x1b[36m",
                                                    "\x1b[32m", "\x1b[33m", "\x1b[1;31m"};
  return escapes[static_cast<std::size_t>(tone)];
}

std::string in_colour(std::string text, Tone tone, bool colour) {
  if (!colour || escape_of(tone).empty() || text.empty()) return text;
  return std::string(escape_of(tone)) + text + "\x1b[0m";
}

constexpr std::size_t gap = 2;           // between columns
constexpr std::size_t stretch_min = 12;  // a column is not cut below this

using Rows = std::vector<std::vector<Cell>>;

Rows visible(const std::vector<Column>& columns, const Rows& rows, bool wide) {
  Rows result;
  for (const auto& row : rows) {
    auto& cells = result.emplace_back();
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (wide || !columns[i].wide_only) cells.push_back({printable(row.at(i).text), row.at(i).tone});
  }
  return result;
}

std::vector<std::size_t> measure(const std::vector<Column>& columns, const Rows& rows, const TableStyle& style) {
  std::vector<std::size_t> widths;
  for (const auto& column : columns)
    widths.push_back(std::max(column.width_min, style.titles ? display_width(column.title) : 0));
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i].text));
  if (style.wide || style.width <= 0) return widths;

  std::size_t total = gap * (widths.size() - 1);
  for (const auto width : widths) total += width;
  const auto limit = static_cast<std::size_t>(style.width);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!columns[i].stretches || total <= limit) continue;
    const std::size_t cut = std::min(total - limit, widths[i] - std::min(widths[i], stretch_min));
    widths[i] -= cut;
    total -= cut;
  }
  return widths;
}

void print_row(std::ostream& out, const std::vector<Cell>& row, const std::vector<std::size_t>& widths, bool colour) {
  // Nothing is padded after the last cell that has text, so lines have no trailing blanks.
  std::size_t last = row.size();
  while (last > 0 && row[last - 1].text.empty()) --last;
  for (std::size_t i = 0; i < last; ++i) {
    const std::string text = fit(row[i].text, std::max<std::size_t>(1, widths[i]));
    out << in_colour(text, row[i].tone, colour);
    if (i + 1 < last) out << std::string(widths[i] - std::min(widths[i], display_width(text)) + gap, ' ');
  }
  out << '\n';
}

}  // namespace

void print_table(std::ostream& out, const std::vector<Column>& columns, const Rows& rows, const TableStyle& style) {
  std::vector<Column> shown;
  std::vector<Cell> titles;
  for (const auto& column : columns) {
    if (!style.wide && column.wide_only) continue;
    shown.push_back(column);
    titles.push_back({column.title, Tone::strong});
  }
  const Rows cells = visible(columns, rows, style.wide);
  const auto widths = measure(shown, cells, style);
  if (style.titles) print_row(out, titles, widths, style.colour);
  for (const auto& row : cells) print_row(out, row, widths, style.colour);
}

std::string painted(const Cell& cell, bool colour) { return in_colour(printable(cell.text), cell.tone, colour); }

}  // namespace rebottle::tools
