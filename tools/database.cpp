// migrate, version: the database's schema and the program's own version.
// Not here: migrations (schema/).
#include <ostream>

#include "tools/command_line.hpp"
#include "tools/json_text.hpp"
#include "tools/listing.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

struct MigrateOptions {
  bool check = false;
};

struct VersionOptions {};

// -1: there is no database; 0: an empty file.
}  // namespace
}  // namespace rebottle::tools
