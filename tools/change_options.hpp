// The options that describe an approved change, shared by enqueue and plan, and the args text they make.
// Not here: the rules of args (schema/args.hpp), which have the last word.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/command_line.hpp"

namespace rebottle::tools {

struct ChangeOptions {
  std::string kind{schema_kind_default};
  std::string dockerfile;  // a path, or "-"
  std::string image;
  std::vector<std::string> commands;
  std::string args;  // a path, or "-"
  std::string expect_target_id;
  std::string expect_image_digest;
  std::string expect_change_sha256;
  std::vector<std::string> snapshot_paths;
  std::optional<std::int64_t> snapshot_max_bytes;
  std::vector<std::string> verify_exec;
  std::optional<int> verify_timeout_s;
  std::optional<int> stable_s;
  std::optional<int> stop_timeout_s;
  std::optional<int> build_timeout_s;
  std::optional<int> max_downtime_s;

  static constexpr const char* schema_kind_default = "capability_block";
};

void add_change_options(CLI::App& verb, ChangeOptions& options);

// True if any of them was given, `kind` aside.
[[nodiscard]] bool names_a_change(const ChangeOptions& options);

// The JSON text for approvals.args, already accepted by the strict parser where it knows the kind.
[[nodiscard]] Result<std::string> args_text(const Context& context, const ChangeOptions& options);

}  // namespace rebottle::tools
