// `compression serve`: servers with many streams over the loopback network, which take turns; each has a process of its
// own, and its clients have another.
//
// A step is one broadcast, in the mode `tenth` after an event of their own for a ninth of the users, so that a tenth of
// what each stream gets is private; in the mode `half` after one for each user. What one event has caused has left
// before the next is sent, so that no two events share a write.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/process.hpp"
#include "client/socket.hpp"
#include "compression_parts/listeners.hpp"
#include "compression_parts/samples.hpp"
#include "compression_parts/servers.hpp"
#include "compression_parts/wire.hpp"

namespace bench {

struct ServeOptions {
  std::size_t streams = 1000;
  std::string mode = "broadcast";
  Kind kind = Kind::chat;
  std::size_t rounds = 7;
  std::size_t steps = 20;  // a round
  std::vector<std::string> subjects{"plain", "gzip"};
  std::string peers;  // the folder with those that are not part of this program
};

/// A process with pipes to its standard input and from its output, on one processor.
class Child {
 public:
  Child(int core, const std::function<void()>& program) {
    int to[2], from[2];
    if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) throw system_failure("pipe");
    pid_ = ::fork();
    if (pid_ < 0) throw system_failure("fork");
    if (pid_ == 0) {
      cpu_set_t cores;
      CPU_ZERO(&cores);
      CPU_SET(static_cast<std::size_t>(core), &cores);
      ::sched_setaffinity(0, sizeof cores, &cores);
      ::dup2(to[0], STDIN_FILENO);
      ::dup2(from[1], STDOUT_FILENO);
      for (const int fd : {to[0], to[1], from[0], from[1]}) ::close(fd);
      // Those of the processes that were started before: else these would not end.
      for (int fd = STDERR_FILENO + 1; fd < 256; ++fd) ::close(fd);
      try {
        program();
      } catch (const std::exception& error) {
        std::fprintf(stderr, "compression: %s\n", error.what());
      }
      std::_Exit(1);
    }
    ::close(to[0]);
    ::close(from[1]);
    in_ = to[1];
    out_ = from[0];
    reader_ = std::make_unique<LineReader>(out_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    ::close(in_);
    ::close(out_);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  void tell(std::string_view text) const { write_all(in_, text); }
  std::string line() {
    std::string line;
    if (!reader_->next(line)) throw std::runtime_error("a process has ended before its time");
    return line;
  }
  std::string ask(const std::string& command) {
    tell(command + "\n");
    return line();
  }
  int pid() const noexcept { return pid_; }

 private:
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1;
  std::unique_ptr<LineReader> reader_;
};

inline std::uint16_t port_in(const std::string& line) {
  const std::size_t colon = line.rfind(':');
  if (line.rfind("listening on ", 0) != 0 || colon == std::string::npos)
    throw std::runtime_error("a server did not start: " + line);
  return static_cast<std::uint16_t>(std::stoul(line.substr(colon + 1)));
}

/// A server with its clients.
class Subject {
 public:
  static constexpr int server_core = 0, client_core = 1;

  Subject(std::string name, const ServeOptions& options) : name_(std::move(name)), options_(options) {
    if (name_ == "nginx") {
      start_nginx();
    } else {
      server_ = std::make_unique<Child>(server_core, program());
      port_ = port_in(server_->line());
    }
    watched_server_ = std::make_unique<Server>(front_ ? front_->pid() : server_->pid(), server_core);
    clients_ = std::make_unique<Child>(client_core, [port = port_] { Listeners(port).run(); });
    sums_.resize(watched(options.streams).size());
    warm_up();
    memory_before_ = watched_server_->sample().anonymous;
    open(options_.streams);
    idle_memory_ = memory();
  }

  const std::string& name() const noexcept { return name_; }
  /// Bytes that a stream takes, now, and before the first event.
  double memory() const {
    return (watched_server_->sample().anonymous - memory_before_) / static_cast<double>(options_.streams);
  }
  double idle_memory() const noexcept { return idle_memory_; }

  struct Round {
    double microseconds = 0, bytes = 0;  // for each delivery
    std::uint64_t deliveries = 0;
  };

  Round round(Samples& samples, std::mt19937& random) {
    const double began = watched_server_->sample().ran;
    deliveries_ = bytes_ = 0;
    for (std::size_t step = 0; step < options_.steps; ++step) {
      send_private(samples, random);
      const std::string data = samples.next();
      for (DataSum& sum : sums_) add(sum, data);
      publish(format_command("*", samples.event_name(), data), options_.streams);
    }
    const auto count = static_cast<double>(deliveries_);
    return {(watched_server_->sample().ran - began) * 1e6 / count, static_cast<double>(bytes_) / count, deliveries_};
  }

  /// Whether the clients whose streams are decoded got what they should have got, and nothing else.
  bool told_right() {
    std::istringstream told(clients_->ask("told"));
    for (const DataSum& sum : sums_) {
      std::uint64_t value = 0;
      if (!(told >> value) || value != sum.value()) return false;
    }
    return true;
  }

 private:
  std::function<void()> program() const {
    if (name_ == "plain" || name_ == "gzip" || name_ == "nginx") return serve_spate;
    if (name_ == "states") return [] { StatesServer().run(); };
    if (name_ == "node" || name_ == "node_plain") {
      return [path = options_.peers + "/node_zlib/server.mjs", plain = name_ == "node_plain"] {
        ::execlp("node", "node", path.c_str(), plain ? "--plain" : "--gzip", nullptr);
        throw system_failure("node");
      };
    }
    throw std::invalid_argument("no such subject: " + name_);
  }

  // nginx compresses what a plain server behind it sends; only its own time and memory count.
  void start_nginx() {
    server_ = std::make_unique<Child>(client_core, program());
    const std::string behind = server_->line();
    front_ = std::make_unique<Child>(server_core, [behind = port_in(behind), peers = options_.peers] {
      const std::string script = peers + "/nginx_gzip/start.sh", port = std::to_string(behind);
      ::execl("/bin/bash", "bash", script.c_str(), port.c_str(), nullptr);
      throw system_failure("bash");
    });
    port_ = port_in(front_->line());
  }

  void open(std::size_t streams) {
    const char* encoding = name_ == "plain" || name_ == "node_plain" ? "identity" : "gzip";
    clients_->ask("open " + std::to_string(streams) + " " + encoding);
    rest();
  }

  // Code that is loaded at its first use is no stream's.
  void warm_up() {
    constexpr std::size_t few = 16;
    open(few);
    for (std::size_t i = 0; i < 4; ++i) publish(format_command("*", "", "warm"), few);
    publish(format_command("u1", "", "warm"), 1);
    clients_->ask("close");
    rest();
  }

  // Until both sides have seen who came and who left.
  static void rest() { std::this_thread::sleep_for(std::chrono::milliseconds(300)); }

  void publish(const std::string& commands, std::size_t deliveries) {
    clients_->ask("await " + std::to_string(deliveries));
    server_->tell(commands);
    const std::uint64_t bytes = std::stoull(clients_->line());
    bytes_ += bytes - all_bytes_;
    all_bytes_ = bytes;
    deliveries_ += deliveries;
  }

  void send_private(Samples& samples, std::mt19937& random) {
    if (options_.mode == "broadcast") return;
    const std::size_t count = options_.mode == "half" ? options_.streams : options_.streams / 9;
    users_.resize(options_.streams);
    for (std::size_t i = 0; i < users_.size(); ++i) users_[i] = i;
    std::string commands;
    const std::vector<std::size_t> decoded = watched(options_.streams);
    for (std::size_t i = 0; i < count; ++i) {
      std::swap(users_[i], users_[i + random() % (users_.size() - i)]);
      const std::string data = samples.next();
      commands += format_command("u" + std::to_string(users_[i]), samples.event_name(), data);
      const auto found = std::find(decoded.begin(), decoded.end(), users_[i]);
      if (found != decoded.end()) add(sums_[static_cast<std::size_t>(found - decoded.begin())], data);
    }
    publish(commands, count);
  }

  static void add(DataSum& sum, std::string_view data) {
    for (std::size_t begin = 0, end = 0; end != std::string_view::npos; begin = end + 1) {
      end = data.find('\n', begin);
      sum.add(data.substr(begin, end - begin));
    }
  }

  const std::string name_;
  const ServeOptions& options_;
  std::unique_ptr<Child> server_, front_, clients_;
  std::unique_ptr<Server> watched_server_;
  std::uint16_t port_ = 0;
  double memory_before_ = 0, idle_memory_ = 0;
  std::uint64_t deliveries_ = 0, bytes_ = 0, all_bytes_ = 0;
  std::vector<DataSum> sums_;
  std::vector<std::size_t> users_;
};

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

/// Returns whether everything came as it should, and what must hold does.
inline bool print_serve(const ServeOptions& options) {
  raise_descriptor_limit();
  ::signal(SIGPIPE, SIG_IGN);
  std::vector<std::unique_ptr<Subject>> subjects;
  for (const std::string& name : options.subjects) subjects.push_back(std::make_unique<Subject>(name, options));
  std::vector<std::vector<Subject::Round>> rounds(subjects.size());
  for (std::size_t round = 0; round < options.rounds; ++round) {
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      // Everybody is sent the same in a round.
      Samples samples(options.kind, static_cast<unsigned>(round + 1));
      std::mt19937 random(static_cast<unsigned>(round));
      rounds[i].push_back(subjects[i]->round(samples, random));
    }
  }
  std::printf("%zu streams, %s, %s, %zu rounds of %zu broadcasts\n", options.streams, options.mode.c_str(),
              name_of(options.kind), options.rounds, options.steps);
  bool held = true;
  const auto of = [&](std::size_t subject, double Subject::Round::*figure, bool ratio) {
    std::vector<double> values;
    for (std::size_t round = 0; round < options.rounds; ++round)
      values.push_back(rounds[subject][round].*figure / (ratio ? rounds[0][round].*figure : 1));
    return values;
  };
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const bool right = subjects[i]->told_right();
    held = held && right;
    const std::vector<double> ratios = of(i, &Subject::Round::microseconds, true);
    std::printf("  %-10s %6.2f us (%4.2f; %4.2f to %4.2f)  %6.1f bytes (%4.2f)  %7.0f to %7.0f bytes of memory%s\n",
                subjects[i]->name().c_str(), median(of(i, &Subject::Round::microseconds, false)), median(ratios),
                *std::min_element(ratios.begin(), ratios.end()), *std::max_element(ratios.begin(), ratios.end()),
                median(of(i, &Subject::Round::bytes, false)), median(of(i, &Subject::Round::bytes, true)),
                subjects[i]->idle_memory(), subjects[i]->memory(), right ? "" : "  WRONG EVENTS");
  }
  for (std::size_t i = 1; i < subjects.size(); ++i) {
    if (subjects[i]->name() != "gzip" || subjects[0]->name() != "plain") continue;
    const auto bar = [&](const char* what, double value, double most) {
      std::printf("    %-40s %6.2f, at most %.2f: %s\n", what, value, most, value <= most ? "holds" : "MISSED");
      held = held && value <= most;
    };
    if (options.mode != "half") {
      bar("CPU, gzip to plain", median(of(i, &Subject::Round::microseconds, true)),
          options.mode == "broadcast" ? 1.05 : 1.25);
    }
    if (options.mode == "half") bar("bytes, gzip to plain", median(of(i, &Subject::Round::bytes, true)), 0.75);
    bar("memory of an idle stream, gzip less plain", subjects[i]->idle_memory() - subjects[0]->idle_memory(), 64);
  }
  std::fflush(stdout);
  return held;
}

}  // namespace bench
