// Reading /proc. Not here: any judgement but `crashed`.
#include "worker/engine/identity.hpp"

#include <unistd.h>

#include <array>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>

namespace rebottle::worker {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error(std::string("cannot read ") + path);
  return line;
}

// Field 22 of /proc/self/stat. The second field is the program's name and may hold anything, so count after its end.
std::string start_time() {
  const auto line = first_line("/proc/self/stat");
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  std::string field;
  for (int index = 3; index <= 22; ++index)
    if (!(rest >> field)) throw std::runtime_error("/proc/self/stat is shorter than expected");
  return field;
}

std::string random_text() {
  std::random_device source;
  std::ostringstream text;
  for (int i = 0; i < 4; ++i) text << std::hex << source();
  return text.str();
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) throw std::runtime_error("gethostname failed");
  return name.data();
}

}  // namespace

schema::Epoch this_process(const std::string& version, schema::Milliseconds now) {
  schema::Epoch epoch;
  epoch.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  epoch.pid = ::getpid();
  epoch.process_start = start_time();
  epoch.nonce = random_text();
  epoch.host = host_name();
  epoch.version = version;
  epoch.started_at = now;
  return epoch;
}

bool crashed(const schema::Epoch& old, const std::string& boot_id_now) {
  return !old.stopped_at && old.boot_id == boot_id_now;
}

}  // namespace rebottle::worker
