// The thread's loop: a batch when there is one, else a look at what other processes did.
// Not here: retries after an error; the coroutine that waits decides about those.
#include "worker/engine/store_thread.hpp"

#include <chrono>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace rebottle::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds poll_pause{10};         // another process's commit is seen within two of these …
constexpr milliseconds idle_pause{250};        // … or of these, if the database's directory told nothing of it
constexpr milliseconds awake_time{1'000};      // after a write: its commit shows when its sync has ended
constexpr milliseconds check_pause{1'000};     // between looks at the file's identity
constexpr milliseconds checkpoint_pause{100};  // between checkpoints, while anybody writes
constexpr std::size_t batch_max = 64;          // bounds the pages of one transaction

}  // namespace

StoreThread::StoreThread(boost::asio::any_io_executor logic, std::unique_ptr<schema::JobStore> store,
                         Callbacks callbacks)
    : logic_(std::move(logic)),
      store_(std::move(store)),
      callbacks_(std::move(callbacks)),
      watch_(store_->path()),
      awake_until_(steady_clock::now() + awake_time) {
  thread_ = std::thread([this] { loop(); });
}

StoreThread::~StoreThread() { close(); }

void StoreThread::close() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  watch_.wake();
  thread_.join();
}

boost::asio::awaitable<std::vector<std::exception_ptr>> StoreThread::run_all(
    std::vector<std::function<void(schema::JobStore&)>> work) {
  Batch items;
  for (auto& one : work) {
    items.push_back(std::make_shared<Item>());
    items.back()->work = std::move(one);
  }
  if (!items.empty()) co_await submit(items);
  std::vector<std::exception_ptr> errors;
  for (const auto& item : items) errors.push_back(item->error);
  co_return errors;
}

boost::asio::awaitable<void> StoreThread::submit(Batch items) {
  auto initiate = [this, items](auto handler) {
    // A shared handler makes the function copyable; the tracked executor keeps the logic loop alive meanwhile.
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto executor = boost::asio::prefer(logic_, boost::asio::execution::outstanding_work.tracked);
    items.back()->resume = [shared, executor] { boost::asio::post(executor, [shared] { (*shared)(); }); };
    outstanding_.fetch_add(items.size());
    {
      const std::lock_guard lock(mutex_);
      queue_.insert(queue_.end(), items.begin(), items.end());
    }
    watch_.wake();
  };
  co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(std::move(initiate),
                                                                                     boost::asio::use_awaitable);
}

void StoreThread::loop() {
  for (;;) {
    auto batch = next_batch();
    if (!batch.empty())
      run_batch(batch);
    else if (const std::lock_guard lock(mutex_); stopping_ && queue_.empty())
      return;
    look_around();
  }
}

// Awake it asks every few milliseconds, however much is written; idle it waits for a write, and asks now and then.
void StoreThread::wait() {
  {
    const std::lock_guard lock(mutex_);
    if (!queue_.empty() || stopping_) return;
  }
  if (!watch_.hints() || steady_clock::now() < awake_until_)
    watch_.rest(poll_pause);
  else
    watch_.wait(idle_pause);
  if (watch_.written()) awake_until_ = steady_clock::now() + awake_time;
}

StoreThread::Batch StoreThread::next_batch() {
  wait();
  const std::lock_guard lock(mutex_);
  if (queue_.size() <= batch_max) return std::exchange(queue_, {});
  const auto cut = queue_.begin() + static_cast<std::ptrdiff_t>(batch_max);
  Batch batch(queue_.begin(), cut);
  queue_.erase(queue_.begin(), cut);
  return batch;
}

std::exception_ptr StoreThread::commit(const Batch& batch) {
  std::vector<std::function<void()>> work;
  work.reserve(batch.size());
  for (const auto& item : batch)
    work.emplace_back([this, item] {
      try {
        item->work(*store_);
      } catch (...) {
        item->error = std::current_exception();
        throw;  // the store takes this item back, and this item alone
      }
    });
  grown_ = true;
  try {
    store_->transaction(work);
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

void StoreThread::run_batch(const Batch& batch) {
  const auto broken = fatal_ ? fatal_ : commit(batch);
  if (broken) report(broken);
  for (const auto& item : batch) {
    if (item->error)
      report(item->error);
    else
      item->error = broken;
    // The item's own references end here, so that the coroutine owns what is left.
    item->work = nullptr;
    if (const auto resume = std::exchange(item->resume, nullptr)) resume();
    outstanding_.fetch_sub(1);
  }
}

void StoreThread::look_around() {
  if (fatal_) return;
  try {
    if (store_->changed_by_others()) {
      grown_ = true;
      boost::asio::post(logic_, callbacks_.changed);
    }
    check_file();
    checkpoint();
  } catch (...) {
    report(std::current_exception());
  }
}

void StoreThread::check_file() {
  const auto now = steady_clock::now();
  if (now < next_check_) return;
  next_check_ = now + check_pause;
  store_->check_file();
}

void StoreThread::checkpoint() {
  const auto now = steady_clock::now();
  if (!grown_ || now < next_checkpoint_) return;
  next_checkpoint_ = now + checkpoint_pause;
  grown_ = false;
  const int pages = store_->checkpoint();
  boost::asio::post(logic_, [pages, tell = callbacks_.wal_pages] { tell(pages); });
}

void StoreThread::report(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const schema::StoreError& broken) {
    if (!broken.fatal() || fatal_) return;
    fatal_ = error;
    boost::asio::post(logic_, [what = std::string(broken.what()), tell = callbacks_.broken] { tell(what); });
  } catch (...) {
    // Not the database's fault: whoever waits for the item hears of it.
    return;
  }
}

}  // namespace rebottle::worker
