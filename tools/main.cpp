// The executable `rebottle`: only main.
// Not here: anything else (run.hpp).
#include "tools/run.hpp"

int main(int argc, char** argv) {
  const auto environment = rebottle::tools::process_environment();
  return rebottle::tools::run(argc, argv, environment);
}
