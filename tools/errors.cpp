// The look-up in the table of errors.hpp, and what SQLite's codes mean to an operator.
// Not here: messages of single verbs.
#include "tools/errors.hpp"

#include <algorithm>

namespace rebottle::tools {
namespace {

constexpr bool rows_in_order() {
  for (std::size_t i = 0; i < errc_rows.size(); ++i)
    if (static_cast<std::size_t>(errc_rows[i].errc) != i) return false;
  return errc_rows.size() == static_cast<std::size_t>(Errc::interrupted) + 1;
}
static_assert(rows_in_order(), "errc_rows lists each Errc once, in order");

// Primary result codes of SQLite (part of its stable interface); the store keeps SQLite's header to itself.
constexpr int sqlite_perm = 3;
constexpr int sqlite_readonly = 8;
constexpr int sqlite_auth = 23;

}  // namespace

int exit_code(Errc errc) { return errc_rows[static_cast<std::size_t>(errc)].exit_code; }

void throw_exception_from_error(const Failure& failure, const boost::source_location& /*where*/) {
  throw std::logic_error("a failure was read as a value: " + failure.what);
}

Failure failure_of(const schema::StoreError& error) {
  const int primary = error.sqlite_code() & 0xff;
  if (primary == sqlite_perm || primary == sqlite_readonly || primary == sqlite_auth)
    return {Errc::denied, error.what(), "ask for membership in the group that owns the database's directory"};
  return {Errc::failure, error.what(), {}};
}

}  // namespace rebottle::tools
