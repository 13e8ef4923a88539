// sd_notify, and nothing else. Not here: the socket protocol; libsystemd speaks it.
#include "worker/engine/notify.hpp"

#include <systemd/sd-daemon.h>

#include <cstdint>

namespace rebottle::worker::notify {

namespace {

// A lost notification must not stop a remediation: systemd's own timeouts are the answer to it.
void tell(const std::string& text) { static_cast<void>(::sd_notify(0, text.c_str())); }

}  // namespace

void ready(const std::string& status) { tell("READY=1\nSTATUS=" + status); }
void status(const std::string& text) { tell("STATUS=" + text); }
void alive() { tell("WATCHDOG=1"); }
void stopping(const std::string& status) { tell("STOPPING=1\nSTATUS=" + status); }

void extend_timeout(std::chrono::milliseconds time) {
  tell("EXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds(time).count()));
}

std::optional<std::chrono::milliseconds> watchdog_interval() {
  std::uint64_t interval_us = 0;
  if (::sd_watchdog_enabled(0, &interval_us) <= 0) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::microseconds(interval_us));
}

}  // namespace rebottle::worker::notify
