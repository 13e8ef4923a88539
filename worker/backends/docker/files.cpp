// Crash-safe files. Not here: what they hold.
#include "worker/backends/docker/files.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace rebottle::worker::docker {
namespace {

awaitable<std::string> seal_here(FileWriter& writer) {
  const bool sealed = writer.seal();
  co_return sealed ? std::string() : writer.error();
}

}  // namespace

awaitable<std::string> seal_file(Engine& engine, FileWriter& writer) {
  auto work = seal_here(writer);
  auto error = co_await boost::asio::co_spawn(engine.disk, std::move(work), boost::asio::use_awaitable);
  co_return error;
}

awaitable<std::string> write_file(Engine& engine, std::filesystem::path path, std::string content) {
  FileWriter writer(std::move(path));
  const bool written = writer.write(content);
  if (!written) co_return writer.error();
  auto error = co_await seal_file(engine, writer);
  co_return error;
}

}  // namespace rebottle::worker::docker
