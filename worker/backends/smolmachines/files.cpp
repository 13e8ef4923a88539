// Work that blocks, on the disk thread. Not here: what is written.
#include "worker/backends/files.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/backends/smolmachines/disks.hpp"
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

awaitable<Performed> sync_engine_files(Engine& engine) {
  std::function<std::string()> work = [directory = engine.config.engine_state_dir] {
    return sync_file_system(directory);
  };
  const auto error = co_await on_disk(engine, std::move(work));
  if (error.empty()) co_return Performed::done();
  co_return Performed::failed(Outcome::transient, "not_durable", "The engine's files: " + error + ".",
                              {{"error", error}});
}

awaitable<std::string> write_file(Engine& engine, std::filesystem::path path, std::string content) {
  std::function<std::string()> work = [path = std::move(path), content = std::move(content)]() -> std::string {
    FileWriter writer(path);
    return writer.write(content) && writer.seal() ? std::string() : writer.error();
  };
  auto error = co_await on_disk(engine, std::move(work));
  co_return error;
}

}  // namespace rebottle::worker::smolmachines
