// A line of JSON for each change, appended by one write; read and folded at the start.
// Not here: a second process on the same file; the service's lock on its database is the only guard.
#include "worker/backends/null/bottles.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

namespace rebottle::worker::null {
namespace {

using nlohmann::json;

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
  throw std::system_error(errno, std::generic_category(), std::string(what) + " " + file.string());
}

std::string line_of(const json& entry) { return entry.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

json effect_entry(const std::string& bottle, const std::string& job, const std::string& effect, bool in_force) {
  return {{"bottle", bottle}, {"job", job}, {"effect", effect}, {"in_force", in_force}};
}

}  // namespace

Bottles::Bottles(std::filesystem::path file) : file_(std::move(file)) {
  if (file_.empty()) return;
  read();
  rewrite();
  descriptor_ = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) fail(file_, "cannot open");
}

Bottles::~Bottles() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool Bottles::in_force(const std::string& bottle, const std::string& job, const std::string& effect) const {
  const auto known = bottles_.find(bottle);
  if (known == bottles_.end()) return false;
  const auto of_job = known->second.in_force.find(job);
  return of_job != known->second.in_force.end() && of_job->second.contains(effect);
}

std::string Bottles::container(const std::string& bottle) const {
  const auto known = bottles_.find(bottle);
  return known == bottles_.end() || known->second.container.empty() ? bottle + "-0" : known->second.container;
}

void Bottles::set(const std::string& bottle, const std::string& job, const std::string& effect, bool in_force) {
  append(line_of(effect_entry(bottle, job, effect, in_force)));
}

void Bottles::place(const std::string& bottle, const std::string& container) {
  append(line_of({{"bottle", bottle}, {"container", container}}));
}

void Bottles::forget(const std::string& bottle, const std::string& job) {
  append(line_of({{"bottle", bottle}, {"job", job}, {"forget", true}}));
}

void Bottles::append(const std::string& line) {
  if (descriptor_ >= 0) {
    const auto before = ::lseek(descriptor_, 0, SEEK_END);
    const auto written = ::write(descriptor_, line.data(), line.size());
    if (written < 0) fail(file_, "cannot write");
    if (static_cast<std::size_t>(written) != line.size()) {
      // A full disk took a part of it.
      if (::ftruncate(descriptor_, before) != 0) fail(file_, "cannot write");
      errno = ENOSPC;
      fail(file_, "cannot write");
    }
  }
  take(line);
}

// A line that was cut off is none; what it would have said was never reported as done.
void Bottles::take(const std::string& line) {
  const auto entry = json::parse(line, nullptr, false);
  if (!entry.is_object() || !entry.contains("bottle")) return;
  auto& bottle = bottles_[entry["bottle"].get<std::string>()];
  if (entry.contains("container")) bottle.container = entry["container"].get<std::string>();
  const auto job = entry.value("job", "");
  if (entry.value("forget", false))
    bottle.in_force.erase(job);
  else if (entry.value("in_force", false))
    bottle.in_force[job].insert(entry.value("effect", ""));
  else if (entry.contains("effect"))
    bottle.in_force[job].erase(entry.value("effect", ""));
}

void Bottles::read() {
  std::ifstream stream(file_, std::ios::binary);
  for (std::string line; std::getline(stream, line);) take(line);
  if (stream.bad()) fail(file_, "cannot read");
}

// Without what no longer matters, put in place of the old file at once.
void Bottles::rewrite() {
  const auto beside = file_.string() + ".new";
  std::ofstream stream(beside, std::ios::binary | std::ios::trunc);
  for (const auto& [name, bottle] : bottles_) {
    if (!bottle.container.empty()) stream << line_of({{"bottle", name}, {"container", bottle.container}});
    for (const auto& [job, effects] : bottle.in_force)
      for (const auto& effect : effects) stream << line_of(effect_entry(name, job, effect, true));
  }
  stream.close();
  if (!stream) fail(beside, "cannot write");
  std::filesystem::rename(beside, file_);
}

}  // namespace rebottle::worker::null
