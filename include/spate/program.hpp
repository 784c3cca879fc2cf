// A Program is the frame of a small server: its command line, where it says that it listens, and how it stops.
//
//   int main(int argc, char** argv) {
//     spate::Program program("greets whoever connects", argc, argv);
//     asio::io_context io;
//     spate::Server server(io, program.options);
//     ...
//     return program.serve(io, server);
//   }
//
// It reads --address, --port, --idle-timeout-ms, --allow-origin, --allow-header, --drain-ms and --help, and whatever a
// program adds.
// SIGTERM and SIGINT drain; a second one exits at once with status 1. Optional: not part of spate.hpp, and nothing in
// the library needs it. On Windows Ctrl-C is SIGINT, and no other process can send SIGTERM. Threads: that of main.
#pragma once

#include <charconv>
#include <chrono>
#include <concepts>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <spate/config.hpp>
#include <spate/http/cors.hpp>
#include <spate/server/listen_address.hpp>
#include <spate/server/server.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {

class Program {
 public:
  /// Exit statuses.
  static constexpr int cannot_serve = 1;
  static constexpr int bad_usage = 2;

  /// Address and port, as the command line says, and CrossSite::refuse, so that a route that is a page has to say so
  /// (`RouteOptions::cross_site`). The rest is the program's to set.
  ServerOptions options;
  /// How long SIGTERM waits for what is under way.
  std::chrono::milliseconds drain = std::chrono::seconds(5);

  /// Reads the command line at once. On --help, or on something that cannot be understood, the program ends.
  Program(std::string summary, int argc, char** argv) : Program(std::move(summary)) { parse(argc, argv); }

  /// For programs with options of their own: add them, then `parse`.
  explicit Program(std::string summary);

  /// Adds an option whose value `set` takes. It throws std::invalid_argument with what is wrong with a value.
  void option(std::string name, std::string value, std::string help, std::function<void(const std::string&)> set);
  void option(std::string name, std::string value, std::string help, std::string& target);
  /// Repeatable.
  void option(std::string name, std::string value, std::string help, std::vector<std::string>& target);
  /// Adds an option without a value; `set` is called when it is there.
  void flag(std::string name, std::string help, std::function<void()> set) {
    known_.push_back({std::move(name), {}, std::move(help), [set = std::move(set)](const std::string&) { set(); }});
  }
  template <std::unsigned_integral Number>
  void option(std::string name, std::string value, std::string help, Number& target, Number least = 0) {
    option(std::move(name), std::move(value), with_default(help, std::to_string(target)),
           [&target, least](const std::string& text) {
             target = static_cast<Number>(number(text, least, std::numeric_limits<Number>::max()));
           });
  }
  void option(std::string name, std::string value, std::string help, std::chrono::milliseconds& target,
              std::uint64_t least = 0);

  /// Ends the program with status 0 after --help, and with status 2 and one line on standard error on bad usage.
  void parse(int argc, char** argv);

  /// Ends the program with `status` and one line on standard error.
  [[noreturn]] void refuse(const std::string& why, int status = bad_usage) const;

  /// Starts `server`, or has it adopt the sockets that were passed to the process (`Server::adopt_inherited`), which
  /// come before --address and --port; says where it listens, and runs `io` until a signal has drained it
  /// (`Server::shutdown_on_signals`). Returns the exit status.
  ///
  /// The first line on standard output is "listening on http://ADDRESS:PORT", or "listening on unix:PATH": what
  /// `Server::listens_on` says.
  /// Throws std::invalid_argument when `drain` is negative.
  int serve(asio::io_context& io, Server& server);

  /// `text` as a number between `least` and `most`; throws std::invalid_argument that quotes it.
  static std::uint64_t number(const std::string& text, std::uint64_t least, std::uint64_t most);

 private:
  // A hundred years: what a clock can still be added to.
  static constexpr std::uint64_t max_milliseconds = 100ull * 366 * 24 * 3600 * 1000;

  void allow_header(const std::string& name);
  int run(asio::io_context& io, Server& server);

  struct Option {
    std::string name;
    std::string value;
    std::string help;
    std::function<void(const std::string&)> set;
  };

  static std::string with_default(const std::string& help, const std::string& value) {
    return value.empty() ? help : help + " (" + value + ")";
  }

  const Option* find(const std::string& name) const;

  [[noreturn]] void help() const;

  std::string name_;
  std::string summary_;
  std::vector<Option> known_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/impl/program.ipp>
#endif
