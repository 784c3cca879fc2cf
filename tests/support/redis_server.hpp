// A redis-server of the test's own: on a free port, with its files in a folder that goes with it.
//
//   RedisServer redis;
//   redis.kill();             // as a crash would
//   redis.start();            // on the same port, with all that it had confirmed
//   redis.pause();            // stopped in its tracks; its connections stay open
//   redis.command("DBSIZE");  // by redis-cli
#pragma once

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "support/eventually.hpp"
#include "support/free_port.hpp"
#include "support/temporary_folder.hpp"

namespace spate::test {

class RedisServer {
 public:
  enum class State { running, not_started };

  explicit RedisServer(std::vector<std::string> settings = {}, State state = State::running)
      : port_(free_port()), settings_(std::move(settings)) {
    std::filesystem::create_directory(data());
    if (state == State::running) start();
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  ~RedisServer() { kill(); }

  std::uint16_t port() const noexcept { return port_; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

  /// Starts it and waits until it answers.
  void start() {
    // What it answered to is on the disk before, so that a kill loses nothing that was confirmed.
    std::vector<std::string> words{"redis-server",
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--dir",
                                   data(),
                                   "--save",
                                   "",
                                   "--appendonly",
                                   "yes",
                                   "--appendfsync",
                                   "always",
                                   "--loglevel",
                                   "warning",
                                   "--repl-diskless-sync-delay",
                                   "0"};
    words.insert(words.end(), settings_.begin(), settings_.end());
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    process_ = ::fork();
    if (process_ == 0) {
#ifdef __linux__
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is killed leaves nothing behind
#endif
      const int nowhere = ::open("/dev/null", O_WRONLY);
      ::dup2(nowhere, 1);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    if (!eventually([&] {
          const std::string answer = command("PING");
          return answer == "PONG" || answer.substr(0, 6) == "NOAUTH";
        })) {
      throw std::runtime_error("redis-server does not answer");
    }
  }

  void kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGCONT);
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = 0;
  }
  /// Keeps a copy of its files as they are now.
  void save_files() const { copy_files(data(), saved()); }
  /// Puts the copy in their place, while it does not run: Redis has lost what came after.
  void roll_back_files() const { copy_files(saved(), data()); }
  void pause() const { ::kill(process_, SIGSTOP); }
  void resume() const { ::kill(process_, SIGCONT); }

  /// From now on it is a replica of `master`; waits until it has all that this one has.
  void follow(const RedisServer& master) const {
    command("REPLICAOF 127.0.0.1 " + std::to_string(master.port_));
    if (!eventually([&] { return command("INFO replication").find("master_link_status:up") != std::string::npos; })) {
      throw std::runtime_error("a replica does not follow its master");
    }
  }
  /// Becomes a master, and hears no more of the one that it followed.
  void promote() const { command("REPLICAOF NO ONE"); }

  /// What redis-cli prints for a command, less the last line end. Words are split as the shell does it.
  std::string command(const std::string& words) const {
    const std::string line = "redis-cli -p " + std::to_string(port_) + " " + words + " 2>&1";
    std::FILE* const output = ::popen(line.c_str(), "r");
    if (output == nullptr) throw std::runtime_error("redis-cli cannot be run");
    std::string text;
    std::array<char, 4096> piece{};
    while (const std::size_t size = std::fread(piece.data(), 1, piece.size(), output)) text.append(piece.data(), size);
    ::pclose(output);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

 private:
  std::string data() const { return folder_.path() / "data"; }
  std::string saved() const { return folder_.path() / "saved"; }

  static void copy_files(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  }

  const std::uint16_t port_;
  const std::vector<std::string> settings_;
  const TemporaryFolder folder_;
  pid_t process_ = 0;
};

}  // namespace spate::test
