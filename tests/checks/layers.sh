#!/usr/bin/env bash
# No header includes from a layer above its own, nor what its layer has no use for.
#
#   layers.sh INCLUDE_DIRECTORY
#
# The table below is the whole rule. `may` are the layers and libraries that a layer may include, besides itself, the
# standard library and the roots config.hpp, version.hpp, error.hpp and detail/. The store on SQLite lies in history/ and
# is a layer of its own. What only Linux has stays in
# loop/detail and loop/impl.
# Asio lies below loop, so that the registry reaches it downwards as it reaches wire.
set -euo pipefail
cd "$1/spate"

find . -name '*.hpp' -o -name '*.ipp' | sed 's|^\./||' | LC_ALL=C sort | xargs awk '
  BEGIN {
    may["wire"]     = " "
    may["http"]     = " wire llhttp "
    may["loop"]     = " wire asio "
    may["transport"] = " wire loop asio "
    may["connection"] = " wire http loop transport asio "
    may["stream"]   = " wire http loop transport connection asio "
    may["history"]  = " wire "
    may["sqlite"]   = " wire loop history sqlite3 "
    may["registry"] = " wire http loop transport connection stream history asio "
    may["server"]   = " wire http loop transport connection stream history registry asio "
    may["cluster"]  = " wire http loop transport connection stream history registry asio hiredis "
    may["http2"]    = " wire http loop transport connection stream history registry server asio nghttp2 "
    may["tls"]      = " wire http loop transport connection stream registry server asio openssl "
    may["jwt"]      = " wire http loop transport connection stream history registry server asio libjwt "
    may["testing"]  = " wire http loop transport connection stream history registry server asio catch2 "
    may["root"]     = " "
    may["detail"]   = " "
    may["all"]      = " wire http loop transport connection stream history registry server asio "
    may["src"]      = " wire http loop transport connection stream history registry server all asio "
  }
  FNR == 1 {
    layer = FILENAME ~ /\// ? substr(FILENAME, 1, index(FILENAME, "/") - 1) : "root"
    if (FILENAME ~ /^((spate|program)\.hpp|impl\/program\.ipp)$/) layer = "all"
    if (FILENAME ~ /^history\/sqlite/) layer = "sqlite"
    if (FILENAME ~ /^(error\.hpp|impl\/error\.ipp)$/) layer = "root"
    if (FILENAME == "src.hpp") layer = "src"
    if (!(layer in may)) fail("lies in no layer")
    files++
  }
  function fail(why) { printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0; failures++ }
  /^[ \t]*#[ \t]*include/ {
    includes++
    if (!match($0, /[<"][^>"]+[>"]/)) { fail("no file is named"); next }
    quote = substr($0, RSTART, 1)
    name = substr($0, RSTART + 1, RLENGTH - 2)
    if (quote == "\"") { fail("headers are included as <spate/...>"); next }
    if (name == "asio.hpp") { fail("include the parts of Asio that are needed"); next }
    if (name ~ /^(linux\/|sys\/(epoll|timerfd|eventfd|signalfd|inotify|sendfile)\.h)/ && FILENAME !~ /^loop\/(detail|impl)\//)
      fail("only Linux has this: it belongs in loop/detail or loop/impl")
    needs = ""
    if (name ~ /^spate\//) {
      path = substr(name, 7)
      if (path ~ /^((config|version|error)\.hpp|impl\/error\.ipp)$/ || path ~ /^detail\//) next
      needs = path ~ /^((spate|program)\.hpp|impl\/program\.ipp)$/ ? "all" : path ~ /^history\/sqlite/ ? "sqlite" : path ~ /\// ? substr(path, 1, index(path, "/") - 1) : path
      if (system("test -f \"" path "\"") != 0) fail("there is no such header")
    } else if (name ~ /^asio\//) needs = "asio"
    else if (name ~ /^llhttp/) needs = "llhttp"
    else if (name ~ /^hiredis\//) needs = "hiredis"
    else if (name ~ /^nghttp2\//) needs = "nghttp2"
    else if (name ~ /^openssl\//) needs = "openssl"
    else if (name == "sqlite3.h") needs = "sqlite3"
    else if (name == "jwt.h") needs = "libjwt"
    else if (name ~ /^catch2\//) needs = "catch2"
    else if (name ~ /\.hpp$|\//  && name !~ /^(sys|netinet|arpa|linux|net)\//) needs = name
    if (needs != "" && needs != layer && index(may[layer], " " needs " ") == 0) fail("layer " layer " may not include " needs)
  }
  END {
    printf "%d includes of %d headers looked at, %d wrong\n", includes, files, failures
    exit failures > 0 || files == 0 || includes == 0
  }'
