// The DDL of every schema version, embedded from schema/sql, and what each one must look like (schema/frozen).
// Not here: running it (migrate.hpp).
#pragma once

#include <string_view>
#include <vector>

namespace rebottle::schema {

struct Version {
  int number;               // user_version once it is there
  std::string_view steps;   // SQL that leads there from the version before
  std::string_view frozen;  // schema_dump() of a database of this version
};

// Ascending from 1 without a gap; the last one is what this program speaks.
[[nodiscard]] const std::vector<Version>& versions();

}  // namespace rebottle::schema
