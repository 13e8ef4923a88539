// The steps' halves, one pair of functions per effect: what is true now, and do it. effect_table.cpp says which pair
// belongs to which effect. All of them may be repeated at any time. Not here: order and downtime (effect_table.cpp).
#pragma once

#include "worker/backends/smolmachines/engine.hpp"
#include "worker/backends/smolmachines/job_view.hpp"

namespace rebottle::worker::smolmachines {

using Observe = awaitable<Observed> (*)(Engine&, const JobView&, Direction);
using Perform = awaitable<Performed> (*)(Engine&, const JobView&, Direction);

// For effects that only read: done once it is recorded.
[[nodiscard]] awaitable<Observed> observe_admit(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_record(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_verify_new(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_verify_old(Engine& engine, const JobView& job, Direction direction);

// admission.cpp
[[nodiscard]] awaitable<Performed> perform_admit(Engine& engine, const JobView& job, Direction direction);
// record_step.cpp
[[nodiscard]] awaitable<Performed> perform_record(Engine& engine, const JobView& job, Direction direction);

// image_steps.cpp
[[nodiscard]] awaitable<Performed> perform_import_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_current(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_provide_current(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_made_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_make_image(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_image_file(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_export_image(Engine& engine, const JobView& job, Direction direction);

// create_step.cpp
[[nodiscard]] awaitable<Observed> observe_create_new(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_create_new(Engine& engine, const JobView& job, Direction direction);

// path_steps.cpp
[[nodiscard]] awaitable<Observed> observe_save_paths(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_save_paths(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_restore_paths(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_restore_paths(Engine& engine, const JobView& job, Direction direction);

// switch_steps.cpp
[[nodiscard]] awaitable<Observed> observe_stop_old(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_stop_old(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Observed> observe_start(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_start(Engine& engine, const JobView& job, Direction direction);

// disk_steps.cpp
[[nodiscard]] awaitable<Observed> observe_copy_disks(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_copy_disks(Engine& engine, const JobView& job, Direction direction);

// command_step.cpp
[[nodiscard]] awaitable<Observed> observe_run_commands(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_run_commands(Engine& engine, const JobView& job, Direction direction);

// verify_steps.cpp
[[nodiscard]] awaitable<Performed> perform_verify_new(Engine& engine, const JobView& job, Direction direction);
[[nodiscard]] awaitable<Performed> perform_verify_old(Engine& engine, const JobView& job, Direction direction);

// Stops the machine until nothing of it runs, and has no process of it that could write to its disks. switch_steps.cpp
[[nodiscard]] awaitable<Performed> bring_down(Engine& engine, std::string name, int timeout_s);
// Starts the machine, but only beside an `other` one that is proved to be down (or is the same).
[[nodiscard]] awaitable<Performed> bring_up(Engine& engine, std::string name, std::string other);

// Work on another thread; returns what it returns.
[[nodiscard]] awaitable<std::string> on_thread(boost::asio::thread_pool& thread, std::function<std::string()> work);
// Work on the disk thread; the logic thread goes on meanwhile. Returns what it returns: what went wrong.
[[nodiscard]] awaitable<std::string> on_disk(Engine& engine, std::function<std::string()> work);
// The engine's table is not durable by itself: without this a power cut takes it back to what it was.
[[nodiscard]] awaitable<Performed> sync_engine_files(Engine& engine);
// A whole small file, made durable. Returns what went wrong, empty if nothing.
[[nodiscard]] awaitable<std::string> write_file(Engine& engine, std::filesystem::path path, std::string content);

[[nodiscard]] inline Observed seen_as(World world, std::string detail = {}) {
  return {world, json::object(), std::move(detail)};
}

}  // namespace rebottle::worker::smolmachines
