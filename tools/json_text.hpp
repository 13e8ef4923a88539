// JSON as the CLI prints it: pure ASCII, so that no control, bidi or C1 character reaches a terminal unescaped
// and every consumer reads the same text back. Not here: what is printed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace rebottle::tools {

using Json = nlohmann::ordered_json;  // keys in the order of writing

// One line. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string json_line(const Json& value);
// Indented by two.
[[nodiscard]] std::string json_document(const Json& value);

// A JSON column as a value; as a string where it is no JSON.
[[nodiscard]] Json json_of_column(std::string_view text);

// A JSON object for the eye: "effect=create_new outcome=done"; empty for {}. Not yet escaped.
[[nodiscard]] std::string json_summary(std::string_view text);

// The same with a line for each object inside: "stop_old: world=absent", "observed.stop_old: world=absent" where the
// object holds nothing but objects. What is not nested comes first, in a line of its own; none for {}.
[[nodiscard]] std::vector<std::string> json_lines(std::string_view text);

}  // namespace rebottle::tools
