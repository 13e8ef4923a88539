// The folder and its helpers. Not here: what tests expect.
#include "tests/smolmachines/smolmachines_case.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include <sys/stat.h>
#include <unistd.h>

#include "schema/args.hpp"
#include "tests/support/run.hpp"
#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/smolmachines_backend.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::tests {

using worker::at;
using worker::text;
using worker::smolmachines::Call;
using worker::smolmachines::Program;

namespace {

constexpr std::array<std::string_view, 5> mutating = {"create", "start", "stop", "exec", "delete"};

std::filesystem::path new_folder() {
  std::string name = std::filesystem::temp_directory_path() / "rebottle-smolmachines-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  return name;
}

void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

SmolmachinesCase::SmolmachinesCase() : folder_(new_folder()) {
  for (const auto* name : {"state", "state/fake", "specs", "images", "direct"})
    std::filesystem::create_directory(folder_ / name);
  write(folder_ / "kvm", "");
  ::chmod((folder_ / "kvm").c_str(), 0666);
  config_.enabled = true;
  config_.engine = FAKE_SMOLVM;
  config_.engine_state_dir = folder_ / "state";
  config_.kvm = folder_ / "kvm";
  config_.spec_dir = folder_ / "specs";
  config_.import_dirs = {folder_ / "images"};
  config_.work_dir = folder_ / "work";
  config_.stop_timeout_s = 5;
  config_.stable_s = 0;
  config_.start_timeout_s = 60;
  config_.call_timeout_s = 60;
  config_.exec_timeout_s = 60;
  config_.verify_timeout_s = 60;
  direct_ = std::make_unique<Calls>(config_.engine, config_.engine_state_dir, folder_ / "direct",
                                    worker::smolmachines::child_environment(60));
  backend_ = backend();
}

SmolmachinesCase::~SmolmachinesCase() {
  release();
  spoil({});
  for (const auto& name : machines()) smolvm({"machine", "delete", "--force", "--name", name});
  if (HasFailure())
    std::cerr << "kept: " << folder_ << "\n";
  else
    std::filesystem::remove_all(folder_);
}

Answer SmolmachinesCase::smolvm(std::vector<std::string> words) {
  Call call;
  call.words = std::move(words);
  call.deadline = std::chrono::seconds(60);
  return run(io_, direct_->run(std::move(call)));
}

void SmolmachinesCase::make_bottle(const std::string& slug) {
  make_image("old.tar");
  const json spec = {{"cpus", 1}, {"mem", 256}, {"env", {"WHO=agent", "EMPTY="}}, {"port", {"18080:80"}}};
  write_spec(slug, spec);
  const auto made =
      smolvm({"machine", "create", "--name", slug, "--image", folder_ / "images/old.tar", "--cpus", "1", "--mem", "256",
              "--env", "WHO=agent", "--env", "EMPTY=", "--port", "18080:80", "--label", "owner=somebody"});
  ASSERT_TRUE(made.succeeded()) << made.error;
  const auto started = smolvm({"machine", "start", "--name", slug});
  ASSERT_TRUE(started.succeeded()) << started.error;
  ASSERT_EQ(in_machine(slug, "echo keep > /home/agent/notes; sync"), "");
  forget_calls();
}

json SmolmachinesCase::machine(const std::string& name) {
  const auto listed = json::parse(smolvm({"machine", "ls", "--json"}).output, nullptr, false);
  for (const auto& row : listed)
    if (text(at(row, "name")) == name) return row;
  return nullptr;
}

std::vector<std::string> SmolmachinesCase::machines() {
  std::vector<std::string> out;
  for (const auto& row : json::parse(smolvm({"machine", "ls", "--json"}).output, nullptr, false))
    out.push_back(text(at(row, "name")));
  return out;
}

std::string SmolmachinesCase::state(const std::string& name) {
  const auto row = machine(name);
  return row.is_null() ? "gone" : text(at(row, "state"));
}

std::string SmolmachinesCase::in_machine(const std::string& name, const std::string& command) {
  const auto answer = smolvm({"machine", "exec", "--name", name, "--", "/bin/sh", "-c", command});
  if (answer.succeeded()) return answer.output;
  return answer.output + answer.error + " (code " + std::to_string(answer.exit_code) + ")";
}

void SmolmachinesCase::write_spec(const std::string& slug, const json& spec) {
  write(config_.spec_dir / (slug + ".json"), spec.dump());
}

std::string SmolmachinesCase::make_image(const std::string& file, const std::string& workload) {
  Program program;
  program.argv = {MAKE_IMAGE, folder_ / "images" / file};
  if (!workload.empty()) program.argv.push_back(workload);
  program.environment = {"PATH=/usr/bin:/bin"};
  worker::smolmachines::ChildProcess child(program, [](const auto&) { return true; });
  run(io_, child.wait(std::chrono::seconds(60)));
  EXPECT_EQ(child.exit_code(), 0) << child.errors();
  return worker::sha256_hex(worker::read_file(folder_ / "images" / file));
}

void SmolmachinesCase::spoil(const std::vector<json>& faults) {
  write(folder_ / "state/fake/faults.json", json(faults).dump());
}
void SmolmachinesCase::release() { write(folder_ / "state/fake/release", ""); }
void SmolmachinesCase::forget_calls() { std::filesystem::remove(folder_ / "state/fake/calls.jsonl"); }

std::vector<std::string> SmolmachinesCase::calls(bool mutating_only) {
  std::vector<std::string> out;
  std::ifstream in(folder_ / "state/fake/calls.jsonl");
  for (std::string line; std::getline(in, line);) {
    const auto call = json::parse(line);
    const auto verb = text(at(call, "verb"));
    if (mutating_only && std::ranges::find(mutating, verb) == mutating.end()) continue;
    // Whether there is a shell, and how many processes: it only looks.
    if (mutating_only && line.find("count=0") != std::string::npos) continue;
    const auto name = text(at(call, "name"));
    out.push_back(name.empty() ? verb : verb + " " + name);
  }
  return out;
}

pid_t SmolmachinesCase::vmm(const std::string& name) {
  const auto place = smolvm({"machine", "data-dir", "--name", name}).output;
  std::ifstream in(place.substr(0, place.find('\n')) + "/vmm");
  pid_t pid = 0;
  in >> pid;
  return pid > 0 && worker::smolmachines::process_of(pid) ? pid : 0;
}

std::unique_ptr<Backend> SmolmachinesCase::backend() {
  return worker::smolmachines::make_smolmachines_backend(io_.get_executor(), config_, builder_());
}

worker::JobContext SmolmachinesCase::context(const json& args, std::int64_t job_id) {
  auto parsed = schema::parse_args(args.dump());
  if (const auto* fault = std::get_if<schema::ArgsError>(&parsed))
    throw std::runtime_error(fault->field + ": " + fault->message);
  worker::JobContext out;
  out.job_id = job_id;
  out.job_key = instance_ + "-" + std::to_string(job_id);
  out.fence = job_id;
  out.bottle = "dev-1";
  out.target = "smolmachines:dev-1";
  out.args = std::get<schema::Args>(parsed);
  out.current = current_;
  return out;
}

json SmolmachinesCase::image_change(const std::string& workload) {
  const auto sum = make_image("new.tar", workload);
  return {{"change", {{"image", {{"file", "new.tar"}, {"sha256", sum}}}}}};
}

Performed SmolmachinesCase::carry_out(JobDriver& driver, int tries, const std::string& until) {
  Performed out;
  for (int i = 0; i < tries; ++i) {
    out = driver.run_until(until);
    const bool passing = out.outcome == Outcome::transient || out.outcome == Outcome::unreachable ||
                         (out.outcome == Outcome::unknown && out.reason_code != "stopped_by_test");
    if (!passing) break;
  }
  return out;
}

void SmolmachinesCase::remove_leftovers(JobDriver& driver, worker::State end) {
  for (const auto& leftover : backend_->leftovers(driver.context(), end)) {
    const auto removed = run(io_, backend_->remove(leftover));
    EXPECT_EQ(removed.outcome, worker::Outcome::done) << leftover.reference << removed.message;
    const auto again = run(io_, backend_->remove(leftover));
    EXPECT_EQ(again.outcome, worker::Outcome::done) << "a second time: " << again.message;
  }
}

std::vector<std::string> SmolmachinesCase::files_left() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(config_.work_dir))
    if (entry.is_regular_file() && entry.path().parent_path().filename() != "calls")
      out.push_back(entry.path().lexically_relative(config_.work_dir).string());
  std::ranges::sort(out);
  return out;
}

}  // namespace rebottle::tests
