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
// the library needs it. POSIX. Threads: that of main.
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
#include <asio/signal_set.hpp>

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
  explicit Program(std::string summary) : summary_(std::move(summary)) {
    options.cors.cross_site = CrossSite::refuse;
    option("--address", "ADDRESS",
           with_default("listen on this address, or on a Unix socket: unix:PATH", options.address),
           [this](const std::string& text) {
             if (!unix_path_of(text)) parse_listen_address(text);  // throws when it is neither
             options.address = text;
           });
    option("--port", "N", "listen on this port; 0 takes any that is free", options.port);
    option("--idle-timeout-ms", "N", "how long a connection may stay idle between two requests; 0 for ever",
           options.idle_timeout);
    option("--allow-origin", "ORIGIN", "pages of this origin may use the program; * admits all; repeatable",
           [this](const std::string& text) {
             CorsOptions one;
             one.allow_origins = {text};
             const CorsPolicy understood(std::move(one));
             options.cors.allow_origins.push_back(text);
           });
    option("--drain-ms", "N", "how long a stop waits for what is under way", drain);
    option("--allow-header", "NAME",
           "request field that pages of listed origins may set besides the usual; * admits all; repeatable",
           [this](const std::string& name) { allow_header(name); });
  }

  /// Adds an option whose value `set` takes. It throws std::invalid_argument with what is wrong with a value.
  void option(std::string name, std::string value, std::string help, std::function<void(const std::string&)> set) {
    detail::require_callable("spate::Program: the setter of " + name, set);
    known_.push_back({std::move(name), std::move(value), std::move(help), std::move(set)});
  }
  void option(std::string name, std::string value, std::string help, std::string& target) {
    option(std::move(name), std::move(value), with_default(help, target),
           [&target](const std::string& text) { target = text; });
  }
  /// Repeatable.
  void option(std::string name, std::string value, std::string help, std::vector<std::string>& target) {
    option(std::move(name), std::move(value), help + "; repeatable",
           [&target](const std::string& text) { target.push_back(text); });
  }
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
              std::uint64_t least = 0) {
    option(std::move(name), std::move(value), with_default(help, std::to_string(target.count())),
           [&target, least](const std::string& text) {
             target = std::chrono::milliseconds(number(text, least, most_milliseconds));
           });
  }

  /// Ends the program with status 0 after --help, and with status 2 and one line on standard error on bad usage.
  void parse(int argc, char** argv) {
    name_ = std::string_view(argv[0]).substr(std::string_view(argv[0]).rfind('/') + 1);
    for (int i = 1; i < argc; ++i) {
      std::string argument = argv[i];
      if (argument == "--help") help();
      std::string value;
      const std::size_t equals = argument.find('=');
      const bool joined = equals != std::string::npos;
      if (joined) {
        value = argument.substr(equals + 1);
        argument.resize(equals);
      }
      const Option* option = find(argument);
      if (option == nullptr) refuse("unknown option " + detail::quote(argv[i]));
      const bool is_flag = option->value.empty();
      if (is_flag && joined) refuse("option " + argument + " takes no value: " + detail::quote(argv[i]));
      if (!is_flag && !joined) {
        if (++i == argc) refuse("option " + argument + " needs a value");
        value = argv[i];
      }
      try {
        option->set(value);
      } catch (const std::invalid_argument& error) {
        refuse("option " + argument + ": " + error.what());
      }
    }
  }

  /// Ends the program with `status` and one line on standard error.
  [[noreturn]] void refuse(const std::string& why, int status = bad_usage) const {
    std::cerr << name_ << ": " << why << std::endl;
    std::exit(status);
  }

  /// Starts `server`, says where it listens, and runs `io` until a signal has drained it. Returns the exit status.
  ///
  /// The first line on standard output is "listening on http://ADDRESS:PORT", or "listening on unix:PATH".
  /// Throws std::invalid_argument when `drain` is negative.
  int serve(asio::io_context& io, Server& server) {
    detail::require_not_negative("spate::Program::drain", drain);
    try {
      server.start();
    } catch (const std::system_error& error) {
      const std::string port = unix_path_of(options.address) ? "" : " port " + std::to_string(options.port);
      std::cerr << name_ << ": cannot listen on " << options.address << port << ": " << error.code().message()
                << std::endl;
      return cannot_serve;
    }
    // Before the line below: whoever reads it may send a signal at once.
    asio::signal_set signals(io, SIGINT, SIGTERM);
    std::cout << "listening on " << server.listens_on() << std::endl;
    signals.async_wait([&](const std::error_code&, int) {
      signals.async_wait([](const std::error_code& error, int) {
        if (!error) std::_Exit(EXIT_FAILURE);  // asked twice: whoever asked does not want to wait
      });
      server.shutdown(drain, [&](std::size_t cut) {
        if (cut > 0) std::cerr << name_ << ": cut " << cut << " that did not end in time" << std::endl;
        asio::post(io, [&] { io.stop(); });
      });
    });
    io.run();
    server.stop();
    return EXIT_SUCCESS;
  }

  /// `text` as a number between `least` and `most`; throws std::invalid_argument that quotes it.
  static std::uint64_t number(const std::string& text, std::uint64_t least, std::uint64_t most) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
      throw std::invalid_argument(detail::quote(text) + " is not a number from " + std::to_string(least) + " to " +
                                  std::to_string(most));
    }
    return value;
  }

 private:
  // A hundred years: what a clock can still be added to.
  static constexpr std::uint64_t most_milliseconds = 100ull * 366 * 24 * 3600 * 1000;

  void allow_header(const std::string& name) {
    if (name == "*") {
      options.cors.request_fields = CorsOptions::RequestFields::any;
    } else if (detail::is_token(name)) {
      options.cors.allow_headers.push_back(name);
    } else {
      throw std::invalid_argument(detail::quote(name) + " is no name of a field");
    }
  }

  struct Option {
    std::string name;
    std::string value;
    std::string help;
    std::function<void(const std::string&)> set;
  };

  static std::string with_default(const std::string& help, const std::string& value) {
    return value.empty() ? help : help + " (" + value + ")";
  }

  const Option* find(const std::string& name) const {
    for (const Option& option : known_) {
      if (option.name == name) return &option;
    }
    return nullptr;
  }

  [[noreturn]] void help() const {
    std::cout << name_ << ": " << summary_ << "\n\n";
    for (const Option& option : known_) {
      std::string left = "  " + option.name + " " + option.value;
      left.resize(std::max<std::size_t>(left.size() + 2, 36), ' ');
      std::cout << left << option.help << '\n';
    }
    std::cout << "  --help                            say this" << std::endl;
    std::exit(EXIT_SUCCESS);
  }

  std::string name_;
  std::string summary_;
  std::vector<Option> known_;
};

}  // namespace spate
