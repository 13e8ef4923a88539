// The fixture's loop. Not here: expectations; tests state those.
#include "tests/support/service_fixture.hpp"

#include <stdlib.h>

#include <chrono>
#include <cstdlib>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include "worker/engine/failpoint.hpp"
#include "worker/engine/log.hpp"

namespace rebottle::test {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds patience{45'000};  // a loaded machine is no failure
constexpr milliseconds unseen{40};        // longer than the store thread needs to see another process's commit
constexpr milliseconds quiet{3};          // longer than a coroutine needs to reach the store thread

std::filesystem::path make_directory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "rebottle-engine-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  return pattern;
}

worker::Milliseconds wall_now() { return worker::SystemClock().now(); }

}  // namespace

ServiceFixture::ServiceFixture()
    : directory_(make_directory()), database_(directory_ / "rebottle.db"), clock_(wall_now()) {
  config_.service.db = database_;
  // REBOTTLE_TEST_LOG=debug shows what the service says.
  const char* level = std::getenv("REBOTTLE_TEST_LOG");
  worker::log::configure({worker::log::level_from(level ? level : "error").value_or(worker::log::Level::error), false});
  worker::failpoint::set_hook([this](const std::string& place) { return reach(place); });
}

ServiceFixture::~ServiceFixture() {
  discard();
  operator_.reset();
  worker::failpoint::set_hook({});
  std::error_code ignored;
  if (!HasFailure()) std::filesystem::remove_all(directory_, ignored);
}

bool ServiceFixture::reach(const std::string& place) {
  reached_.push_back(place);
  if (crash_at_ == 0 || reached_.size() != crash_at_) return false;
  crashed_ = true;
  io_->stop();
  return true;
}

void ServiceFixture::start() {
  discard();
  exit_code_.reset();
  crashed_ = false;
  io_ = std::make_unique<boost::asio::io_context>(1);
  schema::Epoch process;
  process.boot_id = boot_id_;
  process.pid = 1;
  process.process_start = "1";
  process.nonce = "nonce";
  process.host = "host";
  process.version = "test";
  process.started_at = clock_.now();
  std::vector<std::unique_ptr<worker::Backend>> backends;
  backends.push_back(std::make_unique<ScriptedBackend>(world_, backend_name_));
  for (auto& [name, world] : others_) backends.push_back(std::make_unique<ScriptedBackend>(world, name));
  store_faults_.transactions = 0;
  auto opened = schema::JobStore::open(database_, {});
  process.epoch_id = opened->begin_epoch(process);
  auto store = std::make_unique<FaultyStore>(std::move(opened), store_faults_);
  service_ = std::make_unique<worker::Service>(io_->get_executor(), clock_, config_, process, std::move(store),
                                               worker::Backends(std::move(backends), known_));
  boost::asio::co_spawn(*io_, service_->run(),
                        [this](const std::exception_ptr& error, int code) { exit_code_ = error ? -1 : code; });
  if (!operator_) operator_ = schema::OperatorStore::open(database_);
}

// First the database thread, then the coroutines with all they hold, then what they refer to.
void ServiceFixture::discard() {
  if (!service_) return;
  io_->stop();
  service_->close_store();
  io_.reset();
  service_.reset();
}

void ServiceFixture::crash() { discard(); }

void ServiceFixture::reboot() { boot_id_ += "+"; }

int ServiceFixture::stop() {
  service_->stop();
  run_until([this] { return exit_code_.has_value(); }, "the service's end");
  const int code = exit_code_.value_or(-2);
  discard();
  return code;
}

std::int64_t ServiceFixture::approve(const std::string& bottle, const std::function<void(schema::Approval&)>& change) {
  schema::Approval approval;
  approval.approval_id = "approval-" + std::to_string(++approvals_);
  approval.kind = "capability_block";
  approval.backend = "docker";
  approval.bottle = bottle;
  approval.args = R"({"change":{"dockerfile":"FROM current\n"}})";
  approval.approved_by = "alice";
  if (change) change(approval);
  written_at_ = steady_clock::now();
  const auto made = operator_->enqueue(approval);
  if (made.has_error()) throw std::runtime_error(made.error().message());
  return made->job_id;
}

std::int64_t ServiceFixture::request(const std::string& kind, std::int64_t job_id, const std::string& args) {
  schema::Request wish;
  wish.kind = kind;
  wish.job_id = job_id;
  wish.args = args;
  wish.requested_by = "bob";
  written_at_ = steady_clock::now();
  return operator_->request(wish);
}

std::int64_t ServiceFixture::request_on(const std::string& kind, const std::string& backend, const std::string& bottle,
                                        const std::string& args) {
  schema::Request wish;
  wish.kind = kind;
  wish.backend = backend;
  wish.bottle = bottle;
  wish.args = args;
  wish.requested_by = "bob";
  written_at_ = steady_clock::now();
  return operator_->request(wish);
}

bool ServiceFixture::run_until(const std::function<bool()>& done, const std::string& what) {
  const auto deadline = steady_clock::now() + patience;
  auto busy_at = steady_clock::now();
  const auto idle_for = [&] { return steady_clock::now() - std::max(busy_at, written_at_ + (unseen - quiet)); };
  while (!done()) {
    if (crashed_) return false;
    const auto now = steady_clock::now();
    if (now > deadline) {
      ADD_FAILURE() << "gave up waiting for " << what << "; files kept in " << directory_;
      return false;
    }
    io_->restart();
    const auto ran = io_->run_one_for(milliseconds(2));
    if (ran > 0 || service_->store_busy()) busy_at = steady_clock::now();
    if (idle_for() < quiet || !clock_moves_) continue;
    if (const auto next = clock_.next()) clock_.advance_to(*next);
    busy_at = steady_clock::now();
  }
  return true;
}

void ServiceFixture::settle() {
  const bool moves = std::exchange(clock_moves_, false);
  const auto deadline = steady_clock::now() + patience;
  auto busy_at = steady_clock::now();
  while (steady_clock::now() - busy_at < unseen && steady_clock::now() < deadline) {
    io_->restart();
    const auto ran = io_->run_one_for(milliseconds(2));
    if (ran > 0 || service_->store_busy()) busy_at = steady_clock::now();
  }
  clock_moves_ = moves;
}

bool ServiceFixture::run_to(std::int64_t job_id, State state) {
  return run_until([&] { return job(job_id).state == state; },
                   "job " + std::to_string(job_id) + " in state " + std::string(to_string(state)));
}

bool ServiceFixture::run_to_end(std::int64_t job_id) {
  return run_until(
      [&] {
        const auto state = job(job_id).state;
        return statemachine::is_final(state) || state == State::needs_attention;
      },
      "the end of job " + std::to_string(job_id));
}

schema::Request ServiceFixture::answered(std::int64_t request_id) {
  run_until([&] { return !operator_->request_answer(request_id)->outcome.empty(); },
            "the answer to request " + std::to_string(request_id));
  return *operator_->request_answer(request_id);
}

schema::Job ServiceFixture::job(std::int64_t job_id) {
  const auto found = operator_->job(job_id);
  if (!found) throw std::runtime_error("no job " + std::to_string(job_id));
  return *found;
}

std::vector<std::string> ServiceFixture::events(std::int64_t job_id) {
  std::vector<std::string> events;
  for (const auto& row : operator_->history(job_id, 0))
    if (statemachine::event_from(row.event)) events.push_back(row.event + ":" + row.to_state);
  return events;
}

std::string ServiceFixture::history_fault(std::int64_t job_id) {
  std::int64_t seq = 0;
  std::string state;
  for (const auto& row : operator_->history(job_id, 0)) {
    if (row.seq != ++seq) return "a gap before " + std::to_string(row.seq);
    if (row.from_state != state) return "row " + std::to_string(seq) + " does not follow from the one before";
    state = row.to_state;
  }
  return state == to_string(job(job_id).state) ? "" : "the last row is not the job's state";
}

}  // namespace rebottle::test
