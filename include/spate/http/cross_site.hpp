// CrossSite: what pages of other sites may have of a route without telling their origin.
//
// A picture, a script, a frame or a link of a foreign page makes the browser ask in the name of whoever looks at that
// page, and without an `Origin` there is nothing for CORS to decide about. What browsers do tell is that the page is of
// another site, and what they want the answer for. No page can forge these fields. (W3C Fetch Metadata 2)
//
//   options.cors.cross_site = spate::CrossSite::refuse;         // of the whole server
//   route.cross_site = spate::CrossSite::navigate;              // of its page
//   if (!spate::admits(spate::CrossSite::navigate, request)) return spate::Response::error(403, "not for you");
//
// Functions of their arguments only: any thread may call them.
#pragma once

#include <string_view>

#include <spate/config.hpp>
#include <spate/http/request.hpp>

namespace spate {

enum class CrossSite {
  refuse,    // nothing
  navigate,  // a GET or HEAD that fills a window or tab, as when a person follows a link to a page
  allow,     // everything, as of a script that is meant for all pages
};

namespace detail {

/// Whether the browser tells that the request was made for a page of another site. A value in which that stands in any
/// case, among others or on one of several lines, counts: only something between here and the browser can have done so.
SPATE_DECL bool is_cross_site(const Request& request) noexcept;

/// Whether the field `name` is there once and says `value` exactly: what opens a door is not read with indulgence.
SPATE_DECL bool says_only(const Request& request, std::string_view name, std::string_view value) noexcept;

/// Whether the answer may be the page of an iframe: as any other page it would call functions of its own window.
SPATE_DECL bool may_fill_iframe(const Request& request) noexcept;

}  // namespace detail

/// Whether `rule` lets `request` pass. One that has an `Origin` passes: CorsPolicy decides about it. So does one of a
/// browser, or another program, that tells nothing.
SPATE_DECL bool admits(CrossSite rule, const Request& request) noexcept;

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/cross_site.ipp>
#endif
