// Aligned columns for the eye: widths as the terminal sees them, colour only where it was asked for.
// Every cell is escaped here, so no caller can forget it. Not here: what the cells mean.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace rebottle::tools {

enum class Tone : std::uint8_t {
  plain,
  faint,   // of no interest now
  strong,  // headings
  busy,    // something happens
  good,
  warned,  // ended otherwise than wished, nothing to do
  bad,     // look here
};

struct Cell {
  std::string text;  // as it came; escaped when printed
  Tone tone = Tone::plain;
};

struct Column {
  std::string title;
  bool stretches = false;  // is cut when the line is too long for the terminal
  bool wide_only = false;  // shown by -o wide alone
  std::size_t width_min = 0;
};

struct TableStyle {
  bool colour = false;
  bool titles = true;
  bool wide = false;  // all columns, nothing is cut
  int width = 0;      // of the terminal; 0: not known, nothing is cut
};

void print_table(std::ostream& out, const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows,
                 const TableStyle& style);

// Escaped, and coloured if `colour`.
[[nodiscard]] std::string painted(const Cell& cell, bool colour);

}  // namespace rebottle::tools
