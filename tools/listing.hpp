// A list of like things, printed in whichever format was asked for.
// Not here: single things with many fields (show.cpp).
#pragma once

#include <string>
#include <vector>

#include "tools/context.hpp"
#include "tools/json_text.hpp"

namespace rebottle::tools {

struct Record {
  Json object;              // for json and jsonl
  std::string name;         // for name: an id
  std::vector<Cell> cells;  // one for each column
};

struct Listing {
  std::vector<Column> columns;
  std::vector<Record> records;
  std::string empty;  // said on stderr when there is nothing to list and a person reads it
};

// json: one array; jsonl: an object a line; name: an id a line; else a table, without its head if empty.
void print_listing(const Context& context, const Listing& listing);

// One object: json indented, jsonl in a line.
void print_object(const Context& context, const Json& object);

}  // namespace rebottle::tools
