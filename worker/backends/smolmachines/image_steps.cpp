// Brings the image of the new machine into our own directory, as an archive that the engine can read.
// Not here: the machine (create_step.cpp).
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/files.hpp"
#include "worker/backends/json_access.hpp"
#include "worker/backends/smolmachines/image_file.hpp"
#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {
namespace {

awaitable<std::string> call_here(std::function<std::string()> work) { co_return work(); }

}  // namespace

awaitable<std::string> on_thread(boost::asio::thread_pool& thread, std::function<std::string()> work) {
  auto task = call_here(std::move(work));
  auto out = co_await boost::asio::co_spawn(thread, std::move(task), boost::asio::use_awaitable);
  co_return out;
}

awaitable<std::string> on_disk(Engine& engine, std::function<std::string()> work) {
  auto error = co_await on_thread(engine.disk, std::move(work));
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

// A file alone says nothing of whose it is: only this job's own record of a copy that was proved counts.
awaitable<Observed> observe_import_image(Engine& /*engine*/, const JobView& job, Direction /*direction*/) {
  const json& known = job.fact(effect::import_image);
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
  if (!error.empty())
    co_return Performed::failed(Outcome::transient, "image_not_imported", "The image cannot be imported: " + error,
                                {{"file", wanted->file}, {"error", error}});
  std::error_code gone;
  json result = {{"file", job.image_file().string()},
                 {"bytes", std::filesystem::file_size(job.image_file(), gone)},
                 {"sha256", wanted->sha256}};
  co_return Performed::done(std::move(result));
}

}  // namespace rebottle::worker::smolmachines
