// Shell text that more than one script in a machine begins with. Not here: the scripts.
#pragma once

#include <string_view>

namespace rebottle::worker::smolmachines {

// Sets `mine`: " 1 17 16 " for the machine's init, the shell itself and those that it descends from.
inline constexpr std::string_view guest_own_processes = R"sh(
mine=" 1 $$ "
up=$$
while [ "${up:-1}" -gt 1 ] 2>/dev/null; do
  of=$up
  up=
  while read -r key value rest; do [ "$key" = PPid: ] && up=$value; done 2>/dev/null < "/proc/$of/status"
  mine="$mine$up "
done
)sh";

}  // namespace rebottle::worker::smolmachines
