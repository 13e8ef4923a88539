// Brings the image of the new machine into our own directory, as an archive that the engine can read: copied from a
// file, or built or found by the builder and exported. Not here: the machine (create_step.cpp), the building.
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/image_file.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {
namespace {

// A service that was started anew without the builder that a job of its was admitted with.
Performed no_builder() {
  return Performed::failed(Outcome::permanent, "builder_absent",
                           "No builder is configured any more; set backends.smolmachines.builder.");
}

std::string make_image_dir(const JobView& job) {
  std::error_code error;
  std::filesystem::create_directory(job.image_dir(), error);
  return error ? "cannot make " + job.image_dir().string() + ": " + error.message() : std::string();
}

Performed not_imported(const std::string& error, json detail) {
  detail["error"] = error;
  return Performed::failed(Outcome::transient, "image_not_imported", "The image cannot be imported: " + error,
                           std::move(detail));
}

}  // namespace

// A file alone says nothing of whose it is: only this job's own record of one that was proved counts.
awaitable<Observed> observe_image_file(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  const json& known = job.image_fact();
  std::error_code error;
  const auto size = std::filesystem::file_size(job.image_file(), error);
  if (error || at(known, "bytes") != size) co_return seen_as(World::absent);
  co_return Observed{World::present, known, {}};
}

awaitable<Performed> perform_import_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  const auto* wanted = std::get_if<schema::Args::ImageFile>(&job.context.args.change);
  if (wanted == nullptr)
    co_return Performed::failed(Outcome::permanent, "change_unsupported", "This is no image file.");
  std::string other_digest;
  std::function<std::string()> work = [&config = engine.config, file = *wanted, to = job.image_file(), &other_digest] {
    return import_image_file(config, file, to, other_digest);
  };
  const auto error = co_await on_thread(engine.reading, std::move(work));
  if (!other_digest.empty())
    co_return Performed::failed(Outcome::stale, "drift", "The image file is not what was approved: " + error + ".",
                                {{"file", wanted->file}, {"expected", wanted->sha256}, {"found", other_digest}});
  if (!error.empty()) co_return not_imported(error, {{"file", wanted->file}});
  std::error_code gone;
  json result = {{"file", job.image_file().string()},
                 {"bytes", std::filesystem::file_size(job.image_file(), gone)},
                 {"sha256", wanted->sha256}};
  co_return Performed::done(std::move(result));
}

awaitable<Observed> observe_current(Engine& engine, const JobView& job, Direction /*direction*/) {
  if (!engine.builder) co_return seen_as(World::absent);
  auto out = co_await engine.builder->observe_current(job.context);
  co_return out;
}

awaitable<Performed> perform_provide_current(Engine& engine, const JobView& job, Direction /*direction*/) {
  if (!engine.builder) co_return no_builder();
  if (const auto error = make_image_dir(job); !error.empty()) co_return not_imported(error, json::object());
  const auto present = job.present_image();
  auto out = co_await engine.builder->provide_current(job.context, present, job.image_dir() / "current.tar");
  co_return out;
}

awaitable<Observed> observe_made_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  if (!engine.builder) co_return seen_as(World::absent);
  auto out = co_await engine.builder->observe_image(job.context);
  co_return out;
}

awaitable<Performed> perform_make_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  if (!engine.builder) co_return no_builder();
  auto out = co_await engine.builder->make_image(job.context);
  co_return out;
}

awaitable<Performed> perform_export_image(Engine& engine, const JobView& job, Direction /*direction*/) {
  if (!engine.builder) co_return no_builder();
  if (const auto error = make_image_dir(job); !error.empty()) co_return not_imported(error, json::object());
  auto out = co_await engine.builder->export_image(job.context, job.image_file());
  if (out.outcome != Outcome::done) co_return out;
  std::function<std::string()> work = [file = job.image_file()] { return file_sha256(file); };
  const auto sha256 = co_await on_thread(engine.reading, std::move(work));
  out.result["sha256"] = sha256;
  co_return out;
}

}  // namespace rebottle::worker::smolmachines
