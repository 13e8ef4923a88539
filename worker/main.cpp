// The executable rebottled. Not here: anything; see program.hpp.
#include "worker/program.hpp"

int main(int argc, char** argv) { return rebottle::worker::run_rebottled(argc, argv); }
