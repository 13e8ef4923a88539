// Brings the image of the new machine into our own directory, as an archive that the engine can read.
// Not here: the machine (create_step.cpp).
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/files.hpp"
#include "worker/backends/smolmachines/image_file.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {
namespace {

awaitable<std::string> call_here(std::function<std::string()> work) { co_return work(); }

}  // namespace

awaitable<std::string> on_disk(Engine& engine, std::function<std::string()> work) {
  auto task = call_here(std::move(work));
  auto error = co_await boost::asio::co_spawn(engine.disk, std::move(task), boost::asio::use_awaitable);
  co_return error;
}

awaitable<std::string> write_file(Engine& engine, std::filesystem::path path, std::string content) {
  std::function<std::string()> work = [path = std::move(path), content = std::move(content)]() -> std::string {
    FileWriter writer(path);
    return writer.write(content) && writer.seal() ? std::string() : writer.error();
  };
  auto error = co_await on_disk(engine, std::move(work));
  co_return error;
}

// The file has its name only when all of it is there, and was the approved one.
awaitable<Observed> observe_import_image(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  const auto file = job.image_file(job.new_machine());
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error) co_return seen_as(World::absent);
  json result = {{"file", file.string()}, {"bytes", size}};
  co_return Observed{World::present, std::move(result), {}};
}

awaitable<Performed> perform_import_image(Engine& engine, const JobView& job, Direction direction) {
  const auto* wanted = std::get_if<schema::Args::ImageFile>(&job.context.args.change);
  if (wanted == nullptr)
    co_return Performed::failed(Outcome::permanent, "change_unsupported", "This is no image file.");
  std::string other_digest;
  std::function<std::string()> work = [&config = engine.config, file = *wanted, to = job.image_file(job.new_machine()),
                                       &other_digest] { return import_image_file(config, file, to, other_digest); };
  const auto error = co_await on_disk(engine, std::move(work));
  if (!other_digest.empty())
    co_return Performed::failed(Outcome::stale, "drift", "The image file is not what was approved: " + error + ".",
                                {{"file", wanted->file}, {"expected", wanted->sha256}, {"found", other_digest}});
  if (!error.empty())
    co_return Performed::failed(Outcome::transient, "image_not_imported", "The image cannot be imported: " + error,
                                {{"file", wanted->file}, {"error", error}});
  const auto observed = co_await observe_import_image(engine, job, direction);
  co_return Performed::done(observed.result);
}

}  // namespace rebottle::worker::smolmachines
