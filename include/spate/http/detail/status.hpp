// The status line and the field lines of a response.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

// IANA's registry, as far as anybody sends it; a reason phrase may be empty. (RFC 9112 4)
constexpr std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 511: return "Network Authentication Required";
    default: return "";
  }
}

/// Whether a response of this status may carry bytes after its head. (RFC 9112 6.2)
constexpr bool allows_body(int status) noexcept {
  return status >= 200 && status != 204 && status != 205 && status != 304;
}

/// Appends `parts`, one after the other, with room made for all of them at once.
SPATE_DECL void append_all(std::string& out, std::initializer_list<std::string_view> parts);

/// Appends "HTTP/1.1 200 OK" and the line end. The version is the server's own, whatever the client's. (RFC 9110 6.2)
inline void append_status_line(std::string& out, int status) {
  append_all(out, {"HTTP/1.1 ", std::to_string(status), " ", reason_phrase(status), "\r\n"});
}

inline void append_field(std::string& out, std::string_view name, std::string_view value) {
  append_all(out, {name, ": ", value, "\r\n"});
}

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/status.ipp>
#endif
