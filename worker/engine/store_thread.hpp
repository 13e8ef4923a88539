// The one thread that owns the database connection: runs store calls in batches, one commit for all that waits.
// Not here: SQL (schema), and what is written (job runner, scheduler).
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "schema/job_store.hpp"
#include "worker/engine/write_watch.hpp"

namespace rebottle::worker {

class StoreThread {
 public:
  // Called on the logic thread.
  struct Callbacks {
    std::function<void()> changed;                   // another process committed
    std::function<void(const std::string&)> broken;  // a fatal StoreError: the service must stop
    std::function<void(int pages)> wal_pages;        // the WAL's size after each checkpoint
  };

  // `store` is used by the new thread alone from now on, but for hurry(). `logic` outlives the thread's last
  // completion.
  StoreThread(boost::asio::any_io_executor logic, std::unique_ptr<schema::JobStore> store, Callbacks callbacks);
  ~StoreThread();
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  // Runs `work(JobStore&)` in the next batch and returns what it returned, after the commit. Rethrows what it threw
  // (then nothing of it was written), and throws StoreError when the batch did not commit: its outcome is unknown.
  // After a fatal StoreError nothing is run any more, and everything ends with that error.
  template <class Work>
  boost::asio::awaitable<std::invoke_result_t<Work, schema::JobStore&>> run(Work work);

  // Runs each piece of `work` as run() does, in one batch where they fit, and returns what each of them threw or null.
  boost::asio::awaitable<std::vector<std::exception_ptr>> run_all(
      std::vector<std::function<void(schema::JobStore&)>> work);

  // From now on other programs' locks are waited for briefly, see JobStore.
  void hurry() noexcept { store_->hurry(); }
  // Runs what is queued, then ends the thread; nothing may be run after it. The destructor does it, too.
  void close();
  // True if nothing is queued or running.
  [[nodiscard]] bool idle() const { return outstanding_.load() == 0; }

 private:
  struct Item {
    std::function<void(schema::JobStore&)> work;
    std::function<void()> resume;  // posts the waiting coroutine to the logic thread; empty if it waits for another
    std::exception_ptr error;      // of the item, or of its batch
  };
  using Batch = std::vector<std::shared_ptr<Item>>;

  // In this order; returns when the last one has ended.
  boost::asio::awaitable<void> submit(Batch items);
  void loop();
  void wait();
  [[nodiscard]] Batch next_batch();
  void run_batch(const Batch& batch);
  [[nodiscard]] std::exception_ptr commit(const Batch& batch);  // what kept the whole of it from being committed
  void look_around();
  void check_file();
  void checkpoint();
  void report(const std::exception_ptr& error);

  boost::asio::any_io_executor logic_;
  std::unique_ptr<schema::JobStore> store_;
  Callbacks callbacks_;
  std::mutex mutex_;
  Batch queue_;
  bool stopping_ = false;
  std::atomic<std::size_t> outstanding_{0};
  WriteWatch watch_;
  std::chrono::steady_clock::time_point awake_until_;
  std::exception_ptr fatal_;  // the first fatal error
  bool grown_ = true;         // someone wrote since the last checkpoint
  std::chrono::steady_clock::time_point next_check_;
  std::chrono::steady_clock::time_point next_checkpoint_;
  std::thread thread_;
};

template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work, schema::JobStore&>> StoreThread::run(Work work) {
  using Value = std::invoke_result_t<Work, schema::JobStore&>;
  auto item = std::make_shared<Item>();
  Batch items(1, item);
  if constexpr (std::is_void_v<Value>) {
    item->work = std::move(work);
    co_await submit(std::move(items));
    if (item->error) std::rethrow_exception(item->error);
  } else {
    auto value = std::make_shared<std::optional<Value>>();
    item->work = [work = std::move(work), value](schema::JobStore& store) mutable { value->emplace(work(store)); };
    co_await submit(std::move(items));
    if (item->error) std::rethrow_exception(item->error);
    co_return std::move(**value);
  }
}

}  // namespace rebottle::worker
