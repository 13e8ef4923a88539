// The rows of the carry-over table that no container of the test engine (dockerd 20.10 on Linux, on a virtual machine)
// can have, each with the reason. They are proved on documents; every other row is proved on the engine.
#pragma once

#include <array>
#include <string_view>

namespace rebottle::tests {

struct NotOnThisEngine {
  std::string_view path;
  std::string_view why;
};

inline constexpr auto not_on_this_engine = std::to_array<NotOnThisEngine>({
    {"Config.Healthcheck.StartInterval", "since API 1.44"},
    {"HostConfig.Annotations", "since API 1.43"},
    {"HostConfig.BlkioWeight", "discarded: this kernel has no I/O scheduler with weights in cgroup v1"},
    {"HostConfig.BlkioWeightDevice", "discarded: this kernel has no I/O scheduler with weights in cgroup v1"},
    {"HostConfig.BlkioWeightDevice[].Path", "as BlkioWeightDevice"},
    {"HostConfig.BlkioWeightDevice[].Weight", "as BlkioWeightDevice"},
    {"HostConfig.CpuPercent", "discarded on Linux"},
    {"HostConfig.IOMaximumBandwidth", "refused by the engine on Linux"},
    {"HostConfig.IOMaximumIOps", "refused by the engine on Linux"},
    {"HostConfig.Mounts[].BindOptions.CreateMountpoint", "since API 1.42"},
    {"HostConfig.Mounts[].BindOptions.ReadOnlyForceRecursive", "since API 1.44"},
    {"HostConfig.Mounts[].BindOptions.ReadOnlyNonRecursive", "since API 1.44"},
    {"HostConfig.Mounts[].ImageOptions", "since API 1.48"},
    {"HostConfig.Mounts[].ImageOptions.Subpath", "since API 1.48"},
    {"HostConfig.Mounts[].TmpfsOptions.Options", "since API 1.46"},
    {"HostConfig.Mounts[].VolumeOptions.Subpath", "since API 1.45"},
    {"HostConfig.StorageOpt", "needs the engine's data on XFS with project quotas"},
    {"Endpoint.GwPriority", "since API 1.48"},
    {"Endpoint.MacAddress", "on further networks since API 1.44"},
});

}  // namespace rebottle::tests
