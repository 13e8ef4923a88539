// The lock that a running service keeps on `<database>.lock`, so that there is one at a time.
// Not here: looking at it without taking it (running_service in operator_store.hpp).
#pragma once

#include <filesystem>
#include <string>
#include <variant>

#include "schema/operator_store.hpp"

namespace rebottle::schema {

// Where the lock of a database lies: both sides come to the same file, whichever way the path is written.
[[nodiscard]] std::filesystem::path service_lock_path(const std::filesystem::path& database);

// Held for the life of the object; the kernel lets it go when the process ends, however it ends. The file stays.
class ServiceLock {
 public:
  // The lock, or who holds it. Throws StoreError when the file cannot be made or locked.
  [[nodiscard]] static std::variant<ServiceLock, ServiceHolder> acquire(const std::filesystem::path& database);

  ServiceLock(ServiceLock&& other) noexcept;
  ServiceLock& operator=(ServiceLock&& other) noexcept;
  ServiceLock(const ServiceLock&) = delete;
  ServiceLock& operator=(const ServiceLock&) = delete;
  ~ServiceLock();

  // Writes the one line that others show: "pid=… version=… since=… epoch=…". `epoch` 0: not begun yet.
  void describe(const std::string& version, const std::string& since, std::int64_t epoch);

 private:
  explicit ServiceLock(int file) : file_(file) {}
  int file_ = -1;
};

}  // namespace rebottle::schema
