// One file on the host that a job replaces and can put back: whole or not at all, whenever the worker dies. What was
// there lies beside it meanwhile, under the job's name. Blocks. Not here: what is written (override_step.cpp).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace rebottle::worker::docker {

// What a file holds; nothing where there is none. A link, or what can be no Dockerfile, is an error.
struct Held {
  std::optional<std::string> content;
  std::string error;  // "is a link"
};
[[nodiscard]] Held held_by(const std::filesystem::path& path);

class OverrideFile {
 public:
  OverrideFile(std::filesystem::path path, std::string_view job_key);

  // Where what was there before is kept.
  [[nodiscard]] const std::filesystem::path& kept() const { return kept_; }
  // Whether an attempt that was broken off left something beside the file.
  [[nodiscard]] bool has_new() const;
  [[nodiscard]] bool has_kept() const;

  // Both return what went wrong, empty if nothing. Can be repeated.
  // The file holds `content` afterwards, or is gone; it gets mode and, as far as possible, owner of what it replaces.
  [[nodiscard]] std::string replace(const std::optional<std::string>& content) const;
  // `replaced`: the file holds what replace() put there. `was_there`: there was one before.
  [[nodiscard]] std::string put_back(bool replaced, bool was_there) const;

 private:
  [[nodiscard]] std::string keep() const;
  [[nodiscard]] std::string write_new(const std::string& content) const;
  [[nodiscard]] std::string sync() const;

  std::filesystem::path path_;
  std::filesystem::path kept_;
  std::filesystem::path new_;
};

}  // namespace rebottle::worker::docker
