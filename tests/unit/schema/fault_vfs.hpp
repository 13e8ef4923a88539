// A default VFS whose files run hooks at each write, sync and xUnfetch: failures at a chosen call, or another
// program's write at a chosen moment. Everything else goes to the system's VFS.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <map>
#include <memory>

namespace rebottle::schema::testing {

// In force while an object lives; one at a time, and only connections opened meanwhile are concerned.
class FaultVfs {
 public:
  FaultVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
    current() = this;
    vfs_.pNext = nullptr;
    vfs_.zName = "fault";
    vfs_.xOpen = &FaultVfs::open;
    sqlite3_vfs_register(&vfs_, 1);
  }
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;
  ~FaultVfs() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
    current() = nullptr;
  }

  std::function<int()> on_write;     // what the call answers instead, or SQLITE_OK to let it through
  std::function<int()> on_sync;      // likewise
  std::function<void()> on_unfetch;  // runs before it

 private:
  // SQLite sees the first member; the methods find their way back through it.
  struct Methods {
    sqlite3_io_methods methods;
    const sqlite3_io_methods* original;
  };

  static FaultVfs*& current() {
    static FaultVfs* vfs = nullptr;
    return vfs;
  }
  static const sqlite3_io_methods& original(sqlite3_file* file) {
    return *reinterpret_cast<const Methods*>(file->pMethods)->original;
  }

  static int open(sqlite3_vfs* /*vfs*/, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
    auto& self = *current();
    const int code = self.real_->xOpen(self.real_, name, file, flags, out_flags);
    if (code != SQLITE_OK || file->pMethods == nullptr) return code;
    auto& wrapped = self.methods_[file->pMethods];
    if (!wrapped) {
      wrapped = std::make_unique<Methods>(Methods{*file->pMethods, file->pMethods});
      wrapped->methods.xWrite = &FaultVfs::write;
      wrapped->methods.xSync = &FaultVfs::sync;
      if (wrapped->methods.iVersion >= 3) wrapped->methods.xUnfetch = &FaultVfs::unfetch;
    }
    file->pMethods = &wrapped->methods;
    return SQLITE_OK;
  }
  static int write(sqlite3_file* file, const void* data, int amount, sqlite3_int64 offset) {
    const int answer = current()->on_write ? current()->on_write() : SQLITE_OK;
    return answer != SQLITE_OK ? answer : original(file).xWrite(file, data, amount, offset);
  }
  static int sync(sqlite3_file* file, int flags) {
    const int answer = current()->on_sync ? current()->on_sync() : SQLITE_OK;
    return answer != SQLITE_OK ? answer : original(file).xSync(file, flags);
  }
  static int unfetch(sqlite3_file* file, sqlite3_int64 offset, void* page) {
    if (current()->on_unfetch) current()->on_unfetch();
    return original(file).xUnfetch(file, offset, page);
  }

  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
  std::map<const sqlite3_io_methods*, std::unique_ptr<Methods>> methods_;
};

}  // namespace rebottle::schema::testing
