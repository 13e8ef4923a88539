// Which fields of a container's configuration go over to the changed one, and how: one row per field of the Engine
// API 1.41 to 1.47. A field without a row is refused unless it has a default value. Not here: the copying
// (carry_over.cpp).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rebottle::worker::docker {

enum class Carry : std::uint8_t {
  copied,       // as it is
  image_value,  // what a person set; the image's own value is left to the new image
  image_list,   // the same, entry by entry of an object
  own_rule,     // code of its own: names, mounts, networks, environment, command
  refused,      // cannot be carried over: refused unless it has a default value
  engine_made,  // an outcome, not a setting
};

struct CarryRow {
  std::string_view path;
  Carry carry;
  std::string_view why;  // empty where the rule says it all
};

// clang-format off
inline constexpr auto carry_rows = std::to_array<CarryRow>({
    {"Config.ArgsEscaped",     Carry::image_value, ""},
    {"Config.AttachStderr",    Carry::copied,      ""},
    {"Config.AttachStdin",     Carry::copied,      ""},
    {"Config.AttachStdout",    Carry::copied,      ""},
    {"Config.Cmd",             Carry::own_rule,    "with Entrypoint: a command of the image belongs to its entrypoint"},
    {"Config.Domainname",      Carry::copied,      ""},
    {"Config.Entrypoint",      Carry::own_rule,    ""},
    {"Config.Env",             Carry::own_rule,    "entry by entry, by position"},
    {"Config.ExposedPorts",    Carry::image_list,  ""},
    {"Config.Healthcheck",     Carry::image_list,  ""},
    {"Config.Hostname",        Carry::own_rule,    "unless it is the engine's default, the short id"},
    {"Config.Image",           Carry::own_rule,    "the one thing that changes"},
    {"Config.Labels",          Carry::image_list,  "without those of earlier jobs"},
    {"Config.MacAddress",      Carry::copied,      "only there when a person set it"},
    {"Config.NetworkDisabled", Carry::copied,      ""},
    {"Config.OnBuild",         Carry::image_value, ""},
    {"Config.OpenStdin",       Carry::copied,      ""},
    {"Config.Shell",           Carry::image_value, ""},
    {"Config.StdinOnce",       Carry::copied,      ""},
    {"Config.StopSignal",      Carry::image_value, ""},
    {"Config.StopTimeout",     Carry::copied,      ""},
    {"Config.Tty",             Carry::copied,      ""},
    {"Config.User",            Carry::image_value, ""},
    {"Config.Volumes",         Carry::own_rule,    "anonymous volumes become named ones"},
    {"Config.WorkingDir",      Carry::image_value, ""},

    {"HostConfig.Annotations",          Carry::copied,   ""},
    {"HostConfig.AutoRemove",           Carry::refused,  "the container vanishes when it stops: there is no way back"},
    {"HostConfig.Binds",                Carry::own_rule, "an anonymous volume is named"},
    {"HostConfig.BlkioDeviceReadBps",   Carry::copied,   ""},
    {"HostConfig.BlkioDeviceReadIOps",  Carry::copied,   ""},
    {"HostConfig.BlkioDeviceWriteBps",  Carry::copied,   ""},
    {"HostConfig.BlkioDeviceWriteIOps", Carry::copied,   ""},
    {"HostConfig.BlkioWeight",          Carry::copied,   ""},
    {"HostConfig.BlkioWeightDevice",    Carry::copied,   ""},
    {"HostConfig.CapAdd",               Carry::copied,   ""},
    {"HostConfig.CapDrop",              Carry::copied,   ""},
    {"HostConfig.Cgroup",               Carry::copied,   ""},
    {"HostConfig.CgroupParent",         Carry::copied,   ""},
    {"HostConfig.CgroupnsMode",         Carry::copied,   ""},
    {"HostConfig.ConsoleSize",          Carry::copied,   ""},
    {"HostConfig.ContainerIDFile",      Carry::copied,   ""},
    {"HostConfig.CpuCount",             Carry::copied,   ""},
    {"HostConfig.CpuPercent",           Carry::copied,   ""},
    {"HostConfig.CpuPeriod",            Carry::copied,   ""},
    {"HostConfig.CpuQuota",             Carry::copied,   ""},
    {"HostConfig.CpuRealtimePeriod",    Carry::copied,   ""},
    {"HostConfig.CpuRealtimeRuntime",   Carry::copied,   ""},
    {"HostConfig.CpuShares",            Carry::copied,   ""},
    {"HostConfig.CpusetCpus",           Carry::copied,   ""},
    {"HostConfig.CpusetMems",           Carry::copied,   ""},
    {"HostConfig.DeviceCgroupRules",    Carry::copied,   ""},
    {"HostConfig.DeviceRequests",       Carry::copied,   ""},
    {"HostConfig.Devices",              Carry::copied,   ""},
    {"HostConfig.Dns",                  Carry::copied,   ""},
    {"HostConfig.DnsOptions",           Carry::copied,   ""},
    {"HostConfig.DnsSearch",            Carry::copied,   ""},
    {"HostConfig.ExtraHosts",           Carry::copied,   ""},
    {"HostConfig.GroupAdd",             Carry::copied,   ""},
    {"HostConfig.IOMaximumBandwidth",   Carry::copied,   ""},
    {"HostConfig.IOMaximumIOps",        Carry::copied,   ""},
    {"HostConfig.Init",                 Carry::copied,   ""},
    {"HostConfig.IpcMode",              Carry::copied,   "another container's is refused before"},
    {"HostConfig.Isolation",            Carry::copied,   ""},
    {"HostConfig.KernelMemory",         Carry::copied,   ""},
    {"HostConfig.KernelMemoryTCP",      Carry::copied,   ""},
    {"HostConfig.Links",                Carry::refused,  "legacy links follow a container's name badly"},
    {"HostConfig.LogConfig",            Carry::copied,   ""},
    {"HostConfig.MaskedPaths",          Carry::copied,   ""},
    {"HostConfig.Memory",               Carry::copied,   ""},
    {"HostConfig.MemoryReservation",    Carry::copied,   ""},
    {"HostConfig.MemorySwap",           Carry::copied,   ""},
    {"HostConfig.MemorySwappiness",     Carry::copied,   ""},
    {"HostConfig.Mounts",               Carry::own_rule, "an anonymous volume is named"},
    {"HostConfig.NanoCpus",             Carry::copied,   ""},
    {"HostConfig.NetworkMode",          Carry::own_rule, ""},
    {"HostConfig.OomKillDisable",       Carry::copied,   ""},
    {"HostConfig.OomScoreAdj",          Carry::copied,   ""},
    {"HostConfig.PidMode",              Carry::copied,   "another container's is refused before"},
    {"HostConfig.PidsLimit",            Carry::copied,   ""},
    {"HostConfig.PortBindings",         Carry::copied,   ""},
    {"HostConfig.Privileged",           Carry::copied,   ""},
    {"HostConfig.PublishAllPorts",      Carry::copied,   ""},
    {"HostConfig.ReadonlyPaths",        Carry::copied,   ""},
    {"HostConfig.ReadonlyRootfs",       Carry::copied,   ""},
    {"HostConfig.RestartPolicy",        Carry::own_rule, "set when the changed container is started, not before"},
    {"HostConfig.Runtime",              Carry::copied,   ""},
    {"HostConfig.SecurityOpt",          Carry::copied,   ""},
    {"HostConfig.ShmSize",              Carry::copied,   ""},
    {"HostConfig.StorageOpt",           Carry::copied,   ""},
    {"HostConfig.Sysctls",              Carry::copied,   ""},
    {"HostConfig.Tmpfs",                Carry::copied,   ""},
    {"HostConfig.UTSMode",              Carry::copied,   ""},
    {"HostConfig.Ulimits",              Carry::copied,   ""},
    {"HostConfig.UsernsMode",           Carry::copied,   ""},
    {"HostConfig.VolumeDriver",         Carry::copied,   ""},
    {"HostConfig.VolumesFrom",          Carry::refused,  "the volumes of another container are not its own"},

    {"Endpoint.Aliases",             Carry::own_rule,    "without the engine's own, the short id"},
    {"Endpoint.DNSNames",            Carry::engine_made, ""},
    {"Endpoint.DriverOpts",          Carry::copied,      ""},
    {"Endpoint.EndpointID",          Carry::engine_made, ""},
    {"Endpoint.Gateway",             Carry::engine_made, ""},
    {"Endpoint.GlobalIPv6Address",   Carry::engine_made, ""},
    {"Endpoint.GlobalIPv6PrefixLen", Carry::engine_made, ""},
    {"Endpoint.IPAMConfig",          Carry::copied,      "the static address; a dynamic one is not pinned"},
    {"Endpoint.IPAddress",           Carry::engine_made, ""},
    {"Endpoint.IPPrefixLen",         Carry::engine_made, ""},
    {"Endpoint.IPv6Gateway",         Carry::engine_made, ""},
    {"Endpoint.Links",               Carry::refused,     "legacy links follow a container's name badly"},
    {"Endpoint.MacAddress",          Carry::engine_made, "a generated one would collide"},
    {"Endpoint.NetworkID",           Carry::engine_made, ""},
});
// clang-format on

[[nodiscard]] constexpr const CarryRow* carry_row(std::string_view section, std::string_view field) {
  for (const auto& row : carry_rows)
    if (row.path.size() == section.size() + 1 + field.size() && row.path.starts_with(section) &&
        row.path[section.size()] == '.' && row.path.ends_with(field))
      return &row;
  return nullptr;
}

}  // namespace rebottle::worker::docker
