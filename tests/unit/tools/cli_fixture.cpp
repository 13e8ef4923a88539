// The plumbing of the CLI's tests.
// Not here: any test.
#include "cli_fixture.hpp"

#include <sqlite3.h>
#include <stdlib.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tools/run.hpp"

namespace rebottle::tools {
namespace {

namespace fs = std::filesystem;
using schema::JobStore;
using statemachine::Event;
using statemachine::State;

// No wait in a test lasts longer, in time of the test's clock.
constexpr std::chrono::milliseconds patience{3'600'000};

fs::path fresh_directory() {
  std::string pattern = (fs::temp_directory_path() / "rebottle-cli-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory: " + pattern);
  return pattern;
}

void run_sql(const fs::path& database, const std::string& sql, const std::vector<std::string>& texts,
             const std::vector<std::int64_t>& numbers) {
  sqlite3* connection = nullptr;
  sqlite3_stmt* statement = nullptr;
  const bool opened = sqlite3_open(database.c_str(), &connection) == SQLITE_OK &&
                      sqlite3_prepare_v2(connection, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK;
  int index = 0;
  if (opened) {
    for (const auto& text : texts)
      sqlite3_bind_text(statement, ++index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    for (const auto number : numbers) sqlite3_bind_int64(statement, ++index, number);
  }
  const bool done = opened && sqlite3_step(statement) == SQLITE_DONE;
  const std::string message = sqlite3_errmsg(connection);
  sqlite3_finalize(statement);
  sqlite3_close(connection);
  if (!done) throw std::runtime_error(message);
}

}  // namespace

CliTest::CliTest() : directory_(fresh_directory()) { system_directory_ = directory_ / "no-system"; }

CliTest::~CliTest() {
  lock_.reset();
  reader_.reset();
  store_.reset();
  // A failing test leaves its database for the reader.
  if (!HasFailure()) fs::remove_all(directory_);
}

fs::path CliTest::write_file(const std::string& name, const std::string& text) const {
  auto path = directory_ / name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

Ran CliTest::run(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), {"--db", database().string()});
  return run_bare(arguments, input);
}

Ran CliTest::run_bare(const std::vector<std::string>& arguments, const std::string& input) {
  std::ostringstream out;
  std::ostringstream err;
  std::istringstream in(input);
  out_so_far_ = [&out] { return out.str(); };
  const Environment environment{.out = out,
                                .err = err,
                                .in = in,
                                .out_is_tty = tty_,
                                .width = width_,
                                .user = "olga",
                                .system_directory = system_directory_,
                                .variable = [this](const char* name) -> std::optional<std::string> {
                                  const auto found = variables_.find(name);
                                  return found == variables_.end() ? std::nullopt : std::optional(found->second);
                                },
                                .now = [this] { return now_; },
                                .monotonic = [this] { return monotonic_; },
                                .pause =
                                    [this](std::chrono::milliseconds time) {
                                      monotonic_ += time;
                                      now_ += time.count();
                                      if (monotonic_ > patience)
                                        throw std::runtime_error("the test waited for an hour of its clock");
                                      return !on_pause_ || on_pause_();
                                    }};
  std::vector<const char*> argv{"rebottle"};
  for (const auto& argument : arguments) argv.push_back(argument.c_str());
  const int exit = tools::run(static_cast<int>(argv.size()), argv.data(), environment);
  out_so_far_ = {};
  return {exit, out.str(), err.str()};
}

JobStore& CliTest::store() {
  if (!store_) {
    store_ = JobStore::open(database(), {});
    epoch_id_ = store_->begin_epoch({.boot_id = "boot",
                                     .pid = 1,
                                     .process_start = "1",
                                     .nonce = "n",
                                     .host = "h",
                                     .version = "0",
                                     .started_at = t0,
                                     .stopped_at = {}});
  }
  return *store_;
}

void CliTest::start_service() {
  store();
  lock_.reset();
  auto lock = schema::ServiceLock::acquire(database());
  lock_.emplace(std::get<schema::ServiceLock>(std::move(lock)));
}

void CliTest::stop_service() { lock_.reset(); }

std::int64_t CliTest::insert(const Wish& wish) {
  store();
  run_sql(database(),
          "INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by, justification, created_at, "
          "scheduled_at) VALUES (?, 'capability_block', ?, ?, ?, ?, ?, ?, ?)",
          {wish.approval_id, wish.backend, wish.bottle, wish.args, wish.by, wish.justification},
          {now_, wish.scheduled_at});
  if (!reader_) reader_ = schema::OperatorStore::open(database());
  return reader_->job_of_approval(wish.approval_id).value().job_id;
}

void CliTest::insert_many(int count) {
  store();
  run_sql(database(),
          "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) "
          "INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by) "
          "SELECT 'many-' || i, 'capability_block', 'docker', 'many-' || i, ?1, 'alice' FROM n",
          {Wish{}.args}, {count});
}

schema::Job CliTest::claim(std::int64_t job_id) {
  const auto bottle = store().job(job_id).value().approval.bottle;
  return store().claim(job_id, epoch_id_, bottle, now_, "worker:1").value();
}

schema::Job CliTest::drive(std::int64_t job_id, const std::vector<Event>& events, const std::string& reason_code,
                           const std::string& message, const std::string& detail) {
  auto job = store().job(job_id).value();
  for (const auto& event : events) {
    const auto answer = statemachine::answer(job.state, event, job.interrupted);
    schema::Advance advance;
    advance.job_id = job_id;
    advance.fence = job.fence;
    advance.state = job.state;
    advance.now = ++now_;
    advance.actor = "worker:1";
    advance.move = schema::Advance::Move{};
    advance.move->event = event;
    advance.move->to = answer.to;
    advance.move->attempt = 1;
    if (answer.to == State::needs_attention) advance.move->interrupted = job.state;
    if (&event == &events.back()) {
      advance.move->reason_code = reason_code;
      advance.move->message = message;
      advance.move->detail = detail;
    }
    job = store().advance(advance).value();
  }
  return job;
}

schema::Job CliTest::succeed(std::int64_t job_id) {
  claim(job_id);
  return drive(job_id, std::vector<Event>(6, Event::step_done));
}

std::string repository_file(const std::string& path) {
  std::ifstream in(fs::path(REBOTTLE_SOURCE_DIR) / path, std::ios::binary);
  if (!in) throw std::runtime_error("no such file in the repository: " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = "tests/golden/tools/" + name;
  const char* const update = getenv("REBOTTLE_UPDATE_GOLDEN");
  if (update != nullptr && std::string(update) == "1")
    std::ofstream(fs::path(REBOTTLE_SOURCE_DIR) / path, std::ios::binary) << text;
  EXPECT_EQ(text, repository_file(path)) << "if the new output is right, run the test with REBOTTLE_UPDATE_GOLDEN=1";
}

}  // namespace rebottle::tools
