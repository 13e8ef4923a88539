// Which schema version a database has, and which one this program speaks, for people who migrate by hand.
// Not here: the migration, which opening does (job_store.hpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace rebottle::schema {

[[nodiscard]] std::int64_t schema_version_spoken();

// Empty: there is no file, or it is empty. Changes nothing. Throws StoreError: not a database of ours, I/O error.
[[nodiscard]] std::optional<std::int64_t> schema_version_of(const std::filesystem::path& path);

}  // namespace rebottle::schema
