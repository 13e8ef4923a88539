// The table. Not here: why the order is what it is (the Docker backend's effect table).
#include "worker/backends/null/sequence.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace rebottle::worker::null {
namespace {

bool always(const JobContext& /*job*/) { return true; }
bool builds(const JobContext& job) {
  return std::holds_alternative<schema::Args::Dockerfile>(job.args.change) ||
         std::holds_alternative<schema::Args::Commands>(job.args.change);
}
bool resolves(const JobContext& job) { return !builds(job); }
bool keeps_paths(const JobContext& job) { return !job.args.snapshot.paths.empty(); }
bool restores_paths(const JobContext& job) { return keeps_paths(job) && job.args.snapshot.restore; }

constexpr bool yes = true;
constexpr bool no = false;

// clang-format off
constexpr auto rows = std::to_array<Row>({
    // name               step             mutates undo interrupt begins ends  wanted          summary
    {"admit",             State::prepare,  no,     no,  yes,      no,    no,   always,         "check {bottle}"},
    {"pin_image",         State::prepare,  yes,    no,  no,       no,    no,   always,         "tag its image {bottle}:prev-{job}"},
    {"build_image",       State::prepare,  yes,    no,  yes,      no,    no,   builds,         "build the image {bottle}:job-{job}"},
    {"resolve_image",     State::prepare,  no,     no,  yes,      no,    no,   resolves,       "find the image"},
    {"create_new",        State::prepare,  yes,    no,  no,       no,    no,   always,         "create {bottle}.new-{job}"},
    {"connect_networks",  State::prepare,  yes,    no,  no,       no,    no,   always,         "connect {bottle}.new-{job} to the other networks"},

    {"record",            State::snapshot, no,     no,  no,       no,    no,   always,         "record {bottle} and look for drift"},

    {"disarm",            State::stop,     yes,    yes, no,       no,    no,   always,         "set the restart policy of {bottle} to no"},
    {"stop_old",          State::stop,     yes,    yes, no,       yes,   no,   always,         "stop {bottle}"},

    {"save_paths",        State::apply,    yes,    no,  no,       no,    no,   keeps_paths,    "keep the paths of {bottle}"},
    {"park_old",          State::apply,    yes,    yes, no,       no,    no,   always,         "rename {bottle} to {bottle}.prev-{job}"},
    {"take_name",         State::apply,    yes,    yes, no,       no,    no,   always,         "rename {bottle}.new-{job} to {bottle}"},
    {"restore_paths",     State::apply,    yes,    no,  no,       no,    no,   restores_paths, "put the kept paths into the changed {bottle}"},

    {"start_new",         State::restart,  yes,    yes, no,       no,    yes,  always,         "start the changed {bottle}"},

    {"verify_new",        State::verify,   no,     no,  yes,      no,    no,   always,         "verify the changed {bottle}"},
    {"tag_current",       State::verify,   yes,    yes, no,       no,    no,   always,         "tag its image {bottle}:current"},

    {"verify_old",        State::rollback, no,     no,  no,       no,    no,   always,         "prove that {bottle} is as it was"},
});
// clang-format on

std::string filled(std::string_view summary, const JobContext& job) {
  std::string text(summary);
  for (const auto& [mark, value] : {std::pair{std::string("{bottle}"), job.bottle}, {"{job}", job.job_key}})
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size()))
      text.replace(at, mark.size(), value);
  return text;
}

}  // namespace

const Row* find_row(std::string_view name) {
  const auto* const found = std::ranges::find(rows, name, &Row::name);
  return found == rows.end() ? nullptr : found;
}

std::vector<Effect> effects_of(const JobContext& job, State step) {
  std::vector<Effect> out;
  for (const auto& row : rows) {
    if (row.step != step || !row.wanted(job)) continue;
    Effect effect;
    effect.name = row.name;
    effect.step = row.step;
    effect.summary = filled(row.summary, job);
    effect.mutates = row.mutates;
    effect.undoable = row.undoable;
    effect.interruptible = row.interruptible;
    effect.begins_downtime = row.begins_downtime;
    effect.ends_downtime = row.ends_downtime;
    out.push_back(std::move(effect));
  }
  return out;
}

}  // namespace rebottle::worker::null
