// What the hub speaks besides HTTP/1.1 in the clear: what --tls-cert, --tls-key, --tls-self-signed, --http2 and
// --max-streams-per-connection say, and the certificates that are read again on SIGHUP.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <spate/program.hpp>
#ifdef HUB_HAS_TLS
#include <spate/tls/tls_context.hpp>
#endif
#ifdef HUB_HAS_HTTP2
#include <spate/http2/http2.hpp>
#include <spate/wire/text.hpp>
#endif

namespace hub {

class Encryption {
 public:
  void add_options(spate::Program& program) {
    program.option("--tls-cert", "FILE", "speak TLS, with this certificate and those that lead to it (PEM)",
                   file(certificate_));
    program.option("--tls-key", "FILE", "and this key, which fits it (PEM)", file(key_));
    program.flag("--tls-self-signed", "speak TLS, with a certificate for this machine alone, made in memory",
                 [this] { self_signed_ = true; });
    program.option("--http2", "on|off", "speak HTTP/2 with who asks for it (on)", [this](const std::string& text) {
      if (text != "on" && text != "off") throw std::invalid_argument("\"" + text + "\" is neither on nor off");
      http2_ = text == "on";
    });
    program.option<std::uint32_t>("--max-streams-per-connection", "N", "streams of one connection of HTTP/2",
                                  max_streams_, 1);
  }

  /// Tells `options` what is to be spoken. Ends the program when it cannot be.
  void apply(const spate::Program& program, [[maybe_unused]] spate::ServerOptions& options) {
    if (certificate_.empty() != key_.empty()) {
      const std::string given = certificate_.empty() ? "--tls-key" : "--tls-cert";
      program.refuse("option " + given + " needs " + (certificate_.empty() ? "--tls-cert" : "--tls-key") +
                     " beside it");
    }
    if (self_signed_ && !key_.empty()) program.refuse("option --tls-self-signed: there is a certificate of --tls-cert");
#ifdef HUB_HAS_TLS
    try {
      if (self_signed_) context_ = spate::TlsContext::self_signed();
      if (!key_.empty()) {
        context_ =
            std::make_shared<spate::TlsContext>(spate::TlsOptions{.certificate_file = certificate_, .key_file = key_});
      }
    } catch (const std::exception& error) {
      program.refuse(error.what(), spate::Program::cannot_serve);
    }
    options.tls = context_;
#else
    if (self_signed_ || !key_.empty()) program.refuse("this hub was built without OpenSSL and speaks no TLS");
#endif
#ifdef HUB_HAS_HTTP2
    if (http2_) options.http2 = std::make_shared<spate::Http2>(spate::Http2Options{max_streams_});
#endif
  }

  /// Reads the files again whenever SIGHUP comes; without files it is ignored.
  void reload_on_signal(asio::io_context& io) {
    if (key_.empty()) return;
    signals_ = std::make_unique<asio::signal_set>(io, SIGHUP);
    wait();
  }

  void stop() { signals_.reset(); }

 private:
  /// An empty name, which a variable of a script may have been, must not mean that nothing is encrypted.
  static std::function<void(const std::string&)> file(std::string& target) {
    return [&target](const std::string& text) {
      if (text.empty()) throw std::invalid_argument("\"\" is no file");
      target = text;
    };
  }

  void wait() {
    signals_->async_wait([this](const std::error_code& error, int) {
      if (error) return;
#ifdef HUB_HAS_TLS
      try {
        context_->reload();
      } catch (const std::exception& failure) {
        std::cerr << "hub: the certificate stays as it was: " << failure.what() << std::endl;
      }
#endif
      wait();
    });
  }

  std::string certificate_;
  std::string key_;
  bool self_signed_ = false;
  bool http2_ = true;
  std::uint32_t max_streams_ = 256;
#ifdef HUB_HAS_TLS
  std::shared_ptr<spate::TlsContext> context_;
#endif
  std::unique_ptr<asio::signal_set> signals_;
};

}  // namespace hub
