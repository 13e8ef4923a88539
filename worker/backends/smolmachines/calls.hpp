// Calls of the engine's command line: recorded before they run, one at a time for each machine, their answers as
// values. Not here: which calls (engine.hpp), what an answer means for a job. Logic thread only.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/backend.hpp"
#include "worker/backends/smolmachines/process.hpp"

namespace rebottle::worker::smolmachines {

// What ends a call that does not end by itself.
enum class EndedBy : std::uint8_t {
  caller,    // its deadline, or that nobody waits for it any more: it only looks
  deadline,  // its deadline alone: when this process stops it goes on, and whoever comes next waits for it
  nothing,   // a start: the machine would boot on without the engine knowing
};

struct Call {
  std::vector<std::string> words;  // the arguments, --state-dir and --error-format apart
  std::string machine;             // the one that is changed or entered; empty: the call only reads the list
  milliseconds deadline{0};
  EndedBy ended_by = EndedBy::caller;
  std::filesystem::path input;
  std::size_t output_max = std::size_t{4} << 20;
  std::uint64_t file_max = 0;  // no file may become larger by it; 0: any
};

// How far a call got.
enum class Reach : std::uint8_t {
  answered,     // it ended by itself: exit code, output and error are the engine's
  not_started,  // nothing was executed
  busy,         // an earlier call still works on the machine; nothing was executed
  timeout,      // the deadline passed: the outcome is unknown, and the call may still be at work
  ended,        // something ended it by a signal: the outcome is unknown
  too_slow,     // the engine ended the command in the machine at its time
  too_long,     // more output than allowed; it was ended
};

struct Answer {
  Reach reach = Reach::not_started;
  int exit_code = 0;
  std::string output;      // as it came
  std::string error_code;  // the engine's own word: NOT_FOUND, CONFIG_ERROR, …; empty when it gave none
  std::string error;       // for people, cleaned: the engine's message, or why there is no answer
  [[nodiscard]] bool answered() const { return reach == Reach::answered; }
  [[nodiscard]] bool succeeded() const { return answered() && exit_code == 0; }
  // For exec: the exit code is the command's own, and not the engine's failure.
  [[nodiscard]] bool by_command() const { return answered() && error_code.empty(); }
};

class Calls {
 public:
  // `directory`, 0700, is where calls at work are recorded.
  Calls(std::filesystem::path engine, std::filesystem::path state_dir, std::filesystem::path directory,
        std::vector<std::string> environment);

  [[nodiscard]] awaitable<Answer> run(Call call);
  // Whether no call of ours works on the machine, waiting for one at most this long: also for one that a worker before
  // us began.
  [[nodiscard]] awaitable<bool> idle(std::string machine, milliseconds deadline);
  // For people: what is at work on the machine; empty if nothing is.
  [[nodiscard]] std::string at_work(std::string_view machine) const;
  // Makes room for the record of a call on the machine, so that no full disk can keep a later one from being made.
  // False where there is none.
  [[nodiscard]] bool make_room(std::string_view machine) const;
  // For a machine that is gone.
  void remove_room(std::string_view machine) const;

 private:
  awaitable<Answer> execute(Call call);
  [[nodiscard]] std::filesystem::path record_file(std::string_view machine) const;
  bool record(const Call& call, const ProcessId& process) const;
  void forget(const Call& call, const ProcessId& process) const;

  std::filesystem::path engine_;
  std::filesystem::path state_dir_;
  std::filesystem::path directory_;
  std::vector<std::string> environment_;
  std::string boot_id_;
};

// What an answer that is no success means for a step. `doing` names the attempt for people: "start the machine x".
[[nodiscard]] Performed failure(const Answer& answer, std::string_view doing);

// The engine's error among the lines of stderr: {code, message}, both empty if there is none.
struct EngineError {
  std::string code;
  std::string message;
};
[[nodiscard]] EngineError engine_error(std::string_view errors);

// What a child gets of our own environment: PATH and HOME, the engine's SMOLVM_* settings but not its default machine.
[[nodiscard]] std::vector<std::string> child_environment(int start_timeout_s);

}  // namespace rebottle::worker::smolmachines
