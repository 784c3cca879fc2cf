// What every example with a page serves: the page, and the script with which it listens.
#pragma once

#include <string>
#include <string_view>

#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/server/server.hpp>

#include "pages/spate_js.hpp"

namespace examples {

inline spate::Response page(std::string_view html) {
  return spate::Response::html(200, std::string(html)).header("Cache-Control", "no-cache");
}

inline spate::Response spate_js() {
  return spate::Response(200)
      .content_type("text/javascript; charset=utf-8")
      .header("Cache-Control", "no-cache")
      .body(std::string(pages::spate_js));
}

/// Serves `html`, which lives as long as the program, at `/`, and the script beside it.
inline void add_page(spate::Server& server, std::string_view html) {
  server.get("/", [html](const spate::Request&) { return page(html); });
  server.get("/spate.js", [](const spate::Request&) { return spate_js(); });
}

}  // namespace examples
