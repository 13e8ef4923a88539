// What every step works with: configuration, calls, and the engine's verbs with their answers as values.
// Not here: decisions; how a call is carried out (calls.hpp).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "worker/backends/image_builder.hpp"
#include "worker/backends/smolmachines/calls.hpp"
#include "worker/backends/smolmachines/image_file.hpp"
#include "worker/backends/smolmachines/smolmachines_config.hpp"

namespace rebottle::worker::smolmachines {

struct Engine {
  SmolmachinesConfig config;
  Calls calls;
  std::unique_ptr<ImageBuilder> builder;  // null: nobody builds images for us
  ArchiveIndex archives{};
  boost::asio::thread_pool disk{1};     // for copies and syncs, which would hold the logic thread up
  boost::asio::thread_pool reading{1};  // for images, which would hold those up: a bottle that is down waits for them
};

// All machines of the state directory, as `machine ls --json` shows them.
struct Machines {
  bool known = false;
  json rows = json::array();
  Answer answer;                                                // of use unless `known`
  [[nodiscard]] const json& find(std::string_view name) const;  // null if there is none
};
[[nodiscard]] awaitable<Machines> list_machines(Engine& engine);
// The same, but where this one is listed as unreachable the engine is asked again, for call_timeout_s: it says so, too,
// of a machine that is too busy to answer it within 3 s.
[[nodiscard]] awaitable<Machines> list_beyond_silence(Engine& engine, std::string name);
[[nodiscard]] awaitable<Answer> ask_version(Engine& engine);

[[nodiscard]] awaitable<Answer> create_machine(Engine& engine, std::string name, std::vector<std::string> options);
[[nodiscard]] awaitable<Answer> start_machine(Engine& engine, std::string name);
// Until no virtual machine is left: twice, since a row that says stopped does not prove that none runs.
[[nodiscard]] awaitable<Answer> stop_machine(Engine& engine, std::string name, int timeout_s);
[[nodiscard]] awaitable<Answer> delete_machine(Engine& engine, std::string name);

struct Exec {
  std::string machine;
  std::vector<std::string> command;
  bool as_root = false;  // else as the machine's own user
  milliseconds timeout{0};
  std::filesystem::path input;
  bool runs_on = false;  // when this process stops; for what changes something
};
// What a command prints is kept up to a bound that is above the engine's own.
[[nodiscard]] awaitable<Answer> exec(Engine& engine, Exec request);
// Fetches a file of a running machine, up to so many bytes: what it is then is the guest's choice alone.
[[nodiscard]] awaitable<Answer> copy_out(Engine& engine, std::string machine, std::string from, std::string to,
                                         std::uint64_t bytes_max);

// How many processes run in the machine beside its init and the question itself: the workload and what it started. A
// machine runs on without them, so they are asked for. Fails for good (`shell_missing`) where nothing can be asked.
[[nodiscard]] awaitable<Performed> count_processes(Engine& engine, std::string machine);

// Where the machine's disks lie; empty, with the answer, if the engine does not say.
struct DataDir {
  std::filesystem::path path;
  Answer answer;
};
[[nodiscard]] awaitable<DataDir> data_dir_of(Engine& engine, std::string name);

// The last lines that the workload wrote, cleaned; empty if they cannot be had.
[[nodiscard]] awaitable<std::string> last_log_lines(Engine& engine, std::string name);

// Fields of a machine's row.
[[nodiscard]] std::string state_of(const json& machine);
[[nodiscard]] bool is_running(const json& machine);
// The engine's machine process is there, and nothing in the machine answers it.
[[nodiscard]] bool is_silent(const json& machine);
// Stopped as far as the engine's table knows: stopped, created, failed.
[[nodiscard]] bool is_down(const json& machine);
[[nodiscard]] std::string label_of(const json& machine, std::string_view key);

// Whether the machine is down and nothing contradicts that: no call at work on it, no process that has one of its
// disks open for writing.
enum class Rest : std::uint8_t {
  down,     // proved, as far as it can be
  running,  // or a virtual machine is still there, whatever the table says
  gone,     // there is no such machine
  unknown,  // the engine could not be asked, or a call is at work
};
struct AtRest {
  Rest rest = Rest::unknown;
  std::string detail;  // for people
  json machine;        // the row; null if gone or unknown
};
[[nodiscard]] awaitable<AtRest> look_at_rest(Engine& engine, std::string name);

// A pause that ends early only by cancellation.
[[nodiscard]] awaitable<void> pause_for(milliseconds duration);

}  // namespace rebottle::worker::smolmachines
