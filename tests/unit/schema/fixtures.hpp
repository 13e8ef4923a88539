// What the tests of schema/ share: a folder of their own, a foreign connection, approvals that differ in one field.
// Not here: any expectation.
#pragma once

#include <sqlite3.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "schema/job_store.hpp"
#include "schema/operator_store.hpp"

namespace rebottle::schema::testing {

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rebottle-schema-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::filesystem::path path() const { return path_; }
  [[nodiscard]] std::filesystem::path database() const { return path_ / "rebottle.db"; }

 private:
  std::filesystem::path path_;
};

// A connection as any other program opens it: the plain C API with its default settings.
class Foreign {
 public:
  explicit Foreign(const std::filesystem::path& path) {
    if (sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(db_));
    sqlite3_busy_timeout(db_, 5000);
  }
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;
  ~Foreign() { sqlite3_close(db_); }

  [[nodiscard]] sqlite3* get() const { return db_; }

  // Empty if it worked, else SQLite's message.
  std::string refusal(const std::string& sql) {
    char* message = nullptr;
    const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &message);
    std::string text = message == nullptr ? "" : message;
    sqlite3_free(message);
    if (code != SQLITE_OK && text.empty()) text = sqlite3_errstr(code);
    return code == SQLITE_OK ? "" : text;
  }
  void run(const std::string& sql) {
    const auto text = refusal(sql);
    if (!text.empty()) throw std::runtime_error(text + " in: " + sql);
  }
  // All values of all rows, as text; NULL as "NULL".
  std::vector<std::string> values(const std::string& sql) {
    std::vector<std::string> found;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
      throw std::runtime_error(std::string(sqlite3_errmsg(db_)) + " in: " + sql);
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
      for (int column = 0; column < sqlite3_column_count(statement); ++column) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
        found.emplace_back(text == nullptr ? "NULL" : text);
      }
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE) throw std::runtime_error(std::string(sqlite3_errmsg(db_)) + " in: " + sql);
    return found;
  }
  std::string value(const std::string& sql) {
    const auto found = values(sql);
    return found.empty() ? "" : found.front();
  }

 private:
  sqlite3* db_ = nullptr;
};

inline Approval approval_of(const std::string& approval_id, const std::string& bottle = "dev-1",
                            const std::string& backend = "docker") {
  Approval approval;
  approval.approval_id = approval_id;
  approval.kind = "capability_block";
  approval.backend = backend;
  approval.bottle = bottle;
  approval.args = R"({"change":{"dockerfile":"FROM current\nRUN true\n"}})";
  approval.approved_by = "alice";
  return approval;
}

inline Epoch epoch_of(const std::string& nonce) {
  Epoch epoch;
  epoch.boot_id = "boot-1";
  epoch.pid = 4711;
  epoch.process_start = "12345";
  epoch.nonce = nonce;
  epoch.host = "testhost";
  epoch.version = "0.1.0";
  epoch.started_at = 1000;
  return epoch;
}

}  // namespace rebottle::schema::testing
