// Runs the CLI in this process against a real database in a temporary folder, with a clock moved by hand and a
// service that is played by the test through JobStore. Not here: the real service.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "schema/job_store.hpp"
#include "schema/service_lock.hpp"
#include "statemachine/machine.hpp"

namespace rebottle::tools {

struct Ran {
  int exit = -1;
  std::string out;
  std::string err;
};

// Far ahead: the database's guards compare with the real clock, and a test must not expire.
constexpr schema::Milliseconds t0 = 4'004'499'600'000;  // 2096-11-23T09:00:00Z

class CliTest : public ::testing::Test {
 protected:
  CliTest();
  ~CliTest() override;

  [[nodiscard]] std::filesystem::path directory() const { return directory_; }
  [[nodiscard]] std::filesystem::path database() const { return directory_ / "rebottle.db"; }
  std::filesystem::path write_file(const std::string& name, const std::string& text) const;

  // With --db; `run_bare` leaves that out.
  Ran run(std::vector<std::string> arguments, const std::string& input = {});
  Ran run_bare(const std::vector<std::string>& arguments, const std::string& input = {});

  // The service's side of the database.
  schema::JobStore& store();
  void start_service();
  void stop_service();

  // Inserts by plain SQL as any producer may, at now_; returns the job's id.
  struct Wish {
    std::string approval_id;
    std::string bottle = "dev-1";
    std::string backend = "docker";
    std::string args = R"({"change":{"dockerfile":"FROM current\nRUN true\n"}})";
    std::string by = "alice";
    std::string justification = {};
    schema::Milliseconds scheduled_at = 0;
  };
  std::int64_t insert(const Wish& wish);
  // That many approvals in one statement, each on a bottle of its own.
  void insert_many(int count);

  schema::Job claim(std::int64_t job_id);
  // Moves a claimed job by these events; the last one gets the texts.
  schema::Job drive(std::int64_t job_id, const std::vector<statemachine::Event>& events,
                    const std::string& reason_code = {}, const std::string& message = {},
                    const std::string& detail = {});
  schema::Job succeed(std::int64_t job_id);

  schema::Milliseconds now_ = t0;
  bool tty_ = false;
  int width_ = 0;
  std::map<std::string, std::string> variables_;
  std::filesystem::path system_directory_;
  std::function<bool()> on_pause_;           // whenever the CLI waits; false: as if Ctrl-C was pressed
  std::function<std::string()> out_so_far_;  // what the running CLI has printed

 private:
  std::filesystem::path directory_;
  std::unique_ptr<schema::JobStore> store_;
  std::unique_ptr<schema::OperatorStore> reader_;  // to look ids up
  std::optional<schema::ServiceLock> lock_;
  std::int64_t epoch_id_ = 0;
  std::chrono::milliseconds monotonic_{0};
};

// Compares with tests/golden/tools/<name>; REBOTTLE_UPDATE_GOLDEN=1 writes the file instead.
void expect_golden(const std::string& name, const std::string& text);

// A file of this repository.
[[nodiscard]] std::string repository_file(const std::string& path);

}  // namespace rebottle::tools
