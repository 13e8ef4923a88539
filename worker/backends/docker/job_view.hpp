// One job as the steps see it, from the side of one member of the bottle: its context, the names that follow from
// it, and its facts by meaning.
// Not here: where facts come from (the steps' results).
#pragma once

#include <string>
#include <string_view>
#include <vector>

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
inline constexpr std::string_view write_override = "write_override";
inline constexpr std::string_view tag_current = "tag_current";
inline constexpr std::string_view verify_old = "verify_old";
}  // namespace effect

// An effect on a member other than the agent carries the member's name: "create_new:proxy".
[[nodiscard]] std::string effect_name(std::string_view effect, std::string_view member);
[[nodiscard]] std::string_view effect_of(std::string_view effect_name);
[[nodiscard]] std::string_view member_of(std::string_view effect_name);

class JobView {
 public:
  // Refers to `config` and `context`. `member` is empty for the agent, else the name of a container that is recreated
  // with it, as the admission has recorded it.
  JobView(const DockerConfig& config, const JobContext& context, std::string_view member = {});

  const JobContext& context;  // NOLINT: a view
  std::string member;
  Names names;

  [[nodiscard]] bool is_agent() const { return member.empty(); }
  // All that are recreated, in the order of their start: the agent first.
  [[nodiscard]] std::vector<std::string> members() const;
  [[nodiscard]] JobView of(std::string_view other_member) const { return {config_, context, other_member}; }

  [[nodiscard]] bool has_fact(std::string_view effect) const;
  [[nodiscard]] const json& fact(std::string_view effect) const;  // null when the effect is not closed
  // Of the effect on this member.
  [[nodiscard]] const json& own_fact(std::string_view effect) const { return fact(effect_name(effect, member)); }

  // The member's baseline, recorded by the admission.
  [[nodiscard]] const json& baseline() const;
  [[nodiscard]] std::string old_id() const;
  [[nodiscard]] std::string old_image() const;
  [[nodiscard]] bool was_running() const;

  // An undo puts back what the job that it undoes has parked, instead of making anything.
  [[nodiscard]] bool undoes() const { return context.undoes.has_value(); }
  // What the member that is put in place must be like: what was there before the change that is undone, else the
  // member's own baseline.
  [[nodiscard]] const json& model() const;
  // The undone job as it saw itself.
  [[nodiscard]] JobContext undone() const;
  // The agent is started whatever it was, since a change is proved by running it.
  [[nodiscard]] bool is_started() const;
  // What comes in is what it was; it need not be healthier, either.
  [[nodiscard]] bool is_unchanged() const { return undoes() || !is_agent(); }

  [[nodiscard]] std::string new_id() const;
  [[nodiscard]] std::string new_image() const;        // the agent's: of the image that was built, loaded or resolved
  [[nodiscard]] std::string image_reference() const;  // what the new container is made from
  [[nodiscard]] bool builds() const;                  // a Dockerfile or commands
  [[nodiscard]] bool imports() const;                 // an image file
  [[nodiscard]] bool resolves() const;                // an image by its name
  [[nodiscard]] std::string dockerfile() const;       // as approved or generated, "current" not yet put in
  [[nodiscard]] EngineKind engine() const { return config_.engine; }
  [[nodiscard]] std::filesystem::path keep_dir() const;  // for the snapshot's files of this job

 private:
  const DockerConfig& config_;
};

// The name of a bottle's container by configuration alone; empty where a label decides.
[[nodiscard]] std::string container_by_name(const DockerConfig& config, std::string_view bottle);

}  // namespace rebottle::worker::docker
