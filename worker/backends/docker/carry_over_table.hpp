// Which settings of a container go over to the changed one, and how: one row per field of the Engine API 1.41 to 1.47,
// below its objects too. What has no row is refused unless it has a default value. Not here: the copying
// (carry_over.cpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace rebottle::worker::docker {

enum class Carry : std::uint8_t {
  copied,       // as it is
  image_value,  // what a person set; the image's own value is left to the new image
  image_list,   // the same, entry by entry of an object
  own_rule,     // code of its own; `why` says the rule
  refused,      // cannot be carried over: refused unless it has a default value
  engine_made,  // an outcome, not a setting
};

// A path is "<section>.<field>", further fields of objects behind it; "[]" stands for any element of a list and "*"
// for any key of a map. A field with rows below it has no other fields than those; one without is taken whole.
// Sections: Config and HostConfig, and Endpoint for each of NetworkSettings.Networks.
struct CarryRow {
  std::string_view path;
  Carry carry;
  std::string_view why;  // empty where the rule says it all
};

// clang-format off
inline constexpr auto carry_rows = std::to_array<CarryRow>({
    {"Config.ArgsEscaped",                                         Carry::image_value, "of Windows images"},
    {"Config.AttachStderr",                                        Carry::copied,      ""},
    {"Config.AttachStdin",                                         Carry::copied,      ""},
    {"Config.AttachStdout",                                        Carry::copied,      ""},
    {"Config.Cmd",                                                 Carry::own_rule,    "what a person set, for the entrypoint that it belongs to"},
    {"Config.Domainname",                                          Carry::copied,      ""},
    {"Config.Entrypoint",                                          Carry::own_rule,    "what a person set, even to nothing"},
    {"Config.Env",                                                 Carry::own_rule,    "what a person set, which the engine puts in front of the image's"},
    {"Config.ExposedPorts",                                        Carry::image_list,  ""},
    {"Config.Healthcheck",                                         Carry::image_list,  "field by field, as the engine merges them"},
    {"Config.Healthcheck.Interval",                                Carry::copied,      ""},
    {"Config.Healthcheck.Retries",                                 Carry::copied,      ""},
    {"Config.Healthcheck.StartInterval",                           Carry::copied,      ""},
    {"Config.Healthcheck.StartPeriod",                             Carry::copied,      ""},
    {"Config.Healthcheck.Test",                                    Carry::copied,      ""},
    {"Config.Healthcheck.Timeout",                                 Carry::copied,      ""},
    {"Config.Hostname",                                            Carry::own_rule,    "unless it is the engine's default, the short id"},
    {"Config.Image",                                               Carry::own_rule,    "the one thing that changes"},
    {"Config.Labels",                                              Carry::image_list,  "without those of earlier jobs"},
    {"Config.MacAddress",                                          Carry::copied,      "of the first network, when a person set it"},
    {"Config.NetworkDisabled",                                     Carry::copied,      ""},
    {"Config.OnBuild",                                             Carry::image_value, ""},
    {"Config.OpenStdin",                                           Carry::copied,      ""},
    {"Config.Shell",                                               Carry::image_value, ""},
    {"Config.StdinOnce",                                           Carry::copied,      ""},
    {"Config.StopSignal",                                          Carry::image_value, ""},
    {"Config.StopTimeout",                                         Carry::copied,      ""},
    {"Config.Tty",                                                 Carry::copied,      ""},
    {"Config.User",                                                Carry::image_value, ""},
    {"Config.Volumes",                                             Carry::own_rule,    "the anonymous volumes themselves go over, by name"},
    {"Config.WorkingDir",                                          Carry::image_value, ""},

    {"HostConfig.Annotations",                                     Carry::copied,      ""},
    {"HostConfig.AutoRemove",                                      Carry::refused,     "the container vanishes when it stops: there is no way back"},
    {"HostConfig.Binds",                                           Carry::own_rule,    "as they are; an anonymous volume is named, and gets nocopy while it is empty"},
    {"HostConfig.BlkioDeviceReadBps",                              Carry::copied,      ""},
    {"HostConfig.BlkioDeviceReadBps[].Path",                       Carry::copied,      ""},
    {"HostConfig.BlkioDeviceReadBps[].Rate",                       Carry::copied,      ""},
    {"HostConfig.BlkioDeviceReadIOps",                             Carry::copied,      ""},
    {"HostConfig.BlkioDeviceReadIOps[].Path",                      Carry::copied,      ""},
    {"HostConfig.BlkioDeviceReadIOps[].Rate",                      Carry::copied,      ""},
    {"HostConfig.BlkioDeviceWriteBps",                             Carry::copied,      ""},
    {"HostConfig.BlkioDeviceWriteBps[].Path",                      Carry::copied,      ""},
    {"HostConfig.BlkioDeviceWriteBps[].Rate",                      Carry::copied,      ""},
    {"HostConfig.BlkioDeviceWriteIOps",                            Carry::copied,      ""},
    {"HostConfig.BlkioDeviceWriteIOps[].Path",                     Carry::copied,      ""},
    {"HostConfig.BlkioDeviceWriteIOps[].Rate",                     Carry::copied,      ""},
    {"HostConfig.BlkioWeight",                                     Carry::copied,      ""},
    {"HostConfig.BlkioWeightDevice",                               Carry::copied,      ""},
    {"HostConfig.BlkioWeightDevice[].Path",                        Carry::copied,      ""},
    {"HostConfig.BlkioWeightDevice[].Weight",                      Carry::copied,      ""},
    {"HostConfig.CapAdd",                                          Carry::copied,      ""},
    {"HostConfig.CapDrop",                                         Carry::copied,      ""},
    {"HostConfig.Cgroup",                                          Carry::refused,     "it names the cgroup of another container"},
    {"HostConfig.CgroupParent",                                    Carry::copied,      ""},
    {"HostConfig.CgroupnsMode",                                    Carry::copied,      "the engine's default at creation stays"},
    {"HostConfig.ConsoleSize",                                     Carry::copied,      "the first size of the terminal"},
    {"HostConfig.ContainerIDFile",                                 Carry::copied,      "a note of the client's; the engine writes no such file"},
    {"HostConfig.CpuCount",                                        Carry::copied,      "of Windows; Linux keeps it and ignores it"},
    {"HostConfig.CpuPercent",                                      Carry::copied,      "of Windows; Linux drops it at creation"},
    {"HostConfig.CpuPeriod",                                       Carry::copied,      ""},
    {"HostConfig.CpuQuota",                                        Carry::copied,      ""},
    {"HostConfig.CpuRealtimePeriod",                               Carry::copied,      ""},
    {"HostConfig.CpuRealtimeRuntime",                              Carry::copied,      ""},
    {"HostConfig.CpuShares",                                       Carry::copied,      ""},
    {"HostConfig.CpusetCpus",                                      Carry::copied,      ""},
    {"HostConfig.CpusetMems",                                      Carry::copied,      ""},
    {"HostConfig.DeviceCgroupRules",                               Carry::copied,      ""},
    {"HostConfig.DeviceRequests",                                  Carry::copied,      ""},
    {"HostConfig.DeviceRequests[].Capabilities",                   Carry::copied,      ""},
    {"HostConfig.DeviceRequests[].Count",                          Carry::copied,      ""},
    {"HostConfig.DeviceRequests[].DeviceIDs",                      Carry::copied,      ""},
    {"HostConfig.DeviceRequests[].Driver",                         Carry::copied,      ""},
    {"HostConfig.DeviceRequests[].Options",                        Carry::copied,      ""},
    {"HostConfig.Devices",                                         Carry::copied,      ""},
    {"HostConfig.Devices[].CgroupPermissions",                     Carry::copied,      ""},
    {"HostConfig.Devices[].PathInContainer",                       Carry::copied,      ""},
    {"HostConfig.Devices[].PathOnHost",                            Carry::copied,      ""},
    {"HostConfig.Dns",                                             Carry::copied,      ""},
    {"HostConfig.DnsOptions",                                      Carry::copied,      ""},
    {"HostConfig.DnsSearch",                                       Carry::copied,      ""},
    {"HostConfig.ExtraHosts",                                      Carry::copied,      ""},
    {"HostConfig.GroupAdd",                                        Carry::copied,      ""},
    {"HostConfig.IOMaximumBandwidth",                              Carry::refused,     "of Windows"},
    {"HostConfig.IOMaximumIOps",                                   Carry::refused,     "of Windows"},
    {"HostConfig.Init",                                            Carry::copied,      "unset stays unset: the engine's default"},
    {"HostConfig.IpcMode",                                         Carry::copied,      "of another container: see Members"},
    {"HostConfig.Isolation",                                       Carry::copied,      "of Windows; \"default\" on Linux"},
    {"HostConfig.KernelMemory",                                    Carry::copied,      "an engine that has given it up fails the job before the stop"},
    {"HostConfig.KernelMemoryTCP",                                 Carry::copied,      ""},
    {"HostConfig.Links",                                           Carry::refused,     "legacy links follow a container's name badly"},
    {"HostConfig.LogConfig",                                       Carry::own_rule,    "options that the engine's own configuration adds meanwhile are let be"},
    {"HostConfig.LogConfig.Config",                                Carry::own_rule,    "with its driver"},
    {"HostConfig.LogConfig.Type",                                  Carry::own_rule,    "as it is"},
    {"HostConfig.MaskedPaths",                                     Carry::copied,      "an empty list, which masks nothing, too"},
    {"HostConfig.Memory",                                          Carry::copied,      ""},
    {"HostConfig.MemoryReservation",                               Carry::copied,      ""},
    {"HostConfig.MemorySwap",                                      Carry::copied,      ""},
    {"HostConfig.MemorySwappiness",                                Carry::copied,      ""},
    {"HostConfig.Mounts",                                          Carry::own_rule,    "as they are; an anonymous volume is named, and gets NoCopy while it is empty"},
    {"HostConfig.Mounts[].BindOptions",                            Carry::copied,      ""},
    {"HostConfig.Mounts[].BindOptions.CreateMountpoint",           Carry::copied,      ""},
    {"HostConfig.Mounts[].BindOptions.NonRecursive",               Carry::copied,      ""},
    {"HostConfig.Mounts[].BindOptions.Propagation",                Carry::copied,      ""},
    {"HostConfig.Mounts[].BindOptions.ReadOnlyForceRecursive",     Carry::copied,      ""},
    {"HostConfig.Mounts[].BindOptions.ReadOnlyNonRecursive",       Carry::copied,      ""},
    {"HostConfig.Mounts[].Consistency",                            Carry::copied,      ""},
    {"HostConfig.Mounts[].ImageOptions",                           Carry::refused,     "mounts of images need API 1.48"},
    {"HostConfig.Mounts[].ImageOptions.Subpath",                   Carry::refused,     "mounts of images need API 1.48"},
    {"HostConfig.Mounts[].ReadOnly",                               Carry::copied,      ""},
    {"HostConfig.Mounts[].Source",                                 Carry::own_rule,    "as it is; an anonymous volume is named"},
    {"HostConfig.Mounts[].Target",                                 Carry::copied,      ""},
    {"HostConfig.Mounts[].TmpfsOptions",                           Carry::copied,      ""},
    {"HostConfig.Mounts[].TmpfsOptions.Mode",                      Carry::copied,      ""},
    {"HostConfig.Mounts[].TmpfsOptions.Options",                   Carry::copied,      ""},
    {"HostConfig.Mounts[].TmpfsOptions.SizeBytes",                 Carry::copied,      ""},
    {"HostConfig.Mounts[].Type",                                   Carry::own_rule,    "bind, volume and tmpfs; another one is refused"},
    {"HostConfig.Mounts[].VolumeOptions",                          Carry::copied,      ""},
    {"HostConfig.Mounts[].VolumeOptions.DriverConfig",             Carry::copied,      ""},
    {"HostConfig.Mounts[].VolumeOptions.DriverConfig.Name",        Carry::copied,      ""},
    {"HostConfig.Mounts[].VolumeOptions.DriverConfig.Options",     Carry::copied,      ""},
    {"HostConfig.Mounts[].VolumeOptions.Labels",                   Carry::copied,      ""},
    {"HostConfig.Mounts[].VolumeOptions.NoCopy",                   Carry::copied,      ""},
    {"HostConfig.Mounts[].VolumeOptions.Subpath",                  Carry::copied,      ""},
    {"HostConfig.NanoCpus",                                        Carry::copied,      ""},
    {"HostConfig.NetworkMode",                                     Carry::own_rule,    "its endpoint is made with the container; of another container: see Members"},
    {"HostConfig.OomKillDisable",                                  Carry::copied,      ""},
    {"HostConfig.OomScoreAdj",                                     Carry::copied,      ""},
    {"HostConfig.PidMode",                                         Carry::copied,      "of another container: see Members"},
    {"HostConfig.PidsLimit",                                       Carry::copied,      ""},
    {"HostConfig.PortBindings",                                    Carry::copied,      "a port left to the engine is chosen anew"},
    {"HostConfig.PortBindings.*[].HostIp",                         Carry::copied,      ""},
    {"HostConfig.PortBindings.*[].HostPort",                       Carry::copied,      ""},
    {"HostConfig.Privileged",                                      Carry::copied,      ""},
    {"HostConfig.PublishAllPorts",                                 Carry::copied,      ""},
    {"HostConfig.ReadonlyPaths",                                   Carry::copied,      "an empty list too"},
    {"HostConfig.ReadonlyRootfs",                                  Carry::copied,      ""},
    {"HostConfig.RestartPolicy",                                   Carry::own_rule,    "set when the changed container is started, not before"},
    {"HostConfig.RestartPolicy.MaximumRetryCount",                 Carry::own_rule,    "with its policy"},
    {"HostConfig.RestartPolicy.Name",                              Carry::own_rule,    "with its policy"},
    {"HostConfig.Runtime",                                         Carry::copied,      "the engine's default at creation stays"},
    {"HostConfig.SecurityOpt",                                     Carry::copied,      ""},
    {"HostConfig.ShmSize",                                         Carry::copied,      "the engine's default at creation stays"},
    {"HostConfig.StorageOpt",                                      Carry::copied,      ""},
    {"HostConfig.Sysctls",                                         Carry::copied,      ""},
    {"HostConfig.Tmpfs",                                           Carry::copied,      ""},
    {"HostConfig.UTSMode",                                         Carry::copied,      ""},
    {"HostConfig.Ulimits",                                         Carry::copied,      "newer engines show their defaults among them"},
    {"HostConfig.Ulimits[].Hard",                                  Carry::copied,      ""},
    {"HostConfig.Ulimits[].Name",                                  Carry::copied,      ""},
    {"HostConfig.Ulimits[].Soft",                                  Carry::copied,      ""},
    {"HostConfig.UsernsMode",                                      Carry::copied,      ""},
    {"HostConfig.VolumeDriver",                                    Carry::copied,      ""},
    {"HostConfig.VolumesFrom",                                     Carry::refused,     "the volumes of another container are not its own"},

    {"Endpoint.Aliases",                                           Carry::own_rule,    "without the engine's own, the short id and the host name"},
    {"Endpoint.DNSNames",                                          Carry::engine_made, ""},
    {"Endpoint.DriverOpts",                                        Carry::copied,      ""},
    {"Endpoint.EndpointID",                                        Carry::engine_made, ""},
    {"Endpoint.Gateway",                                           Carry::engine_made, ""},
    {"Endpoint.GlobalIPv6Address",                                 Carry::engine_made, ""},
    {"Endpoint.GlobalIPv6PrefixLen",                               Carry::engine_made, ""},
    {"Endpoint.GwPriority",                                        Carry::refused,     "needs API 1.48"},
    {"Endpoint.IPAMConfig",                                        Carry::copied,      "the static addresses; dynamic ones are not pinned"},
    {"Endpoint.IPAMConfig.IPv4Address",                            Carry::copied,      ""},
    {"Endpoint.IPAMConfig.IPv6Address",                            Carry::copied,      ""},
    {"Endpoint.IPAMConfig.LinkLocalIPs",                           Carry::copied,      ""},
    {"Endpoint.IPAddress",                                         Carry::engine_made, "a dynamic address is not pinned"},
    {"Endpoint.IPPrefixLen",                                       Carry::engine_made, ""},
    {"Endpoint.IPv6Gateway",                                       Carry::engine_made, ""},
    {"Endpoint.Links",                                             Carry::refused,     "legacy links follow a container's name badly"},
    {"Endpoint.MacAddress",                                        Carry::own_rule,    "on further networks, unless made from the IPv4 address"},
    {"Endpoint.NetworkID",                                         Carry::engine_made, "the same network, by name; another one of that name is drift"},
});
// clang-format on

[[nodiscard]] constexpr const CarryRow* carry_row(std::string_view path) {
  const auto* const found = std::ranges::find(carry_rows, path, &CarryRow::path);
  return found == carry_rows.end() ? nullptr : found;
}

// Whether rows say what may stand below `path`: ".", "[]" or ".*" is then part of the way to them.
[[nodiscard]] constexpr bool has_rows_below(std::string_view path) {
  return std::ranges::any_of(carry_rows, [path](const CarryRow& row) {
    return row.path.size() > path.size() && row.path.starts_with(path) &&
           (row.path[path.size()] == '.' || row.path[path.size()] == '[');
  });
}

}  // namespace rebottle::worker::docker
