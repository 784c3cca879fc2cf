// A disk that fails when a test says so, and forgets what was not synced when the power fails: SQLite's default file
// system as long as it lives. (sqlite3_vfs)
//
//   FaultyDisk disk;
//   disk.fail(FaultyDisk::Call::write, 3, SQLITE_FULL);   // the third from now on, and all after it
//   disk.mend();
//   disk.save_synced(folder);                             // the files as they are after the power has failed now
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sqlite3.h>

namespace spate::test {

class FaultyDisk {
 public:
  enum class Call : std::uint8_t { open, read, write, sync, truncate };

  FaultyDisk() : below_(sqlite3_vfs_find(nullptr)), vfs_(*below_) {
    vfs_.pNext = nullptr;
    vfs_.zName = "faulty disk";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + below_->szOsFile;
    vfs_.pAppData = this;
    vfs_.xOpen = [](sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
      return of(vfs).open(name, file, flags, out);
    };
    vfs_.xDelete = [](sqlite3_vfs* vfs, const char* name, int sync) {
      FaultyDisk& disk = of(vfs);
      const std::lock_guard lock(disk.mutex_);
      disk.synced_.erase(name);
      disk.waiting_.erase(name);
      return disk.below_->xDelete(disk.below_, name, sync);
    };
    vfs_.xAccess = [](sqlite3_vfs* vfs, const char* name, int flags, int* out) {
      return of(vfs).below_->xAccess(of(vfs).below_, name, flags, out);
    };
    vfs_.xFullPathname = [](sqlite3_vfs* vfs, const char* name, int size, char* out) {
      return of(vfs).below_->xFullPathname(of(vfs).below_, name, size, out);
    };
    if (sqlite3_vfs_register(&vfs_, 1) != SQLITE_OK) throw std::runtime_error("sqlite3_vfs_register");
  }
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;
  ~FaultyDisk() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(below_, 1);
  }

  /// From the `nth` such call on, which is 1 for the next, `times` of them fail.
  void fail(Call call, std::uint64_t nth, int code, std::uint64_t times = UINT64_MAX) {
    const std::lock_guard lock(mutex_);
    Plan& plan = plans_[static_cast<std::size_t>(call)];
    plan = {nth, times, code, 0};
  }
  void mend() {
    const std::lock_guard lock(mutex_);
    for (Plan& plan : plans_) plan = Plan();
  }
  /// How many calls have failed, and how many there were, since the plan for it was made.
  std::uint64_t failed(Call call) const {
    const std::lock_guard lock(mutex_);
    return plans_[static_cast<std::size_t>(call)].failed;
  }
  std::uint64_t calls(Call call) const {
    const std::lock_guard lock(mutex_);
    return calls_[static_cast<std::size_t>(call)];
  }
  std::uint64_t bytes_written() const {
    const std::lock_guard lock(mutex_);
    return bytes_written_;
  }

  /// Puts what would be left of the files into `folder`, had the power failed now: what was synced, and of what was
  /// written since, pieces that `random` chooses. `meanwhile` runs at that moment.
  template <typename Meanwhile>
  void save_synced(const std::filesystem::path& folder, std::minstd_rand& random, Meanwhile&& meanwhile) const {
    std::map<std::string, std::string> left;
    {
      const std::lock_guard lock(mutex_);
      meanwhile();
      left = synced_;
      for (const auto& [name, writes] : waiting_) {
        if (left.find(name) == left.end()) continue;  // its name was never written
        for (const Write& write : writes) {
          if (random() % 2 == 0) continue;
          // A sector at a time, as disks write.
          const std::size_t sectors = (write.bytes.size() + 511) / 512, kept = random() % (sectors + 1);
          apply(left[name], write.at, std::string_view(write.bytes).substr(0, kept * 512));
        }
      }
    }
    for (const auto& [name, bytes] : left) {
      std::ofstream out(folder / std::filesystem::path(name).filename(), std::ios::binary);
      out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
  }

 private:
  struct File {
    sqlite3_file base;
    FaultyDisk* disk;
    std::string* name;
    bool kept;  // a file whose content counts
    sqlite3_file* below() noexcept { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  struct Plan {
    std::uint64_t nth = 0;  // 0: none
    std::uint64_t times = 0;
    int code = SQLITE_OK;
    std::uint64_t failed = 0;
  };
  struct Write {
    std::size_t at;
    std::string bytes;
  };

  static FaultyDisk& of(sqlite3_vfs* vfs) { return *static_cast<FaultyDisk*>(vfs->pAppData); }
  static File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }

  static void apply(std::string& file, std::size_t at, std::string_view bytes) {
    if (file.size() < at + bytes.size()) file.resize(at + bytes.size());
    std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
  }

  // Whether this call is to fail, and how.
  int plan(Call call) {
    ++calls_[static_cast<std::size_t>(call)];
    Plan& plan = plans_[static_cast<std::size_t>(call)];
    if (plan.nth == 0) return SQLITE_OK;
    if (plan.nth > 1) {
      --plan.nth;
      return SQLITE_OK;
    }
    if (plan.times == 0) return SQLITE_OK;
    --plan.times;
    ++plan.failed;
    return plan.code;
  }

  int open(const char* name, sqlite3_file* opened, int flags, int* out) {
    const std::lock_guard lock(mutex_);
    opened->pMethods = nullptr;
    if (const int code = plan(Call::open); code != SQLITE_OK) return code;
    File& file = of(opened);
    file.disk = this;
    file.name = new std::string(name == nullptr ? "" : name);
    file.kept = (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    const int code = below_->xOpen(below_, name, file.below(), flags, out);
    if (code != SQLITE_OK) {
      delete file.name;
      return code;
    }
    opened->pMethods = methods();
    return SQLITE_OK;
  }

  static const sqlite3_io_methods* methods() {
    static const sqlite3_io_methods all = [] {
      sqlite3_io_methods m{};
      m.iVersion = 2;
      m.xClose = [](sqlite3_file* file) {
        delete of(file).name;
        return of(file).below()->pMethods->xClose(of(file).below());
      };
      m.xRead = [](sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
        FaultyDisk& disk = *of(file).disk;
        const std::lock_guard lock(disk.mutex_);
        if (const int code = disk.plan(Call::read); code != SQLITE_OK) return code;
        return of(file).below()->pMethods->xRead(of(file).below(), to, size, at);
      };
      m.xWrite = [](sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
        FaultyDisk& disk = *of(file).disk;
        const std::lock_guard lock(disk.mutex_);
        if (const int code = disk.plan(Call::write); code != SQLITE_OK) return code;
        disk.bytes_written_ += static_cast<std::uint64_t>(size);
        if (of(file).kept) {
          disk.waiting_[*of(file).name].push_back(
              {static_cast<std::size_t>(at),
               std::string(static_cast<const char*>(from), static_cast<std::size_t>(size))});
        }
        return of(file).below()->pMethods->xWrite(of(file).below(), from, size, at);
      };
      m.xTruncate = [](sqlite3_file* file, sqlite3_int64 size) {
        FaultyDisk& disk = *of(file).disk;
        const std::lock_guard lock(disk.mutex_);
        if (const int code = disk.plan(Call::truncate); code != SQLITE_OK) return code;
        return of(file).below()->pMethods->xTruncate(of(file).below(), size);
      };
      m.xSync = [](sqlite3_file* file, int flags) {
        FaultyDisk& disk = *of(file).disk;
        const std::lock_guard lock(disk.mutex_);
        if (const int code = disk.plan(Call::sync); code != SQLITE_OK) return code;
        if (of(file).kept) {
          std::string& synced = disk.synced_[*of(file).name];
          for (const Write& write : disk.waiting_[*of(file).name]) apply(synced, write.at, write.bytes);
          disk.waiting_[*of(file).name].clear();
        }
        return of(file).below()->pMethods->xSync(of(file).below(), flags);
      };
      m.xFileSize = [](sqlite3_file* file, sqlite3_int64* size) {
        return of(file).below()->pMethods->xFileSize(of(file).below(), size);
      };
      m.xLock = [](sqlite3_file* file, int lock) { return of(file).below()->pMethods->xLock(of(file).below(), lock); };
      m.xUnlock = [](sqlite3_file* file, int lock) {
        return of(file).below()->pMethods->xUnlock(of(file).below(), lock);
      };
      m.xCheckReservedLock = [](sqlite3_file* file, int* out) {
        return of(file).below()->pMethods->xCheckReservedLock(of(file).below(), out);
      };
      m.xFileControl = [](sqlite3_file* file, int what, void* with) {
        return of(file).below()->pMethods->xFileControl(of(file).below(), what, with);
      };
      m.xSectorSize = [](sqlite3_file* file) { return of(file).below()->pMethods->xSectorSize(of(file).below()); };
      // Nothing is promised of writes that are not synced.
      m.xDeviceCharacteristics = [](sqlite3_file*) { return 0; };
      m.xShmMap = [](sqlite3_file* file, int page, int size, int extend, void volatile** out) {
        return of(file).below()->pMethods->xShmMap(of(file).below(), page, size, extend, out);
      };
      m.xShmLock = [](sqlite3_file* file, int offset, int count, int flags) {
        return of(file).below()->pMethods->xShmLock(of(file).below(), offset, count, flags);
      };
      m.xShmBarrier = [](sqlite3_file* file) { of(file).below()->pMethods->xShmBarrier(of(file).below()); };
      m.xShmUnmap = [](sqlite3_file* file, int erase) {
        return of(file).below()->pMethods->xShmUnmap(of(file).below(), erase);
      };
      return m;
    }();
    return &all;
  }

  sqlite3_vfs* const below_;
  sqlite3_vfs vfs_;
  mutable std::mutex mutex_;
  Plan plans_[5];
  std::uint64_t calls_[5] = {};
  std::uint64_t bytes_written_ = 0;
  std::map<std::string, std::string> synced_;
  std::map<std::string, std::vector<Write>> waiting_;  // for a sync
};

}  // namespace spate::test
