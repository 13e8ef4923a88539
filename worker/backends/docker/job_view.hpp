// One job as the steps see it: its context, the names that follow from it, and its facts by meaning.
// Not here: where facts come from (the steps' results).
#pragma once

#include <string>
#include <string_view>

#include "worker/backends/backend.hpp"
#include "worker/backends/docker/docker_config.hpp"
#include "worker/backends/docker/names.hpp"

namespace rebottle::worker::docker {

// The effects by name; journal rows and facts carry these.
namespace effect {
inline constexpr std::string_view admit = "admit";
inline constexpr std::string_view pin_image = "pin_image";
inline constexpr std::string_view build_image = "build_image";
inline constexpr std::string_view import_image = "import_image";
inline constexpr std::string_view resolve_image = "resolve_image";
inline constexpr std::string_view create_new = "create_new";
inline constexpr std::string_view connect_networks = "connect_networks";
inline constexpr std::string_view record = "record";
inline constexpr std::string_view disarm = "disarm";
inline constexpr std::string_view stop_old = "stop_old";
inline constexpr std::string_view save_paths = "save_paths";
inline constexpr std::string_view park_old = "park_old";
inline constexpr std::string_view take_name = "take_name";
inline constexpr std::string_view restore_paths = "restore_paths";
inline constexpr std::string_view start_new = "start_new";
inline constexpr std::string_view verify_new = "verify_new";
inline constexpr std::string_view tag_current = "tag_current";
inline constexpr std::string_view verify_old = "verify_old";
}  // namespace effect

class JobView {
 public:
  // Refers to both arguments.
  JobView(const DockerConfig& config, const JobContext& context);

  const JobContext& context;  // NOLINT: a view
  Names names;

  [[nodiscard]] bool has_fact(std::string_view effect) const;
  [[nodiscard]] const json& fact(std::string_view effect) const;  // null when the effect is not closed

  // The baseline, recorded by the admission.
  [[nodiscard]] const json& baseline() const { return fact(effect::admit); }
  [[nodiscard]] std::string old_id() const;
  [[nodiscard]] std::string old_image() const;
  [[nodiscard]] bool was_running() const;

  [[nodiscard]] std::string new_id() const;
  [[nodiscard]] std::string new_image() const;           // the id of the image that was built or resolved
  [[nodiscard]] std::string image_reference() const;     // what the new container is made from
  [[nodiscard]] bool builds() const;                     // a Dockerfile or commands
  [[nodiscard]] bool imports() const;                    // an image file; else an image is resolved
  [[nodiscard]] std::string dockerfile() const;          // as approved or generated, "current" not yet put in
  [[nodiscard]] std::filesystem::path keep_dir() const;  // for the snapshot's files of this job

 private:
  const DockerConfig& config_;
};

// The name of a bottle's container by configuration alone; empty where a label decides.
[[nodiscard]] std::string container_by_name(const DockerConfig& config, std::string_view bottle);

}  // namespace rebottle::worker::docker
