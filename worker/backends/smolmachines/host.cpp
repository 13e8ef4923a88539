// Files, owners, versions, processes. Not here: machines.
#include "worker/backends/smolmachines/host.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {
namespace {

Performed unsupported(std::string reason, std::string message, json detail) {
  return Performed::failed(Outcome::unsupported, std::move(reason), std::move(message), std::move(detail));
}

Performed judge_state_dir(const SmolmachinesConfig& config) {
  struct stat status {};
  const auto path = config.engine_state_dir.string();
  if (::stat(path.c_str(), &status) != 0)
    return unsupported("backend_absent",
                       "The engine's state directory " + path + " cannot be used: " + std::strerror(errno) +
                           "; set backends.smolmachines.engine_state_dir.",
                       {{"engine_state_dir", path}, {"error", std::strerror(errno)}});
  if (status.st_uid != ::geteuid())
    return unsupported("state_dir_foreign",
                       "The engine's state directory " + path + " belongs to user " + std::to_string(status.st_uid) +
                           ", and rebottled runs as " + std::to_string(::geteuid()) +
                           ": what either made, the other could not manage. Run both as the same user.",
                       {{"engine_state_dir", path}, {"owner", status.st_uid}, {"service", ::geteuid()}});
  const auto inside = config.work_dir.lexically_normal().lexically_relative(config.engine_state_dir.lexically_normal());
  if (!inside.empty() && *inside.begin() != "..")
    return unsupported("work_dir_unsafe",
                       "backends.smolmachines.work_dir lies in the engine's state directory, which sweeps what it does "
                       "not know; put it elsewhere.",
                       {{"work_dir", config.work_dir.string()}, {"engine_state_dir", path}});
  return Performed::done();
}

// A machine's process gives up root for a user of its own, so root's own access says nothing.
Performed judge_kvm(const SmolmachinesConfig& config) {
  struct stat status {};
  const auto path = config.kvm.string();
  std::string error;
  if (::stat(path.c_str(), &status) != 0 || ::access(path.c_str(), R_OK | W_OK) != 0) {
    error = std::strerror(errno);
  } else if (::geteuid() == 0) {
    constexpr mode_t by_group = S_IRGRP | S_IWGRP;
    constexpr mode_t by_all = S_IROTH | S_IWOTH;
    const bool shared =
        (status.st_mode & by_all) == by_all || ((status.st_mode & by_group) == by_group && status.st_gid != 0);
    if (!shared) error = "only root may open it, and a machine does not run as root";
  }
  if (error.empty()) return Performed::done();
  return unsupported("kvm_unavailable", "No machine can run: " + path + ": " + error + ".",
                     {{"missing", "kvm"}, {"device", path}, {"error", error}});
}

// Of "cmdline" or "environ".
std::vector<std::string> words_of(pid_t pid, const char* file) {
  const auto line = read_file("/proc/" + std::to_string(pid) + "/" + file);
  std::vector<std::string> out;
  for (std::size_t at = 0; at < line.size();) {
    const auto end = line.find('\0', at);
    out.push_back(line.substr(at, end - at));
    at = end == std::string::npos ? line.size() : end + 1;
  }
  return out;
}

bool same_directory(const std::string& a, const std::filesystem::path& b) {
  std::error_code error;
  return std::filesystem::equivalent(a, b, error) ||
         std::filesystem::path(a).lexically_normal() == b.lexically_normal();
}

// "smolvm serve …": with --state-dir PATH, --state-dir=PATH, or else its HOME, where that may be read.
bool serves(pid_t pid, const SmolmachinesConfig& config) {
  const auto arguments = words_of(pid, "cmdline");
  const auto verb = std::ranges::find(arguments, "serve");
  if (verb == arguments.end()) return false;
  constexpr std::string_view flag = "--state-dir";
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string value;
    if (arguments[i] == flag && i + 1 < arguments.size()) value = arguments[i + 1];
    if (arguments[i].starts_with(std::string(flag) + "=")) value = arguments[i].substr(flag.size() + 1);
    if (!value.empty()) return same_directory(value, config.engine_state_dir);
  }
  const bool engines = std::any_of(arguments.begin(), verb, [](const std::string& word) {
    return std::filesystem::path(word).filename().string().starts_with("smol");
  });
  constexpr std::string_view home = "HOME=";
  return engines && std::ranges::any_of(words_of(pid, "environ"), [&](const std::string& variable) {
           return variable.starts_with(home) && same_directory(variable.substr(home.size()), config.engine_state_dir);
         });
}

}  // namespace

std::vector<int> version_numbers(std::string_view text) {
  const auto begin = text.find_first_of("0123456789");
  if (begin == std::string_view::npos) return {};
  std::vector<int> out;
  const char* at = text.data() + begin;
  const char* const end = text.data() + text.size();
  while (at < end) {
    int number = 0;
    const auto parsed = std::from_chars(at, end, number);
    if (parsed.ec != std::errc()) break;
    out.push_back(number);
    if (parsed.ptr == end || *parsed.ptr != '.') break;
    at = parsed.ptr + 1;
  }
  return out;
}

pid_t running_server(const SmolmachinesConfig& config) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const auto name = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    if (serves(pid, config)) return pid;
  }
  return 0;
}

std::string make_work_dirs(const SmolmachinesConfig& config) {
  for (const auto& directory : {config.work_dir, config.work_dir / "calls", config.work_dir / "images",
                                config.work_dir / "specs", config.work_dir / "disks", config.work_dir / "paths"})
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
      return "cannot make " + directory.string() + ": " + std::strerror(errno);
  struct stat status {};
  if (::stat(config.work_dir.c_str(), &status) != 0 || status.st_uid != ::geteuid() || (status.st_mode & 0077) != 0)
    return config.work_dir.string() + " must be a directory of this service's user alone (0700)";
  return {};
}

Performed judge_host(const SmolmachinesConfig& config) {
  const auto engine = config.engine.string();
  if (::access(engine.c_str(), X_OK) != 0)
    return unsupported("backend_absent", "There is no engine: " + engine + ": " + std::strerror(errno) + ".",
                       {{"engine", engine}, {"error", std::strerror(errno)}});
  if (processes_are_hidden())
    return unsupported(
        "processes_hidden",
        "/proc shows this service no processes but its own: a call of an earlier run that is still at "
        "work, or `smolvm serve`, could not be seen. Set ProtectProc=default in the unit, or mount /proc "
        "without hidepid or with the gid= of a group of the service.",
        {{"missing", "processes"}});
  auto state = judge_state_dir(config);
  if (state.outcome != Outcome::done) return state;
  if (const auto error = make_work_dirs(config); !error.empty())
    return unsupported("work_dir_unusable", "The working directory cannot be used: " + error + ".",
                       {{"work_dir", config.work_dir.string()}, {"error", error}});
  return judge_kvm(config);
}

// Silence says nothing of what the engine can do: it is told apart from a no.
Performed no_engine(const Answer& answer, const std::string& message, json detail) {
  const bool silent = answer.reach == Reach::timeout;
  return unsupported(std::string(silent ? backend_timeout : "backend_absent"), message, std::move(detail));
}

awaitable<Performed> judge_engine(Engine& engine) {
  const auto asked = co_await ask_version(engine);
  const auto path = engine.config.engine.string();
  const auto said = shortened(clean_text(asked.output), 80);
  const auto version = version_numbers(asked.output);
  if (!asked.succeeded() || version.empty()) {
    const auto why = asked.succeeded() ? "its version is not to be read: " + said : asked.error;
    co_return no_engine(asked, "The engine " + path + " does not answer: " + why, {{"engine", path}, {"answer", why}});
  }
  std::string shown;
  for (const int number : version) shown += (shown.empty() ? "" : ".") + std::to_string(number);
  const auto wanted = version_numbers(engine.config.min_version);
  if (version < wanted)
    co_return unsupported(
        "backend_too_old",
        "The engine " + path + " is version " + shown + "; at least " + engine.config.min_version + " is needed.",
        {{"version", shown}, {"min_version", engine.config.min_version}});
  const auto machines = co_await list_machines(engine);
  if (!machines.known)
    co_return no_engine(machines.answer, "The engine " + path + " does not list its machines: " + machines.answer.error,
                        {{"engine", path}, {"answer", machines.answer.error}});
  json result = {{"version", shown}};
  co_return Performed::done(std::move(result));
}

// Which changes can be made, and why the others cannot.
awaitable<json> changes_of(Engine& engine) {
  json out = {{"changes", {"commands"}}};
  if (!engine.config.import_dirs.empty()) out["changes"].push_back("image_file");
  std::string why = "no builder is configured (backends.smolmachines.builder)";
  if (engine.builder) {
    const auto able = co_await engine.builder->probe();
    out["builder"] = {{"name", engine.config.builder}, {"version", able.version}, {"reason_code", able.reason_code}};
    why = able.message;
    if (able.supported) why.clear();
  }
  for (const auto* change : {"dockerfile", "image"})
    if (why.empty())
      out["changes"].push_back(change);
    else
      out["unsupported_changes"][change] = why;
  co_return out;
}

awaitable<schema::Capability> probe_engine(Engine& engine) {
  schema::Capability out;
  out.backend = "smolmachines";
  out.kind = schema::kind_capability_block;
  auto judged = judge_host(engine.config);
  if (judged.outcome == Outcome::done) {
    auto asked = co_await judge_engine(engine);
    judged = std::move(asked);
  }
  out.supported = judged.outcome == Outcome::done;
  out.version = text(at(out.supported ? judged.result : judged.detail, "version"));
  out.reason_code = judged.reason_code;
  out.message = judged.message;
  json detail = judged.detail;
  if (out.supported) {
    auto changes = co_await changes_of(engine);
    detail = std::move(changes);
  }
  detail["engine"] = engine.config.engine.string();
  detail["engine_state_dir"] = engine.config.engine_state_dir.string();
  out.detail = detail.dump();
  co_return out;
}

}  // namespace rebottle::worker::smolmachines
