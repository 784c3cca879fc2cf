// Whether the hub compresses what it sends: what --compress says.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include <spate/program.hpp>
#ifdef HUB_HAS_ZLIB
#include <spate/zlib/gzip.hpp>
#endif

namespace hub {

class Compression {
 public:
  void add_options(spate::Program& program) {
    program.option("--compress", "on|off", "compress with gzip for who asks for it (on)",
                   [this](const std::string& text) {
                     if (text != "on" && text != "off") {
                       throw std::invalid_argument("\"" + text + "\" is neither on nor off");
                     }
                     on_ = text == "on";
                   });
  }

  void apply([[maybe_unused]] spate::ServerOptions& options) const {
#ifdef HUB_HAS_ZLIB
    if (on_) options.compression = std::make_shared<spate::Gzip>();
#endif
  }

 private:
  bool on_ = true;
};

}  // namespace hub
