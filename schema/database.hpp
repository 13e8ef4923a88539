// One SQLite connection with the settings that all of ours share, and prepared statements used one at a time.
// Private to schema/. Not here: which statements there are (statements.hpp), and what they mean.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <SQLiteCpp/SQLiteCpp.h>

#include "schema/job_store.hpp"

namespace rebottle::schema {

// What a connection is for decides what it may do.
enum class Access : std::uint8_t {
  create,      // read and write; makes the file
  read_write,  // the file must be there
};

// How long a connection waits for other programs' locks.
class Patience {
 public:
  explicit Patience(int limit_ms) : limit_ms_(limit_ms) {}
  // Any thread; cuts a wait short that is under way.
  void hurry() noexcept {
    hurried_ = true;
    limit_ms_ = std::min(limit_ms_.load(), hurried_limit_ms);
  }
  [[nodiscard]] bool hurried() const noexcept { return hurried_; }
  // SQLite's busy handler: 0 gives up.
  static int wait(void* self, int tries);

 private:
  static constexpr int hurried_limit_ms = 1'000;
  std::atomic<int> limit_ms_;
  std::atomic<bool> hurried_ = false;
  std::chrono::steady_clock::time_point since_;  // of the present wait
};

class Connection {
 public:
  // Throws StoreError.
  Connection(const std::filesystem::path& path, Access access, int busy_timeout_ms);

  [[nodiscard]] SQLite::Database& sql() noexcept { return sql_; }
  // False once SQLite has ended the transaction by itself, as it does for some errors.
  [[nodiscard]] bool in_transaction() noexcept;
  // BEGIN IMMEDIATE, retried a few times past the busy timeout, unless hurried.
  void begin();
  void commit();
  // Never throws; does nothing outside a transaction.
  void rollback() noexcept;
  [[nodiscard]] std::int64_t number(const std::string& query);
  // WAL, durable at each commit, checkpoints by the guarded path only. The file must be known as ours.
  void set_journal();
  void hurry() noexcept { patience_->hurry(); }

 private:
  SQLite::Database sql_;
  std::unique_ptr<Patience> patience_;  // stays where SQLite knows it, wherever the connection moves
};

// Throws the StoreError that a failed call means.
[[noreturn]] void rethrow(const SQLite::Exception& error, const std::string& doing);

// One use of a prepared statement: parameters by name, rows one by one; reset when it ends, so that no read
// transaction outlives it.
class Use {
 public:
  explicit Use(SQLite::Statement& statement) : statement_(statement) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() { end(); }

  Use& bind(const char* name, std::int64_t value);
  Use& bind(const char* name, std::string_view value);
  Use& bind(const char* name, const std::string& value) { return bind(name, std::string_view(value)); }
  Use& bind(const char* name, const char* value) { return bind(name, std::string_view(value)); }
  Use& bind(const char* name, std::optional<std::int64_t> value);
  Use& bind(const char* name, const std::optional<std::string>& value);
  // NULL for an empty text.
  Use& bind_or_null(const char* name, std::string_view value);

  [[nodiscard]] bool next() { return statement_.executeStep(); }
  // Runs a statement that gives no rows; returns the number of rows that it changed.
  int run() { return statement_.exec(); }

  [[nodiscard]] std::int64_t integer(const char* column);
  [[nodiscard]] std::optional<std::int64_t> maybe_integer(const char* column);
  [[nodiscard]] std::string text(const char* column);  // empty for NULL
  [[nodiscard]] std::optional<std::string> maybe_text(const char* column);
  [[nodiscard]] bool flag(const char* column) { return integer(column) != 0; }

 private:
  void end() noexcept;
  SQLite::Statement& statement_;
};

// Runs `work`; what SQLite throws leaves as StoreError.
template <class Work>
auto translated(const std::string& doing, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const SQLite::Exception& error) {
    rethrow(error, doing);
  }
}

}  // namespace rebottle::schema
