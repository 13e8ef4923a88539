// Everything that a verb may take from the process around it, so that tests can replace all of it.
// Not here: the database.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "schema/rows.hpp"

namespace rebottle::tools {

struct Environment {
  std::ostream& out;  // data
  std::ostream& err;  // talk
  std::istream& in;
  bool out_is_tty = false;
  int width = 0;  // columns of the terminal; 0: not known, no line is cut
  std::string user;
  std::filesystem::path system_directory = "/var/lib/rebottle";
  std::function<std::optional<std::string>(const char* name)> variable;
  std::function<schema::Milliseconds()> now;             // wall clock, since the epoch
  std::function<std::chrono::milliseconds()> monotonic;  // for deadlines
  std::function<bool(std::chrono::milliseconds)> pause;  // false: the user wants to stop
};

// That of this process; Ctrl-C is caught from here on. Call once, before any thread starts.
[[nodiscard]] Environment process_environment();

}  // namespace rebottle::tools
