// What the operator configures for the smolmachines backend ([backends.smolmachines] in rebottle.toml).
// Plain data with its defaults. Not here: reading TOML.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace rebottle::worker::smolmachines {

struct SmolmachinesConfig {
  bool enabled = false;
  std::filesystem::path engine = "/usr/bin/smolvm";
  // What --state-dir is set to, always: the directory whose machines are the bottles.
  std::filesystem::path engine_state_dir = "/var/lib/smolvm";
  std::filesystem::path kvm = "/dev/kvm";
  std::string min_version = "1.32.0";
  // The bottle's machine before rebottle first changed it; {bottle} stands for the slug.
  std::string machine = "{bottle}";
  // <bottle>.json: with what options of `machine create` the provisioner made it. Empty: nobody says.
  std::filesystem::path spec_dir;
  std::vector<std::filesystem::path> import_dirs;  // where args.change.image.file is looked for
  // Whose engine builds images for us: the name of another section. Empty: nobody's.
  std::string builder;
  int concurrency = 2;      // bottles at the same time
  int call_timeout_s = 30;  // of every call but the ones below
  // A start is never given up before the engine answers: ending it would leave a machine that nobody knows of.
  int start_timeout_s = 300;   // after that the job waits for it
  int stop_timeout_s = 30;     // where the job does not say
  int exec_timeout_s = 600;    // of the approved commands, and of reading and writing paths
  int stable_s = 3;            // the changed bottle must run that long without a restart
  int verify_timeout_s = 120;  // for verify.exec
  std::int64_t snapshot_max_bytes = std::int64_t{1} << 30;  // where the job does not say
  // Ours alone, 0700: disks, images, paths and specs that are kept. Empty: <state_dir>/smolmachines.
  std::filesystem::path work_dir;
};

}  // namespace rebottle::worker::smolmachines
