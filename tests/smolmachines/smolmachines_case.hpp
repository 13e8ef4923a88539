// A folder with an engine (the scripted one), a bottle in it, and short ways to ask, to spoil and to look.
// Not here: any expectation.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include "tests/support/job_driver.hpp"
#include "worker/backends/image_builder.hpp"
#include "worker/backends/smolmachines/calls.hpp"
#include "worker/backends/smolmachines/smolmachines_config.hpp"

namespace rebottle::tests {

using worker::smolmachines::Answer;
using worker::smolmachines::Calls;
using worker::smolmachines::SmolmachinesConfig;

class SmolmachinesCase : public ::testing::Test {
 protected:
  SmolmachinesCase();
  ~SmolmachinesCase() override;

  // The engine's command line, past the backend. `machine` marks calls that change it.
  Answer smolvm(std::vector<std::string> words);
  // A running machine with one mark in it, and its settings where the provisioner leaves them.
  void make_bottle(const std::string& slug = "dev-1");
  json machine(const std::string& name);  // its row; null if there is none
  std::vector<std::string> machines();
  std::string state(const std::string& name);
  // What `command` prints in the machine; with " (code N)" where it fails.
  std::string in_machine(const std::string& name, const std::string& command);
  void write_spec(const std::string& slug, const json& spec);
  std::string make_image(const std::string& file, const std::string& workload = {});  // its sha256

  // Spoils calls to come: the format of the scripted engine's faults.
  void spoil(const std::vector<json>& faults);
  void release();  // lets hanging calls go on
  void forget_calls();
  std::vector<std::string> calls(
      bool mutating_only = false);  // "start dev-1", in order; an exec mutates, but for looks
  // The first pid of a process of the machine, whatever the engine's table says; 0 if there is none.
  pid_t vmm(const std::string& name);

  std::unique_ptr<Backend> backend();  // another process of the service
  worker::JobContext context(const json& args, std::int64_t job_id = 7);
  json image_change(const std::string& workload = {});  // args.change for an image file
  // Tries as the engine does: again after what may pass. Returns how it ended, or was stopped after the effect `until`.
  Performed carry_out(JobDriver& driver, int tries = 4, const std::string& until = {});

  // What the engine does once a job is final.
  void remove_leftovers(JobDriver& driver, worker::State end);
  std::vector<std::string> files_left();  // of ours, sorted; without the records of calls, which stay

  std::filesystem::path folder_;
  SmolmachinesConfig config_;
  boost::asio::io_context io_;
  json current_ = json::object();  // what the next context is told
  std::string instance_ = "test";  // of the database, in every job's key
  std::function<std::unique_ptr<worker::ImageBuilder>()> builder_ = [] { return nullptr; };
  std::unique_ptr<Calls> direct_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace rebottle::tests
