// The one switch over the formats of lists.
// Not here: widths and colours (table.cpp).
#include "tools/listing.hpp"

#include <ostream>

#include "tools/text.hpp"

namespace rebottle::tools {

void print_object(const Context& context, const Json& object) {
  context.out() << (context.format() == Format::json ? json_document(object) : json_line(object)) << '\n';
}

void print_listing(const Context& context, const Listing& listing) {
  switch (context.format()) {
    case Format::json: {
      Json array = Json::array();
      for (const auto& record : listing.records) array.push_back(record.object);
      context.out() << json_document(array) << '\n';
      return;
    }
    case Format::jsonl:
      for (const auto& record : listing.records) context.out() << json_line(record.object) << '\n';
      return;
    case Format::name:
      for (const auto& record : listing.records) context.out() << printable(record.name) << '\n';
      return;
    case Format::table:
    case Format::wide: break;
  }
  if (listing.records.empty()) {
    if (!listing.empty.empty()) context.say(listing.empty);
    return;
  }
  std::vector<std::vector<Cell>> rows;
  for (const auto& record : listing.records) rows.push_back(record.cells);
  print_table(context.out(), listing.columns, rows, context.table_style());
}

}  // namespace rebottle::tools
