// What every example with a page serves: the page, and the script with which it listens.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/server/server.hpp>

#include "pages/spate_js.hpp"

namespace examples {

/// What keeps a page out of frames of others: who clicks into a frame does not see what page it is.
inline constexpr std::string_view unframed = "frame-ancestors 'self'";

inline spate::Response page(const std::string& html) {
  return spate::Response::html(200, html)
      .header("Cache-Control", "no-cache")
      .header("Content-Security-Policy", unframed);
}

/// Serves `html`, which lives as long as the program, at `/`, and the script beside it. Other sites may link to the
/// page and use the script.
inline void add_page(spate::Server& server, std::string_view html) {
  // One copy for all who are sent it, however slowly they take it.
  const auto shared = [](std::string_view text) { return std::make_shared<const std::string>(text); };
  spate::RouteOptions linked;
  linked.cross_site = spate::CrossSite::navigate;
  const spate::Response answer = page({});
  server.get(
      "/", [answer, body = shared(html)](const spate::Request&) { return spate::Response(answer).shared_body(body); },
      linked);
  spate::RouteOptions for_all;
  for_all.cross_site = spate::CrossSite::allow;
  const spate::Response script =
      spate::Response(200).content_type("text/javascript; charset=utf-8").header("Cache-Control", "no-cache");
  server.get(
      "/spate.js",
      [script, body = shared(pages::spate_js)](const spate::Request&) {
        return spate::Response(script).shared_body(body);
      },
      for_all);
}

}  // namespace examples
