// The strict JSON reader: a SAX handler that builds the document and stops at the first thing two readers could
// read differently.
#include "schema/args_json.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace rebottle::schema {
namespace {

using nlohmann::json;

class StrictReader {
 public:
  explicit StrictReader(std::string root) : root_(std::move(root)) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(json::number_integer_t value) { return add(value); }
  bool number_unsigned(json::number_unsigned_t value) { return add(value); }
  bool number_float(json::number_float_t value, const std::string& /*text*/) { return add(value); }
  bool string(std::string& value) {
    if (value.find('\0') != std::string::npos) return fail(path(), "contains a NUL character; remove it");
    return add(std::move(value));
  }
  bool binary(json::binary_t& /*value*/) { return fail(path(), "is binary; give JSON text"); }

  bool start_object(std::size_t /*size*/) { return open(json::object()); }
  bool start_array(std::size_t /*size*/) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (name.find('\0') != std::string::npos) return fail(path(), "contains a key with a NUL character; remove it");
    keys_.back() = name;
    if (open_.back()->contains(name)) return fail(path(), "stands twice; give each key once");
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/, const json::exception& /*error*/) {
    return fail(path(), "is not valid JSON near byte " + std::to_string(position) + "; correct it");
  }

  [[nodiscard]] const std::optional<ArgsError>& error() const { return error_; }
  [[nodiscard]] json& document() { return document_; }

 private:
  // The place that the reader is at, as "args.change.commands[2]".
  [[nodiscard]] std::string path() const {
    std::string text = root_;
    for (std::size_t level = 0; level < open_.size(); ++level) {
      const bool innermost = level + 1 == open_.size();
      if (open_[level]->is_array())
        // A container that is being read stands in its parent already.
        text += "[" + std::to_string(open_[level]->size() - (innermost ? 0 : 1)) + "]";
      else if (!keys_[level].empty())
        text += "." + escaped(keys_[level]);
    }
    return text;
  }

  json* place(json value) {
    if (open_.empty()) {
      document_ = std::move(value);
      return &document_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    return &((*open_.back())[keys_.back()] = std::move(value));
  }

  bool add(json value) {
    place(std::move(value));
    member_done();
    return true;
  }

  bool open(json container) {
    if (open_.size() == json_depth_max)
      return fail(path(), "is nested deeper than " + std::to_string(json_depth_max) + " levels; flatten it");
    open_.push_back(place(std::move(container)));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    open_.pop_back();
    keys_.pop_back();
    member_done();
    return true;
  }

  // What is wrong from here on is the container's, not the last member's.
  void member_done() {
    if (!keys_.empty()) keys_.back().clear();
  }

  bool fail(std::string field, std::string message) {
    error_ = ArgsError{std::move(field), std::move(message)};
    return false;
  }

  std::string root_;
  json document_;
  std::vector<json*> open_;        // containers that are being read, outermost first
  std::vector<std::string> keys_;  // the key at work in each; empty in arrays
  std::optional<ArgsError> error_;
};

}  // namespace

std::variant<json, ArgsError> parse_strictly(std::string_view text, const std::string& root) {
  if (text.find('\0') != std::string_view::npos) return ArgsError{root, "contains a NUL character; remove it"};
  StrictReader reader(root);
  const bool whole = json::sax_parse(text, &reader);
  if (reader.error()) return *reader.error();
  if (!whole) return ArgsError{root, "is not valid JSON; correct it"};
  return std::move(reader.document());
}

std::string escaped(std::string_view text) {
  constexpr std::size_t shown_max = 40;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string shown;
  for (const char c : text.substr(0, shown_max)) {
    if (c >= '!' && c <= '~' && c != '\\' && c != '\'') {
      shown += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      shown += {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
    }
  }
  return text.size() > shown_max ? shown + "…" : shown;
}

}  // namespace rebottle::schema
