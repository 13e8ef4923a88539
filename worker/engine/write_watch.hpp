// Waits until someone may have written to the database, so that an idle service need not ask a hundred times a second.
// A hint and no more: it opens no file beside SQLite, and a commit shows later than its bytes. Not here: who wrote.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace rebottle::worker {

class WriteWatch {
 public:
  // Where inotify is refused (too many instances, a file system without it) nothing is thrown: see `hints`.
  explicit WriteWatch(const std::filesystem::path& database);
  ~WriteWatch();
  WriteWatch(const WriteWatch&) = delete;
  WriteWatch& operator=(const WriteWatch&) = delete;

  // False: writes are never reported.
  [[nodiscard]] bool hints() const { return watch_ >= 0; }
  // Returns after `wake`, after a write, or at the end of `time`. On one thread only.
  void wait(std::chrono::milliseconds time);
  // The same, but writes do not end it. Bounds what a busy database costs.
  void rest(std::chrono::milliseconds time);
  // Whether the WAL was written since the last call. On the same thread.
  [[nodiscard]] bool written();
  // Ends the wait that runs, or the next one. From any thread.
  void wake();

 private:
  void wait_on(int watch, std::chrono::milliseconds time);

  std::string wal_name_;
  int wake_ = -1;
  int watch_ = -1;
};

}  // namespace rebottle::worker
