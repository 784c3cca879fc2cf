// The functions of program.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/program.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate {

SPATE_DECL Program::Program(std::string summary) : summary_(std::move(summary)) {
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

SPATE_DECL void Program::option(std::string name, std::string value, std::string help,
                                std::function<void(const std::string&)> set) {
  detail::require_callable("spate::Program: the setter of " + name, set);
  known_.push_back({std::move(name), std::move(value), std::move(help), std::move(set)});
}

SPATE_DECL void Program::option(std::string name, std::string value, std::string help, std::string& target) {
  option(std::move(name), std::move(value), with_default(help, target),
         [&target](const std::string& text) { target = text; });
}

SPATE_DECL void Program::option(std::string name, std::string value, std::string help,
                                std::vector<std::string>& target) {
  option(std::move(name), std::move(value), help + "; repeatable",
         [&target](const std::string& text) { target.push_back(text); });
}

SPATE_DECL void Program::option(std::string name, std::string value, std::string help,
                                std::chrono::milliseconds& target, std::uint64_t least) {
  option(std::move(name), std::move(value), with_default(help, std::to_string(target.count())),
         [&target, least](const std::string& text) {
           target = std::chrono::milliseconds(number(text, least, max_milliseconds));
         });
}

SPATE_DECL void Program::parse(int argc, char** argv) {
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

SPATE_DECL void Program::refuse(const std::string& why, int status) const {
  std::cerr << name_ << ": " << why << std::endl;
  std::exit(status);
}

SPATE_DECL int Program::serve(asio::io_context& io, Server& server) {
  detail::require_not_negative("spate::Program::drain", drain);
  try {
    if (server.adopt_inherited() > 0) return run(io, server);
  } catch (const std::system_error& error) {
    std::cerr << name_ << ": " << error.what() << std::endl;
    return cannot_serve;
  }
  try {
    server.start();
  } catch (const std::system_error& error) {
    const std::string port = unix_path_of(options.address) ? "" : " port " + std::to_string(options.port);
    std::cerr << name_ << ": cannot listen on " << options.address << port << ": " << error.code().message()
              << std::endl;
    return cannot_serve;
  }
  return run(io, server);
}

SPATE_DECL int Program::run(asio::io_context& io, Server& server) {
  // Before the line below: whoever reads it may send a signal at once.
  SignalOptions signals;
  signals.deadline = drain;
  signals.done = [&](std::size_t cut) {
    if (cut > 0) std::cerr << name_ << ": cut " << cut << " that did not end in time" << std::endl;
    asio::post(io, [&] { io.stop(); });
  };
  signals.again = [] { std::_Exit(EXIT_FAILURE); };  // asked twice: whoever asked does not want to wait
  signals.executor = io.get_executor();
  server.shutdown_on_signals(std::move(signals));
  std::cout << "listening on " << server.listens_on() << std::endl;
  io.run();
  server.stop();
  return EXIT_SUCCESS;
}

SPATE_DECL std::uint64_t Program::number(const std::string& text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    throw std::invalid_argument(detail::quote(text) + " is not a number from " + std::to_string(least) + " to " +
                                std::to_string(most));
  }
  return value;
}

SPATE_DECL void Program::allow_header(const std::string& name) {
  if (name == "*") {
    options.cors.request_fields = CorsOptions::RequestFields::any;
  } else if (detail::is_token(name)) {
    options.cors.allow_headers.push_back(name);
  } else {
    throw std::invalid_argument(detail::quote(name) + " is no name of a field");
  }
}

SPATE_DECL const Program::Option* Program::find(const std::string& name) const {
  for (const Option& option : known_) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

SPATE_DECL void Program::help() const {
  std::cout << name_ << ": " << summary_ << "\n\n";
  for (const Option& option : known_) {
    std::string left = "  " + option.name + " " + option.value;
    left.resize(std::max<std::size_t>(left.size() + 2, 36), ' ');
    std::cout << left << option.help << '\n';
  }
  std::cout << "  --help                            say this" << std::endl;
  std::exit(EXIT_SUCCESS);
}

}  // namespace spate
