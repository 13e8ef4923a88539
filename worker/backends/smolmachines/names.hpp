// The names and labels of everything a job makes: all follow from the bottle, its machine and the job key, so that a
// repeated step finds its own work. Not here: what is done with them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/backend.hpp"

namespace rebottle::worker::smolmachines {

namespace label {
inline constexpr std::string_view managed_by = "io.rebottle.managed-by";
inline constexpr std::string_view bottle = "io.rebottle.bottle";  // the slug
inline constexpr std::string_view rev = "io.rebottle.rev";        // 1 for the first one that was made for the bottle
inline constexpr std::string_view job = "io.rebottle.job";        // the job key
inline constexpr std::string_view fence = "io.rebottle.fence";    // of the claim that made it
inline constexpr std::string_view spec = "io.rebottle.spec";      // the first 12 digits of the spec's sha256
inline constexpr std::string_view us = "rebottle";
}  // namespace label

inline constexpr std::size_t spec_digits = 12;

// Letters, digits, dashes and underscores, and no dash first: what the engine accepts, and what is safe as a file name.
[[nodiscard]] bool valid_machine_name(std::string_view name);

// "dev-r2" for the base "dev" and revision 2.
[[nodiscard]] std::string revision_name(std::string_view base, std::int64_t rev);

// Whether we made the machine, for this bottle; for this very job.
[[nodiscard]] bool is_ours(const json& machine, std::string_view bottle);
[[nodiscard]] bool made_by(const json& machine, std::string_view job_key);

// As arguments of `machine create`: ours, and those of `old` that are not.
[[nodiscard]] std::vector<std::string> label_options(const JobContext& job, std::int64_t rev, std::string_view spec_sha,
                                                     const json& old);

}  // namespace rebottle::worker::smolmachines
