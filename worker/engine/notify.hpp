// What the service tells systemd: ready, alive, stopping. Without NOTIFY_SOCKET every call does nothing.
// Not here: when to tell it (service.cpp).
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace rebottle::worker::notify {

void ready(const std::string& status);
void status(const std::string& text);
void alive();
void stopping(const std::string& status);
// Asks for that much more time before systemd gives up on a start or a stop.
void extend_timeout(std::chrono::milliseconds time);
// How often `alive` must be called at least; empty if systemd does not watch.
[[nodiscard]] std::optional<std::chrono::milliseconds> watchdog_interval();

}  // namespace rebottle::worker::notify
