// The table. What each effect needs of the ones before it decides the order.
// Not here: what the effects do.
#include "worker/backends/docker/effect_table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace rebottle::worker::docker {
namespace {

bool always(const JobView& /*job*/) { return true; }
bool builds(const JobView& job) { return job.builds(); }
bool updates_policy(const JobView& job) { return dialect_of(job.engine()).updates_policy; }
bool imports(const JobView& job) { return job.imports(); }
bool resolves(const JobView& job) { return job.resolves(); }
bool makes(const JobView& job) { return !job.undoes(); }
bool overrides(const JobView& job) { return !at(job.baseline(), "override").is_null(); }
bool keeps_paths(const JobView& job) { return makes(job) && !job.context.args.snapshot.paths.empty(); }
bool restores_paths(const JobView& job) { return keeps_paths(job) && job.context.args.snapshot.restore; }

std::string container(const JobView& job) {
  return job.names.container.empty() ? "of the bottle " + job.context.bottle : job.names.container;
}
std::string what_admit(const JobView& job) { return "check the container " + container(job); }
std::string what_pin(const JobView& job) { return "tag its image " + job.names.tag_previous; }
std::string what_build(const JobView& job) { return "build the image " + job.names.tag_job; }
std::string what_import(const JobView& job) {
  return "load the image " + job.names.tag_job + " from the file " +
         std::get<schema::Args::ImageFile>(job.context.args.change).file;
}
std::string what_resolve(const JobView& job) { return "find the image " + job.image_reference(); }
// Where a label decides, the names are known from the admission on.
std::string created(const JobView& job) {
  return job.names.container.empty() ? "for the bottle " + job.context.bottle : job.names.created;
}
std::string what_create(const JobView& job) {
  const auto like = job.is_agent() ? std::string() : " like " + container(job) + ", from the same image";
  return "create the container " + created(job) + like;
}
std::string what_connect(const JobView& job) {
  return "connect the container " + created(job) + " to the other networks";
}
std::string what_record(const JobView& job) { return "record " + container(job) + " and look for drift"; }
std::string what_disarm(const JobView& job) { return "set the restart policy of " + container(job) + " to no"; }
std::string what_stop(const JobView& job) { return "stop " + container(job); }
std::string what_save(const JobView& job) {
  return "keep " + std::to_string(job.context.args.snapshot.paths.size()) + " paths of " + container(job);
}
std::string what_park(const JobView& job) { return "rename " + container(job) + " to " + job.names.parked; }
std::string what_take(const JobView& job) { return "rename " + job.names.created + " to " + container(job); }
std::string what_restore(const JobView& job) { return "put the kept paths into the changed " + container(job); }
std::string what_start(const JobView& job) {
  if (job.undoes())
    return (job.is_started() ? "start " : "leave stopped ") + container(job) + ", as it was before the change";
  if (!job.is_started()) return "leave the recreated " + container(job) + " stopped, as it was";
  return (job.is_agent() ? "start the changed " : "start the recreated ") + container(job);
}
std::string what_verify(const JobView& job) {
  return "verify the " + std::string(job.undoes() ? "old " : "changed ") + container(job);
}
std::string what_override(const JobView& job) {
  const auto path = text(at(at(job.baseline(), "override"), "path"));
  return (job.undoes() ? "put back what was before in " : "write the Dockerfile to ") + path;
}
std::string what_tag(const JobView& job) {
  return job.undoes() ? "put the tag " + job.names.tag_current + " back" : "tag its image " + job.names.tag_current;
}
std::string what_verify_old(const JobView& job) { return "prove that " + container(job) + " is as it was"; }

constexpr bool yes = true;
constexpr bool no = false;

// clang-format off
constexpr auto rows = std::to_array<EffectRow>({
    // name                    step             scope               mutates undo interrupt begins ends  wanted          summary          observe                      perform
    {effect::admit,            State::prepare,  Scope::agent,       no,     no,  yes,      no,    no,   always,         what_admit,      observe_recorded_admit,      perform_admit},
    {effect::pin_image,        State::prepare,  Scope::owner_first, yes,    no,  no,       no,    no,   always,         what_pin,        observe_pin_image,           perform_pin_image},
    {effect::build_image,      State::prepare,  Scope::agent,       yes,    no,  yes,      no,    no,   builds,         what_build,      observe_build_image,         perform_build_image},
    {effect::import_image,     State::prepare,  Scope::agent,       yes,    no,  yes,      no,    no,   imports,        what_import,     observe_import_image,        perform_import_image},
    {effect::resolve_image,    State::prepare,  Scope::agent,       no,     no,  yes,      no,    no,   resolves,       what_resolve,    observe_resolve_image,       perform_resolve_image},
    {effect::create_new,       State::prepare,  Scope::owner_first, yes,    no,  no,       no,    no,   makes,          what_create,     observe_create_new,          perform_create_new},
    {effect::connect_networks, State::prepare,  Scope::owner_first, yes,    no,  no,       no,    no,   makes,          what_connect,    observe_connect_networks,    perform_connect_networks},

    {effect::record,           State::snapshot, Scope::agent,       no,     no,  no,       no,    no,   always,         what_record,     observe_record,              perform_record},

    {effect::disarm,           State::stop,     Scope::owner_first, yes,    yes, no,       no,    no,   updates_policy, what_disarm,     observe_disarm,              perform_disarm},
    {effect::stop_old,         State::stop,     Scope::owner_last,  yes,    yes, no,       yes,   no,   always,         what_stop,       observe_stop_old,            perform_stop_old},

    {effect::save_paths,       State::apply,    Scope::agent,       yes,    no,  no,       no,    no,   keeps_paths,    what_save,       observe_save_paths,          perform_save_paths},
    {effect::park_old,         State::apply,    Scope::owner_first, yes,    yes, no,       no,    no,   always,         what_park,       observe_park_old,            perform_park_old},
    {effect::take_name,        State::apply,    Scope::owner_first, yes,    yes, no,       no,    no,   always,         what_take,       observe_take_name,           perform_take_name},
    {effect::restore_paths,    State::apply,    Scope::agent,       yes,    no,  no,       no,    no,   restores_paths, what_restore,    observe_restore_paths,       perform_restore_paths},

    {effect::start_new,        State::restart,  Scope::owner_first, yes,    yes, no,       no,    yes,  always,         what_start,      observe_start_new,           perform_start_new},

    {effect::verify_new,       State::verify,   Scope::agent,       no,     no,  yes,      no,    no,   always,         what_verify,     observe_recorded_verify_new, perform_verify_new},
    {effect::write_override,   State::verify,   Scope::agent,       yes,    yes, no,       no,    no,   overrides,      what_override,   observe_write_override,      perform_write_override},
    {effect::tag_current,      State::verify,   Scope::agent,       yes,    yes, no,       no,    no,   always,         what_tag,        observe_tag_current,         perform_tag_current},

    {effect::verify_old,       State::rollback, Scope::agent,       no,     no,  no,       no,    no,   always,         what_verify_old, observe_recorded_verify_old, perform_verify_old},
});
// clang-format on

std::vector<std::string> members_in_order(const EffectRow& row, const JobView& job) {
  if (row.scope == Scope::agent) return {std::string()};
  auto members = job.members();
  if (row.scope == Scope::owner_last) std::ranges::reverse(members);
  return members;
}

bool is_started(const JobView& job, const std::string& member) { return job.of(member).is_started(); }

std::string first_started(const JobView& job, const std::vector<std::string>& members) {
  const auto found = std::ranges::find_if(members, [&](const auto& member) { return is_started(job, member); });
  return found == members.end() ? std::string() : *found;
}

std::string last_started(const JobView& job, std::vector<std::string> members) {
  std::ranges::reverse(members);
  return first_started(job, members);
}

}  // namespace

std::span<const EffectRow> effect_rows() { return rows; }

const EffectRow& effect_row(std::string_view name) {
  for (const auto& row : rows)
    if (row.name == effect_of(name)) return row;
  std::fprintf(stderr, "docker backend: no effect is called %.*s\n", static_cast<int>(name.size()), name.data());
  std::abort();
}

std::vector<Effect> effects_of(const Engine& engine, const JobView& job, State step) {
  std::vector<Effect> out;
  for (const auto& row : rows) {
    if (row.step != step || !row.wanted(job)) continue;
    const auto members = members_in_order(row, job);
    for (const auto& member : members) {
      Effect effect;
      effect.name = effect_name(row.name, member);
      effect.step = row.step;
      effect.summary = row.summary(job.of(member));
      // Finding an image only reads, unless it may be fetched.
      effect.mutates = row.mutates || (row.name == effect::resolve_image && engine.config.pull);
      effect.undoable = row.undoable;
      effect.interruptible = row.interruptible;
      effect.begins_downtime = row.begins_downtime && member == first_started(job, members);
      effect.ends_downtime = row.ends_downtime && member == last_started(job, members);
      out.push_back(std::move(effect));
    }
  }
  return out;
}

}  // namespace rebottle::worker::docker
