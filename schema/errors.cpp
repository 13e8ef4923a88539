// The texts of StoreErrc, and StoreError.
// Not here: where they are raised.
#include <sqlite3.h>

#include "schema/job_store.hpp"

namespace rebottle::schema {
namespace {

// Boost's categories have a protected destructor and are never deleted through a base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class StoreCategory final : public boost::system::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "rebottle.schema"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<StoreErrc>(value)) {
      case StoreErrc::not_found: return "there is no such row";
      case StoreErrc::ownership_lost: return "the job is not what its owner believed; stop touching the bottle";
      case StoreErrc::target_held: return "another unfinished job holds the target";
      case StoreErrc::frozen: return "a freeze keeps the job from being claimed or stopped";
      case StoreErrc::conflict: return "the request contradicts what is recorded";
    }
    return "unknown store error";
  }
};
#pragma GCC diagnostic pop

}  // namespace

boost::system::error_code make_error_code(StoreErrc errc) {
  static const StoreCategory category;
  return {static_cast<int>(errc), category};
}

StoreError::StoreError(const std::string& what, int sqlite_code, bool fatal)
    : std::runtime_error(what), sqlite_code_(sqlite_code), fatal_(fatal) {}

bool StoreError::passes() const noexcept {
  const int primary = sqlite_code_ & 0xff;
  return primary == SQLITE_BUSY || primary == SQLITE_FULL || sqlite_code_ == SQLITE_IOERR_SHMSIZE;
}

bool StoreError::disk_full() const noexcept { return (sqlite_code_ & 0xff) == SQLITE_FULL; }

}  // namespace rebottle::schema
