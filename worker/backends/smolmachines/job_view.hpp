// One job as the steps see it: its context, the names and places that follow from it, and its facts by meaning.
// Not here: where facts come from (the steps' results).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "worker/backends/image_builder.hpp"
#include "worker/backends/smolmachines/names.hpp"
#include "worker/backends/smolmachines/smolmachines_config.hpp"

namespace rebottle::worker::smolmachines {

// The effects by name; journal rows and facts carry these.
namespace effect {
inline constexpr std::string_view admit = "admit";
inline constexpr std::string_view import_image = "import_image";
using build_effect::build_image;
using build_effect::export_image;
using build_effect::provide_current;
using build_effect::resolve_image;
inline constexpr std::string_view create_new = "create_new";
inline constexpr std::string_view record = "record";
inline constexpr std::string_view save_paths = "save_paths";
inline constexpr std::string_view stop_old = "stop_old";
inline constexpr std::string_view copy_disks = "copy_disks";
inline constexpr std::string_view start_new = "start_new";
inline constexpr std::string_view start_again = "start_again";
inline constexpr std::string_view restore_paths = "restore_paths";
inline constexpr std::string_view run_commands = "run_commands";
inline constexpr std::string_view verify_new = "verify_new";
inline constexpr std::string_view verify_old = "verify_old";
}  // namespace effect

// Inside a machine: the directory of all marks.
inline constexpr std::string_view mark_root = "/var/lib/rebottle";

// The bottle's machine before our first change, by configuration alone.
[[nodiscard]] std::string base_name(const SmolmachinesConfig& config, std::string_view bottle);

class JobView {
 public:
  // Refers to all arguments; without a builder there is none.
  JobView(const SmolmachinesConfig& config, const JobContext& job, const ImageBuilder* images = nullptr)
      : context(job), builder(images), config_(config) {}

  const JobContext& context;    // NOLINT: a view
  const ImageBuilder* builder;  // NOLINT

  [[nodiscard]] bool has_fact(std::string_view effect) const { return context.facts.contains(std::string(effect)); }
  [[nodiscard]] const json& fact(std::string_view effect) const;  // null when the effect is not closed
  // The baseline, recorded by the admission.
  [[nodiscard]] const json& baseline() const { return fact(effect::admit); }

  // Whether the change is a new machine beside the old one; else it is made inside the same machine.
  [[nodiscard]] bool makes_machine() const;
  [[nodiscard]] bool builds() const;    // by a Dockerfile
  [[nodiscard]] bool resolves() const;  // by a reference
  [[nodiscard]] bool needs_builder() const { return builds() || resolves(); }
  [[nodiscard]] bool needs_current() const;          // a Dockerfile that begins at the present image
  [[nodiscard]] PresentImage present_image() const;  // as admitted
  [[nodiscard]] std::string built_image() const;     // the builder's id of the image that was built or resolved
  [[nodiscard]] const json& image_fact() const;      // of the archive: {file, bytes, sha256}
  [[nodiscard]] std::string base() const;            // machines of the bottle are called so, or so and a revision
  [[nodiscard]] std::string old_machine() const;     // as admitted; before that, as recorded or configured
  [[nodiscard]] std::string new_machine() const;     // the same one where none is made; empty before the admission
  [[nodiscard]] std::int64_t new_rev() const;
  [[nodiscard]] bool was_running() const;
  [[nodiscard]] int stop_timeout_s() const;
  [[nodiscard]] std::int64_t snapshot_max_bytes() const;

  // Places below the work directory.
  [[nodiscard]] std::filesystem::path image_dir() const;  // of this job's image
  [[nodiscard]] std::filesystem::path image_file() const { return image_dir() / "image.tar"; }
  // Of the settings of the one machine that a job made. A machine's name is given again when it is free; a job's never.
  [[nodiscard]] std::filesystem::path spec_file(std::string_view job_key) const;
  [[nodiscard]] std::filesystem::path disk_dir() const;  // of this job's copies
  [[nodiscard]] std::filesystem::path path_dir() const;  // of this job's saved paths
  // Inside the machine: where the commands leave their marks. Part of it is drawn by the admission, so that nothing in
  // the machine can have prepared it.
  [[nodiscard]] std::string mark_dir() const;

 private:
  const SmolmachinesConfig& config_;
};

}  // namespace rebottle::worker::smolmachines
