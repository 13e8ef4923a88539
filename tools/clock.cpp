// std::chrono's clocks in the project's units.
// Not here: any use of them.
#include "tools/clock.hpp"

namespace rebottle::tools {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

schema::Milliseconds wall_clock() {
  return duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

milliseconds monotonic_clock() {
  return duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace rebottle::tools
