// A folder of a test's own, where the system keeps what is temporary; gone with it, and all that is in it.
//
//   const TemporaryFolder folder;
//   std::ofstream(folder.path() / "note") << "text";
#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <system_error>

namespace spate::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::random_device random;
    do {
      path_ = std::filesystem::temp_directory_path() / ("spate-" + std::to_string(random()));
    } while (!std::filesystem::create_directory(path_));
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;  // nobody is left to be told
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace spate::test
