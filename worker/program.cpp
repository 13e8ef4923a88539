// From main to a running service and back to an exit code. Not here: decisions about jobs.
#include "worker/program.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "schema/job_store.hpp"
#include "schema/service_lock.hpp"
#include "worker/builtin_backends.hpp"
#include "worker/engine/config.hpp"
#include "worker/engine/identity.hpp"
#include "worker/engine/log.hpp"
#include "worker/engine/notify.hpp"
#include "worker/engine/service.hpp"
#include "worker/options.hpp"

namespace rebottle::worker {
namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;
constexpr int exit_denied = 4;
constexpr int exit_locked = 5;
constexpr std::chrono::seconds start_pause{1};      // between tries to open the database
constexpr std::chrono::seconds start_patience{60};  // for the next one, which may wait for a lock

// Hears SIGTERM and SIGINT for as long as it lives; each one asks the service to stop.
class StopSignals {
 public:
  StopSignals(boost::asio::io_context& io, Service& service) : signals_(io, SIGTERM, SIGINT), service_(service) {
    listen();
  }
  void close() { signals_.cancel(); }

 private:
  void listen() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      service_.stop();
      listen();
    });
  }
  boost::asio::signal_set signals_;
  Service& service_;
};

// Flags win over the file; what neither names has its default.
Config effective_config(const Options& options, const BackendModules& modules) {
  const auto defaults = default_paths();
  const auto file = options.config.value_or(defaults.config);
  Config config;
  if (options.config || std::filesystem::exists(file)) config = load_config(file, modules);
  if (options.db) config.service.db = std::filesystem::absolute(*options.db);
  if (config.service.db.empty()) config.service.db = defaults.db;
  if (config.service.state_dir.empty()) config.service.state_dir = config.service.db.parent_path();
  if (options.log_level) config.service.log_level = *options.log_level;
  return config;
}

// Says which file it judged. One of the system's that this user may not see is not passed over for defaults.
int check_config(const Options& options, const BackendModules& modules) {
  const auto file = options.config.value_or(default_paths().config);
  std::error_code unseen;
  const bool there = options.config || std::filesystem::exists(file, unseen);
  if (!there && ::access(system_config, R_OK) != 0 && errno == EACCES) {
    std::cerr << system_config << ": may not be read; ask for membership in its group, or name a file with --config\n";
    return exit_denied;
  }
  static_cast<void>(effective_config(options, modules));
  std::cout << (there ? file.string() + ": sound\n" : "no file at " + file.string() + ": the defaults apply\n");
  return 0;
}

// The service's own files: what bottles held may lie there, so nobody else reads them.
void make_private_directory(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all);
}

// Until the disk has room, or another program has let its lock go; SIGTERM ends the process meanwhile.
template <class Work>
auto when_it_can(boost::asio::io_context& io, Work work) {
  for (;;) {
    try {
      return work();
    } catch (const schema::StoreError& error) {
      if (!error.passes()) throw;
      log::error("the database cannot be used yet; it is tried again", {{"error", error.what()}});
    }
    notify::status("Waiting for the database; see the log");
    notify::extend_timeout(start_patience);
    boost::asio::steady_timer(io, start_pause).wait();
  }
}

// For those who look who holds the lock; the service does not need it.
void describe(schema::ServiceLock& lock, const schema::Epoch& process) {
  try {
    lock.describe(process.version, std::to_string(process.started_at), process.epoch_id);
  } catch (const schema::StoreError& error) {
    log::warning("the lock file does not say who holds it", {{"error", error.what()}});
  }
}

int serve(const Config& config, const BackendModules& modules, schema::ServiceLock& lock) {
  SystemClock clock;
  auto process = this_process(REBOTTLE_VERSION, clock.now());
  describe(lock, process);
  boost::asio::io_context io(1);
  const auto private_dir = config.service.state_dir / "snapshots";
  make_private_directory(private_dir);
  auto store = when_it_can(io, [&] { return schema::JobStore::open(config.service.db, {}); });
  process.epoch_id = when_it_can(io, [&] { return store->begin_epoch(process); });
  describe(lock, process);
  std::vector<std::unique_ptr<Backend>> served;
  for (const auto& module : modules)
    if (auto backend = module->make(io.get_executor(), private_dir)) served.push_back(std::move(backend));
  Service service(io.get_executor(), clock, config, process, std::move(store),
                  Backends(std::move(served), backend_names(modules)));
  StopSignals signals(io, service);
  int code = exit_failure;
  std::exception_ptr failure;
  boost::asio::co_spawn(io, service.run(), [&](std::exception_ptr error, int result) {
    failure = std::move(error);
    if (!failure) code = result;
    signals.close();
    io.stop();
  });
  io.run();
  service.close_store();
  // Calls that would not end still refer to the service: the process ends around them.
  if (!service.ended()) std::_Exit(code);
  if (failure) std::rethrow_exception(failure);
  return code;
}

// Membership in the group of the database's directory is the authority to approve.
void make_shared_directory(const std::filesystem::path& directory) {
  using std::filesystem::perms;
  if (!std::filesystem::create_directories(directory)) return;
  std::filesystem::permissions(directory, perms::owner_all | perms::group_all | perms::set_gid);
}

int lock_and_serve(const Config& config, const BackendModules& modules) {
  make_shared_directory(config.service.db.parent_path());
  auto locked = schema::ServiceLock::acquire(config.service.db);
  if (const auto* holder = std::get_if<schema::ServiceHolder>(&locked)) {
    log::error("another service holds the lock on this database",
               {{"db", config.service.db.string()}, {"holder_pid", holder->pid}, {"holder", holder->text}});
    return exit_locked;
  }
  return serve(config, modules, std::get<schema::ServiceLock>(locked));
}

}  // namespace

int run_rebottled(int argc, char** argv) {
  auto parsed = parse_options(argc, argv);
  if (const auto* exit_now = std::get_if<ExitNow>(&parsed)) return exit_now->code;
  const auto& options = std::get<Options>(parsed);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const auto modules = builtin_backends();
    if (options.check_config) return check_config(options, modules);
    const auto config = effective_config(options, modules);
    log::configure({log::level_from(config.service.log_level).value_or(log::Level::info), log::stderr_is_journal()});
    return lock_and_serve(config, modules);
  } catch (const ConfigError& error) {
    std::cerr << error.what() << '\n';
    return exit_usage;
  } catch (const std::exception& error) {
    log::error("the service cannot run", {{"error", error.what()}});
    return exit_failure;
  }
}

}  // namespace rebottle::worker
