// A whole service on a real database file, a scripted world and a clock moved by hand; it can be killed and started
// again on the same file and world. Not here: processes and signals (tests/functional).
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include "schema/operator_store.hpp"
#include "tests/support/faulty_store.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/scripted_backend.hpp"
#include "worker/engine/service.hpp"

namespace rebottle::test {

using statemachine::State;

class ServiceFixture : public ::testing::Test {
 protected:
  ServiceFixture();
  ~ServiceFixture() override;

  void start();
  // As by kill -9: nothing is said, nothing is recorded, no coroutine goes on.
  void crash();
  // As by SIGTERM; returns the exit code.
  int stop();
  void reboot();  // what starts next runs after a reboot of the host

  // Inserts an approval as a dashboard would; returns the job's number.
  std::int64_t approve(const std::string& bottle, const std::function<void(schema::Approval&)>& change = {});
  std::int64_t request(const std::string& kind, std::int64_t job_id, const std::string& args = "{}");
  std::int64_t request_on(const std::string& kind, const std::string& backend, const std::string& bottle,
                          const std::string& args);

  // Lets the service work, and moves the clock when it only waits, until `done`; fails the test after ten seconds of
  // real time. False if it failed.
  bool run_until(const std::function<bool()>& done, const std::string& what);
  bool run_to(std::int64_t job_id, State state);
  bool run_to_end(std::int64_t job_id);  // a final state or needs_attention
  schema::Request answered(std::int64_t request_id);
  // Lets the service work without moving the clock, until nothing happens any more.
  void settle();

  [[nodiscard]] schema::Job job(std::int64_t job_id);
  [[nodiscard]] std::vector<std::string> events(std::int64_t job_id);  // "step_done:apply", … transitions only
  [[nodiscard]] std::string history_fault(std::int64_t job_id);        // empty if the history has no gap

  std::filesystem::path directory_;
  std::filesystem::path database_;
  ScriptedWorld world_;
  std::map<std::string, ScriptedWorld> others_;  // further backends by name
  StoreFaults store_faults_;                     // read by the store thread: set it before start()
  ManualClock clock_;
  worker::Config config_;
  bool clock_moves_ = true;  // by itself, when all wait
  std::string backend_name_ = "docker";
  std::vector<std::string> known_{"docker", "podman", "smolmachines", "null"};

  std::unique_ptr<boost::asio::io_context> io_;
  std::unique_ptr<worker::Service> service_;
  std::unique_ptr<schema::OperatorStore> operator_;
  std::optional<int> exit_code_;
  std::vector<std::string> reached_;  // failpoints, in order
  std::size_t crash_at_ = 0;          // stop for ever at the n-th of them; 0: never
  bool crashed_ = false;

 private:
  bool reach(const std::string& place);
  void discard();

  std::string boot_id_ = "boot-1";
  int approvals_ = 0;
  std::chrono::steady_clock::time_point written_at_;  // by us, as another process
};

}  // namespace rebottle::test
