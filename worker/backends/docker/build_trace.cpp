// Protobuf's wire format, as far as these messages use it: varints and length-delimited fields.
// Not here: a protobuf library; the six fields would not pay for one.
#include "worker/backends/docker/build_trace.hpp"

#include <cstdint>
#include <optional>

namespace rebottle::worker::docker {
namespace {

constexpr std::size_t vertexes_max = 10'000;  // a build of more steps than that is no build

struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  // of a varint
  std::string_view bytes;   // of a length-delimited field
};

std::optional<std::uint64_t> take_varint(std::string_view& rest) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80U) return value;
  }
  return std::nullopt;
}

// The next field; empty at the end, and at the first byte that makes no sense.
std::optional<Field> take_field(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const auto key = take_varint(rest);
  if (!key) return std::nullopt;
  Field field;
  field.number = *key >> 3U;
  std::size_t size = 0;
  switch (*key & 7U) {
    case 0: {
      const auto value = take_varint(rest);
      if (!value) return std::nullopt;
      field.value = *value;
      return field;
    }
    case 1: size = 8; break;
    case 2: {
      const auto length = take_varint(rest);
      if (!length || *length > rest.size()) return std::nullopt;
      size = static_cast<std::size_t>(*length);
      break;
    }
    case 5: size = 4; break;
    default: return std::nullopt;
  }
  if (size > rest.size()) return std::nullopt;
  field.bytes = rest.substr(0, size);
  rest.remove_prefix(size);
  return field;
}

}  // namespace

BuildTrace::Vertex& BuildTrace::vertex(std::string_view digest) {
  const auto known = vertexes_.find(digest);
  if (known != vertexes_.end()) return known->second;
  if (vertexes_.size() >= vertexes_max) vertexes_.clear();
  Vertex fresh;
  fresh.number = static_cast<int>(vertexes_.size()) + 1;
  return vertexes_.emplace(digest, fresh).first->second;
}

std::string BuildTrace::read(std::string_view message) {
  std::string out;
  while (const auto field = take_field(message)) {
    if (field->number == 1) out += read_vertex(field->bytes);
    if (field->number == 3) out += read_log(field->bytes);
  }
  return out;
}

// Vertex: digest 1, name 3, cached 4, started 5, completed 6, error 7. Steps are told about before they begin, too.
std::string BuildTrace::read_vertex(std::string_view message) {
  std::string_view digest;
  std::string_view name;
  std::string_view error;
  bool cached = false;
  bool started = false;
  bool completed = false;
  while (const auto field = take_field(message)) {
    if (field->number == 1) digest = field->bytes;
    if (field->number == 3) name = field->bytes;
    if (field->number == 4) cached = field->value != 0;
    if (field->number == 5) started = true;
    if (field->number == 6) completed = true;
    if (field->number == 7) error = field->bytes;
  }
  if (digest.empty() || !started) return {};
  auto& known = vertex(digest);
  const auto prefix = "#" + std::to_string(known.number) + " ";
  std::string out;
  if (!known.named) out.append(prefix).append(name) += '\n';
  known.named = true;
  if (!completed || known.ended) return out;
  known.ended = true;
  if (known.line_open) out += '\n';
  known.line_open = false;
  if (!error.empty()) return out.append(prefix).append("ERROR: ").append(error) + '\n';
  return out.append(prefix) + (cached ? "CACHED\n" : "DONE\n");
}

// VertexLog: vertex 1, msg 4; each line gets its step's number.
std::string BuildTrace::read_log(std::string_view message) {
  std::string_view digest;
  std::string_view text;
  while (const auto field = take_field(message)) {
    if (field->number == 1) digest = field->bytes;
    if (field->number == 4) text = field->bytes;
  }
  auto& known = vertex(digest);
  const auto prefix = "#" + std::to_string(known.number) + " ";
  std::string out;
  for (const char c : text) {
    if (!known.line_open) out += prefix;
    known.line_open = c != '\n';
    out += c;
  }
  return out;
}

}  // namespace rebottle::worker::docker
