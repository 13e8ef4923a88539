// The table. What each effect needs of the ones before it decides the order.
// Not here: what the effects do.
#include "worker/backends/smolmachines/effect_table.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>

#include "worker/backends/json_access.hpp"

namespace rebottle::worker::smolmachines {
namespace {

bool always(const JobView& /*job*/) { return true; }
bool beside(const JobView& job) { return job.makes_machine(); }
bool in_place(const JobView& job) { return !job.makes_machine(); }
bool imports(const JobView& job) { return std::holds_alternative<schema::Args::ImageFile>(job.context.args.change); }
bool builds(const JobView& job) { return job.builds(); }
bool resolves(const JobView& job) { return job.resolves(); }
bool needs_builder(const JobView& job) { return job.needs_builder(); }
bool needs_current(const JobView& job) { return job.needs_current(); }
bool keeps_paths(const JobView& job) {
  // Once admitted, those that are on mounts or lie in the same machine are known to need no keeping.
  const json& kept = at(job.baseline(), "paths");
  return beside(job) && (kept.is_array() ? !kept.empty() : !job.context.args.snapshot.paths.empty());
}
bool restores_paths(const JobView& job) { return keeps_paths(job) && job.context.args.snapshot.restore; }

std::string machine(const JobView& job) { return "the machine " + job.old_machine(); }
std::string changed(const JobView& job) {
  const auto name = job.new_machine();
  if (name.empty()) return job.makes_machine() ? "the new machine" : machine(job);
  return (job.makes_machine() ? "the new machine " : "the machine ") + name;
}

std::string what_admit(const JobView& job) { return "check " + machine(job); }
std::string what_import(const JobView& job) { return "copy the approved image file to " + job.image_file().string(); }
// The builder's names, where there is one.
std::string builder(const JobView& job) {
  return job.builder == nullptr ? "the builder" : std::string(job.builder->name());
}
std::string built(const JobView& job) {
  return job.builder == nullptr ? "of the job" : job.builder->image_name(job.context);
}
std::string what_provide(const JobView& job) {
  const auto present = job.present_image();
  const auto name = job.builder->current_name(job.context);
  if (present.reference.empty() && !present.archive.empty())
    return "load " + present.archive.string() + ", the image of " + machine(job) + ", into " + builder(job) + " as " +
           name;
  return "tag the image of " + machine(job) + " in " + builder(job) + " as " + name;
}
std::string what_build(const JobView& job) { return "build the image " + built(job) + " by " + builder(job); }
std::string what_resolve(const JobView& job) {
  const bool pulls = job.builder != nullptr && job.builder->pulls();
  return "find the image " + std::get<schema::Args::Image>(job.context.args.change).reference + " in " + builder(job) +
         (pulls ? ", or pull it" : "");
}
std::string what_export(const JobView& job) {
  return "export the image from " + builder(job) + " to " + job.image_file().string();
}
std::string what_create(const JobView& job) {
  return "create " + changed(job) + ", its settings kept in " + job.spec_file(job.context.job_key).string();
}
std::string what_record(const JobView& job) { return "look at " + machine(job) + " for drift"; }
std::string what_save(const JobView& job) {
  return "keep the paths of " + machine(job) + " in " + job.path_dir().string();
}
std::string what_stop(const JobView& job) {
  const bool kept = job.makes_machine() && !job.baseline().empty() && at(job.baseline(), "ours") != true;
  return "stop " + machine(job) + (kept ? ", which stays: rebottle did not make it" : "");
}
std::string what_copy(const JobView& job) {
  return "copy the disks of " + machine(job) + " to " + job.disk_dir().string();
}
std::string what_start(const JobView& job) { return "start " + changed(job); }
std::string what_again(const JobView& job) { return "start " + machine(job) + " again"; }
std::string what_restore(const JobView& job) {
  return "put the kept paths into " + changed(job) + " and start it again";
}
std::string what_run(const JobView& job) {
  return "run the approved commands once in " + machine(job) + ", with marks in " + std::string(mark_root);
}
std::string what_verify(const JobView& job) { return "verify " + changed(job); }
std::string what_verify_old(const JobView& job) { return "prove that " + machine(job) + " is as it was"; }

constexpr bool yes = true;
constexpr bool no = false;

// clang-format off
constexpr auto rows = std::to_array<EffectRow>({
    // name                   step             mut. undo intr beg. ends wanted          summary          observe                perform
    {effect::admit,           State::prepare,  no,  no,  yes, no,  no,  always,         what_admit,      observe_admit,         perform_admit},
    {effect::import_image,    State::prepare,  yes, no,  no,  no,  no,  imports,        what_import,     observe_image_file,    perform_import_image},
    {effect::provide_current, State::prepare,  yes, no,  yes, no,  no,  needs_current,  what_provide,    observe_current,       perform_provide_current},
    {effect::build_image,     State::prepare,  yes, no,  yes, no,  no,  builds,         what_build,      observe_made_image,    perform_make_image},
    {effect::resolve_image,   State::prepare,  no,  no,  yes, no,  no,  resolves,       what_resolve,    observe_made_image,    perform_make_image},
    {effect::export_image,    State::prepare,  yes, no,  yes, no,  no,  needs_builder,  what_export,     observe_image_file,    perform_export_image},
    {effect::create_new,      State::prepare,  yes, no,  no,  no,  no,  beside,         what_create,     observe_create_new,    perform_create_new},

    {effect::record,          State::snapshot, no,  no,  no,  no,  no,  always,         what_record,     observe_record,        perform_record},
    {effect::save_paths,      State::snapshot, yes, no,  no,  no,  no,  keeps_paths,    what_save,       observe_save_paths,    perform_save_paths},

    {effect::stop_old,        State::stop,     yes, yes, no,  yes, no,  always,         what_stop,       observe_stop_old,      perform_stop_old},

    {effect::copy_disks,      State::apply,    yes, yes, no,  no,  no,  in_place,       what_copy,       observe_copy_disks,    perform_copy_disks},

    {effect::start_new,       State::restart,  yes, yes, no,  no,  yes, beside,         what_start,      observe_start,         perform_start},
    {effect::start_again,     State::restart,  yes, yes, no,  no,  yes, in_place,       what_again,      observe_start,         perform_start},
    {effect::run_commands,    State::restart,  yes, no,  no,  no,  no,  in_place,       what_run,        observe_run_commands,  perform_run_commands},
    {effect::restore_paths,   State::restart,  yes, yes, no,  no,  yes, restores_paths, what_restore,    observe_restore_paths, perform_restore_paths},

    {effect::verify_new,      State::verify,   no,  no,  yes, no,  no,  always,         what_verify,     observe_verify_new,    perform_verify_new},

    {effect::verify_old,      State::rollback, no,  no,  no,  no,  no,  always,         what_verify_old, observe_verify_old,    perform_verify_old},
});
// clang-format on

}  // namespace

std::span<const EffectRow> effect_rows() { return rows; }

const EffectRow& effect_row(std::string_view name) {
  for (const auto& row : rows)
    if (row.name == name) return row;
  std::fprintf(stderr, "smolmachines backend: no effect is called %.*s\n", static_cast<int>(name.size()), name.data());
  std::abort();
}

std::vector<Effect> effects_of(const JobView& job, State step) {
  std::vector<Effect> out;
  for (const auto& row : rows) {
    if (row.step != step || !row.wanted(job)) continue;
    Effect effect;
    effect.name = row.name;
    effect.step = row.step;
    effect.summary = row.summary(job);
    // Finding an image only reads, unless it may be fetched.
    effect.mutates =
        row.mutates || (row.name == effect::resolve_image && job.builder != nullptr && job.builder->pulls());
    effect.undoable = row.undoable;
    effect.interruptible = row.interruptible;
    effect.begins_downtime = row.begins_downtime;
    // With paths to put back, the bottle is up when it has been started with them.
    effect.ends_downtime = row.ends_downtime && !(row.name == effect::start_new && restores_paths(job));
    out.push_back(std::move(effect));
  }
  return out;
}

}  // namespace rebottle::worker::smolmachines
