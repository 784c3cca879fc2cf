// ProcessMark: whether this is still the process that it was made in, or one that was forked from it.
//
// Asked for every event, so it costs no system call where the kernel offers a page that a child process finds empty.
#pragma once

#include <cstddef>

#include <sys/mman.h>
#include <unistd.h>

namespace spate::detail {

class ProcessMark {
 public:
  ProcessMark() noexcept : pid_(::getpid()) {
#if defined(MADV_WIPEONFORK) && !defined(SPATE_PORTABLE)
    void* const page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    if (::madvise(page, size, MADV_WIPEONFORK) != 0) {
      ::munmap(page, size);
      return;
    }
    mark_ = static_cast<volatile char*>(page);
    *mark_ = 1;
#endif
  }
  ProcessMark(const ProcessMark&) = delete;
  ProcessMark& operator=(const ProcessMark&) = delete;
  ~ProcessMark() {
    if (mark_ != nullptr) ::munmap(const_cast<char*>(mark_), size);
  }

  /// Whether the process has been forked from the one of the mark.
  bool forked() const noexcept { return mark_ != nullptr ? *mark_ == 0 : ::getpid() != pid_; }

  /// Makes it the mark of this process.
  void renew() noexcept {
    pid_ = ::getpid();
    if (mark_ != nullptr) *mark_ = 1;
  }

 private:
  static constexpr std::size_t size = 1;  // the kernel gives whole pages

  pid_t pid_;
  volatile char* mark_ = nullptr;
};

}  // namespace spate::detail
