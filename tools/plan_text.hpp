// The service's answer to "what would you do?", as people read it.
// Not here: the question (plan.cpp, undo.cpp).
#pragma once

#include "tools/context.hpp"

namespace rebottle::tools {

// Prints the plan that the answered request holds; a failure where there is none, or where it says "not possible".
[[nodiscard]] Outcome print_plan(const Context& context, const schema::Request& answered);

}  // namespace rebottle::tools
