// The strict parser of approvals.args for `capability_block`: what the approver read is what the program reads.
// Refuses what SQLite 3.40's JSON functions let pass: duplicate keys, bad UTF-8, NUL tails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rebottle::schema {

inline constexpr std::string_view kind_capability_block = "capability_block";
inline constexpr std::size_t args_bytes_max = 1 << 20;

struct Args {
  struct Dockerfile {
    std::string text;  // FROM "current" means the bottle's present image
  };
  struct Image {
    std::string reference;
  };
  struct ImageFile {
    std::string file;    // relative to one of the service's import_dirs
    std::string sha256;  // 64 hexadecimal digits
  };
  struct Commands {
    std::vector<std::string> lines;  // each one a shell line, none empty
  };
  std::variant<Dockerfile, Image, ImageFile, Commands> change;
  std::string change_sha256;  // of the compact JSON text of `change` with sorted keys

  struct Expect {
    std::optional<std::string> target_id;
    std::optional<std::string> image_digest;
    std::optional<std::string> change_sha256;
  } expect;
  struct Snapshot {
    std::vector<std::string> paths;  // absolute and normal, none is "/"
    bool restore = true;
    std::optional<std::int64_t> max_bytes;
  } snapshot;
  struct Verify {
    std::vector<std::string> exec;  // empty: no command
    std::optional<int> stable_s;
    std::optional<int> timeout_s;
  } verify;
  struct Limits {
    std::optional<int> stop_timeout_s;
    std::optional<int> build_timeout_s;
    std::optional<int> max_downtime_s;
  } limits;
};

struct ArgsError {
  std::string field;    // "args.change.dockerfile"
  std::string message;  // what is wrong and the way out; the input's own text only escaped and shortened

  [[nodiscard]] std::string text() const { return field + ": " + message; }
};

[[nodiscard]] std::variant<Args, ArgsError> parse_args(std::string_view json);

// The word of the change's kind: dockerfile, image, image_file, commands.
[[nodiscard]] std::string_view change_word(const Args& args);

}  // namespace rebottle::schema
