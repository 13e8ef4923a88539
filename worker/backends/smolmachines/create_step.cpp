// Makes the changed machine while the old one runs: created, not started, from the same settings and the new image.
// Not here: what the settings are (spec.cpp).
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/image_file.hpp"
#include "worker/backends/smolmachines/spec_source.hpp"
#include "worker/backends/smolmachines/steps.hpp"
#include "worker/backends/smolmachines/target.hpp"

namespace rebottle::worker::smolmachines {
namespace {

json created_result(const json& machine) {
  return {{"machine", at(machine, "name")}, {"image", at(machine, "image")}, {"created_at", at(machine, "created_at")}};
}

std::int64_t fence_of(const json& machine) {
  const auto digits = label_of(machine, label::fence);
  return digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos || digits.size() > 18
             ? 0
             : std::stoll(digits);
}

Observed judge_created(const JobView& job, const json& machine) {
  const auto name = job.new_machine();
  if (!made_by(machine, job.context.job_key))
    return seen_as(World::foreign, "a machine " + name + " is there that this job did not make");
  if (fence_of(machine) > job.context.fence)
    return seen_as(World::unknown, name + " was made under a newer fence than ours");
  return {World::present, created_result(machine), {}};
}

// What the machine is made from is proved at the last moment, not only when it was copied.
awaitable<Performed> prove_image(Engine& engine, const JobView& job) {
  const auto wanted = text(at(job.image_fact(), "sha256"));
  std::function<std::string()> work = [file = job.image_file()] { return file_sha256(file); };
  const auto found = co_await on_thread(engine.reading, std::move(work));
  if (found == wanted && !found.empty()) co_return Performed::done();
  co_return Performed::failed(Outcome::permanent, "image_changed",
                              "The copy of the image is not what was approved any more; approve the change again.",
                              {{"file", job.image_file().string()}, {"expected", wanted}, {"found", found}});
}

}  // namespace

awaitable<Observed> observe_create_new(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto name = job.new_machine();
  const auto at_work = engine.calls.at_work(name);
  if (!at_work.empty()) co_return seen_as(World::unknown, "a call still works on " + name + ": " + at_work);
  const auto machines = co_await list_machines(engine);
  if (!machines.known) co_return seen_as(World::unknown, machines.answer.error);
  const json& machine = machines.find(name);
  if (machine.is_null()) co_return seen_as(World::absent);
  co_return judge_created(job, machine);
}

awaitable<Performed> perform_create_new(Engine& engine, const JobView& job, Direction direction) {
  auto found = co_await find_target(engine, job);
  if (found.refusal.reason_code == "backend_absent") found.refusal.outcome = Outcome::unreachable;
  if (found.refusal.outcome != Outcome::done) co_return found.refusal;
  const auto spec = find_spec(engine.config, job, found.target.machine);
  if (spec.refusal.outcome != Outcome::done || !spec.spec) co_return spec.refusal;
  if (spec.spec->sha256() != text(at(job.baseline(), "spec_sha256")))
    co_return Performed::failed(Outcome::stale, "drift", "The settings in " + spec.file + " were changed meanwhile.",
                                {{"spec_file", spec.file}});
  const auto proved = co_await prove_image(engine, job);
  if (proved.outcome != Outcome::done) co_return proved;
  const auto name = job.new_machine();
  // First our own record of the settings: a machine without it could not be changed again.
  const auto error = co_await write_file(engine, job.spec_file(job.context.job_key), spec.spec->document().dump());
  if (!error.empty())
    co_return Performed::failed(Outcome::transient, "spec_not_written", "The settings cannot be written: " + error,
                                {{"error", error}});
  auto options = spec.spec->options();
  options.push_back("--image=" + job.image_file().string());
  for (auto& option : label_options(job.context, job.new_rev(), spec.spec->sha256(), found.target.machine))
    options.push_back(std::move(option));
  for (auto& word : spec.spec->workload()) options.push_back(std::move(word));
  const auto created = co_await create_machine(engine, name, std::move(options));
  if (!created.succeeded()) co_return failure(created, "create the machine " + name);
  const auto observed = co_await observe_create_new(engine, job, direction);
  if (observed.world == World::present) co_return Performed::done(observed.result);
  co_return Performed::failed(Outcome::transient, "not_created",
                              "The machine " + name + " is not there after it was created.",
                              {{"observed", observed.detail}});
}

}  // namespace rebottle::worker::smolmachines
