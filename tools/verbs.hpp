// The verbs of the command line, each in a file of its own; the order is that of the help.
// Not here: what they share.
#pragma once

namespace rebottle::tools {

struct CommandLine;

void add_enqueue(CommandLine& line);
void add_plan(CommandLine& line);
void add_list(CommandLine& line);
void add_show(CommandLine& line);
void add_history(CommandLine& line);  // history and watch
void add_log(CommandLine& line);
void add_wait(CommandLine& line);
void add_requests(CommandLine& line);  // cancel, retry, rollback, resolve
void add_undo(CommandLine& line);
void add_freezes(CommandLine& line);   // freeze, unfreeze
void add_backends(CommandLine& line);  // supports, backends
void add_bottles(CommandLine& line);   // bottles, freezes
void add_states(CommandLine& line);
void add_database(CommandLine& line);  // migrate, version

}  // namespace rebottle::tools
