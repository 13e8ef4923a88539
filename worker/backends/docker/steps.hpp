// The steps' halves, one pair of functions per effect: what is true now, and do it. effect_table.cpp says which pair
// belongs to which effect. All of them may be repeated at any time. Not here: order and downtime (effect_table.cpp).
#pragma once

#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/job_view.hpp"

namespace rebottle::worker::docker {

using statemachine::Direction;

using Observe = awaitable<Observed> (*)(Engine&, const JobView&, Direction);
using Perform = awaitable<Performed> (*)(Engine&, const JobView&, Direction);

// For effects that only read: done once it is recorded.
[[nodiscard]] awaitable<Observed> observe_recorded_admit(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_record(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_recorded_verify_new(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_recorded_verify_old(Engine& engine, const JobView& job, Direction direction);

// admission.cpp
[[nodiscard]] awaitable<Performed> perform_admit(Engine& engine, const JobView& job, Direction direction);
// record_step.cpp
[[nodiscard]] awaitable<Performed> perform_record(Engine& engine, const JobView& job, Direction direction);

// image_steps.cpp
[[nodiscard]] awaitable<Observed> observe_pin_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_pin_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_build_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_build_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_import_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_import_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_resolve_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_resolve_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_tag_current(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_tag_current(Engine& engine, const JobView& job, Direction direction);

// override_step.cpp
[[nodiscard]] awaitable<Observed> observe_write_override(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_write_override(Engine& engine, const JobView& job, Direction direction);

// create_steps.cpp
[[nodiscard]] awaitable<Observed> observe_create_new(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_create_new(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_connect_networks(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_connect_networks(Engine& engine, const JobView& job, Direction direction);

// switch_steps.cpp
[[nodiscard]] awaitable<Observed> observe_disarm(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_disarm(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_stop_old(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_stop_old(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_park_old(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_park_old(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_take_name(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_take_name(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_start_new(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_start_new(Engine& engine, const JobView& job, Direction direction);

// path_steps.cpp
[[nodiscard]] awaitable<Observed> observe_save_paths(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_save_paths(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_restore_paths(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_restore_paths(Engine& engine, const JobView& job, Direction direction);

// verify_steps.cpp
[[nodiscard]] awaitable<Performed> perform_verify_new(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_verify_old(Engine& engine, const JobView& job, Direction direction);

// The member's new container, seen by its id and proved to be this job's own; `wrong` is set when it is not.
struct OwnContainer {
  Seen seen;
  Performed wrong;  // of use unless seen.here()
};
[[nodiscard]] awaitable<OwnContainer> see_new(Engine& engine, const JobView& job);
// A permanent failure of a container that does not work, with the engine's evidence and its last words.
[[nodiscard]] awaitable<Performed> broken(Engine& engine, std::string reason, std::string message, json container);
// The reason for touching nothing: the thing carries a higher fence than ours.
[[nodiscard]] bool overtaken(const json& labels, const JobView& job);

}  // namespace rebottle::worker::docker
