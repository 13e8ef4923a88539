// Makes text that others wrote safe to show on a terminal, and measures what a terminal makes of it.
// Not here: colours (table.hpp), JSON (json_text.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rebottle::tools {

// One line without any character that moves the cursor, reorders or hides text: C0, C1, DEL, bidi and other format
// controls, line separators, unassigned code points and bytes that are no UTF-8 become visible escapes such as
// \n, \x1b, \u202e. For the eye: a backslash stays as it is, so the text cannot be read back; JSON output can.
[[nodiscard]] std::string printable(std::string_view text);

// The same, one entry per line of the text; a last line break adds no entry.
[[nodiscard]] std::vector<std::string> printable_lines(std::string_view text);

// Columns that printable text takes on a terminal.
[[nodiscard]] std::size_t display_width(std::string_view text);

// Printable text cut to at most `width` columns (at least 1), ending in an ellipsis where something was cut.
[[nodiscard]] std::string fit(std::string_view text, std::size_t width);

// The entry of `words` that a person most likely meant; empty if none is near.
[[nodiscard]] std::string_view nearest(std::string_view word, const std::vector<std::string>& words);

}  // namespace rebottle::tools
