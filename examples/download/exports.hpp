// Exports: a worker that writes files and tells the user how far it is.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/spate.hpp>

#include "common/random_hex.hpp"
#include "download/range.hpp"

namespace download {

/// A folder that only this user of the system can read, and that goes with the object.
class PrivateFolder {
 public:
  PrivateFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "spate-download-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) throw std::system_error(errno, std::generic_category(), path);
    path_ = path;
  }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;
  ~PrivateFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

enum class Outcome { succeed, fail_halfway };

struct Settings {
  std::size_t rows = 100'000;
  std::chrono::milliseconds duration = std::chrono::seconds(2);
};

/// Threads: `begin` and `answer` any; all else happens on the worker's one thread, so nothing needs a lock.
/// Lifetime: destroying it abandons what is under way and removes the files.
class Exports {
 public:
  Exports(spate::Emitter& emitter, const Settings& settings) : emitter_(emitter), settings_(settings) {}
  ~Exports() {
    worker_.stop();
    worker_.join();
  }

  /// Begins an export for `user` and returns its id at once, or nothing when too many are under way.
  std::optional<std::string> begin(std::string user, Outcome outcome) {
    if (under_way_.fetch_add(1) >= most_under_way) {
      --under_way_;
      return std::nullopt;
    }
    std::string id = std::to_string(++last_id_);
    asio::co_spawn(worker_, write(std::move(user), id, outcome), [this](std::exception_ptr) { --under_way_; });
    return id;
  }

  /// Answers a request for the file `name`, or for the part of it that `range` selects.
  void answer(std::string name, std::string range, spate::PendingResponse pending) {
    asio::post(worker_, [this, name = std::move(name), range = std::move(range), pending = std::move(pending)] {
      pending.respond(read(name, range));
    });
  }

 private:
  static constexpr std::size_t steps = 20;
  static constexpr std::size_t most_under_way = 16;
  // The oldest file makes room for one more.
  static constexpr std::size_t most_files = 32;

  asio::awaitable<void> write(std::string user, std::string id, Outcome outcome) {
    // Whoever knows the name may have the file, so it must not be guessed.
    const std::string name = examples::random_hex(16) + ".csv";
    const std::filesystem::path path = folder_.path() / name;
    std::string problem;
    try {
      std::ofstream file;
      file.exceptions(std::ios::failbit | std::ios::badbit);
      file.open(path, std::ios::binary);
      file << "row,user,square\r\n";
      asio::steady_timer pause(worker_);
      std::size_t row = 0;
      for (std::size_t step = 1; step <= steps; ++step) {
        for (; row < settings_.rows * step / steps; ++row) {
          file << row << ',' << row % 1000 << ',' << std::uint64_t{row} * row << "\r\n";
        }
        if (outcome == Outcome::fail_halfway && step > steps / 2)
          throw std::runtime_error("this export was told to fail");
        emitter_.send(user, progress(id, step * 100 / steps));
        pause.expires_after(settings_.duration / steps);
        co_await pause.async_wait(asio::use_awaitable);
      }
      file.close();
      keep(name);
      emitter_.send(user, ready(id, name, std::filesystem::file_size(path)));
      co_return;
    } catch (const std::exception& error) {
      problem = error.what();
    }
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    emitter_.send(user, failed(id, problem));
  }

  void keep(const std::string& name) {
    files_.push_back(name);
    if (files_.size() <= most_files) return;
    std::error_code ignored;
    std::filesystem::remove(folder_.path() / files_.front(), ignored);
    files_.pop_front();
  }

  spate::Response read(const std::string& name, const std::string& wanted) const {
    // Only names that were given out: no other path can be made of what the client says.
    if (std::find(files_.begin(), files_.end(), name) == files_.end()) {
      return spate::Response::error(404, "there is no such file");
    }
    std::ifstream file(folder_.path() / name, std::ios::binary | std::ios::ate);
    if (!file) return spate::Response::error(500, "the file cannot be read");
    const auto size = static_cast<std::uint64_t>(file.tellg());
    const Range range = select_range(wanted, size);
    if (range.kind == Range::unsatisfiable) {
      return spate::Response::error(416, "the file is shorter than that")
          .header("Content-Range", "bytes */" + std::to_string(size));
    }
    std::string bytes(range.size, '\0');
    file.seekg(static_cast<std::streamoff>(range.first));
    if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
      return spate::Response::error(500, "the file cannot be read");
    }
    spate::Response response(range.kind == Range::part ? 206 : 200);
    if (range.kind == Range::part) {
      response.header("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                           std::to_string(range.first + range.size - 1) + "/" + std::to_string(size));
    }
    return response.content_type("text/csv; charset=utf-8")
        .header("Accept-Ranges", "bytes")
        .header("Cache-Control", "private, no-store")
        .header("Content-Disposition", "attachment; filename=\"export.csv\"")
        .body(std::move(bytes));
  }

  static spate::Event progress(const std::string& id, std::size_t percent) {
    return spate::Event("{\"id\":" + spate::json_string(id) + ",\"percent\":" + std::to_string(percent) + "}")
        .name("progress");
  }
  static spate::Event ready(const std::string& id, const std::string& name, std::uintmax_t bytes) {
    return spate::Event("{\"id\":" + spate::json_string(id) + ",\"url\":" + spate::json_string("/files/" + name) +
                        ",\"bytes\":" + std::to_string(bytes) + "}")
        .name("ready");
  }
  static spate::Event failed(const std::string& id, const std::string& problem) {
    return spate::Event("{\"id\":" + spate::json_string(id) + ",\"error\":" + spate::json_string(problem) + "}")
        .name("failed");
  }

  spate::Emitter& emitter_;
  const Settings settings_;
  const PrivateFolder folder_;
  std::atomic<std::uint64_t> last_id_{0};
  std::atomic<std::size_t> under_way_{0};
  std::deque<std::string> files_;  // names, oldest first
  asio::thread_pool worker_{1};
};

}  // namespace download
