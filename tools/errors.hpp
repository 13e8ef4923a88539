// What can go wrong for an operator, and the one table that turns it into an exit code.
// Not here: the words of a single failure, which its verb writes.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

#include "schema/job_store.hpp"

namespace rebottle::tools {

enum class Errc : std::uint8_t {
  failure,          // something broke, or the answer is no
  usage,            // the command line, or what it sends, is wrong
  not_found,        // no such job, approval or database
  denied,           // the operating system forbids it
  conflict,         // contradicts what is there, or is stale
  not_succeeded,    // the job ended, but its change is not in place
  needs_attention,  // the job waits for a person
  no_service,       // nobody is there to answer
  timed_out,        // the wait was over before the answer came
  interrupted,      // Ctrl-C
};

struct ErrcRow {
  Errc errc;
  int exit_code;
  std::string_view meaning;  // for people
};

// clang-format off
inline constexpr auto errc_rows = std::to_array<ErrcRow>({
    {Errc::failure,         1,   "failure, or the answer is no"},
    {Errc::usage,           2,   "wrong usage; nothing was sent"},
    {Errc::not_found,       3,   "no such job, approval or database"},
    {Errc::denied,          4,   "the operating system forbids it"},
    {Errc::conflict,        5,   "conflict with what is there, or stale"},
    {Errc::not_succeeded,   6,   "the job ended and did not succeed"},
    {Errc::needs_attention, 7,   "the job needs a person's attention"},
    {Errc::no_service,      8,   "the service is not running"},
    {Errc::timed_out,       124, "the wait timed out"},
    {Errc::interrupted,     130, "interrupted"},
});
// clang-format on

[[nodiscard]] int exit_code(Errc errc);

// An expected bad end of a verb. Shown as "rebottle: <what>; <way_out>"; an empty `what` says nothing more,
// because the answer itself is on stdout already.
struct Failure {
  Errc errc = Errc::failure;
  std::string what;
  std::string way_out;
};

template <class T>
using Result = boost::system::result<T, Failure>;
using Outcome = Result<void>;

// What boost::system::result throws when a failure is read as a value: a programmer's error.
[[noreturn]] void throw_exception_from_error(const Failure& failure, const boost::source_location& where);

// A broken world, as the store reports it; a refused write becomes denied.
[[nodiscard]] Failure failure_of(const schema::StoreError& error);

}  // namespace rebottle::tools
