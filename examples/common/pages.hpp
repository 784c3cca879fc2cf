// What every example with a page serves: the page, and the script with which it listens.
#pragma once

#include <string>
#include <string_view>

#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/server/server.hpp>

#include "pages/spate_js.hpp"

namespace examples {

/// What keeps a page out of frames of others: who clicks into a frame does not see what page it is.
inline constexpr std::string_view unframed = "frame-ancestors 'self'";

inline spate::Response page(std::string_view html) {
  return spate::Response::html(200, std::string(html))
      .header("Cache-Control", "no-cache")
      .header("Content-Security-Policy", unframed);
}

inline spate::Response spate_js() {
  return spate::Response(200)
      .content_type("text/javascript; charset=utf-8")
      .header("Cache-Control", "no-cache")
      .body(std::string(pages::spate_js));
}

/// Serves `html`, which lives as long as the program, at `/`, and the script beside it. Other sites may link to the
/// page and use the script.
inline void add_page(spate::Server& server, std::string_view html) {
  spate::RouteOptions linked;
  linked.cross_site = spate::CrossSite::navigate;
  server.get(
      "/", [html](const spate::Request&) { return page(html); }, linked);
  spate::RouteOptions for_all;
  for_all.cross_site = spate::CrossSite::allow;
  server.get(
      "/spate.js", [](const spate::Request&) { return spate_js(); }, for_all);
}

}  // namespace examples
