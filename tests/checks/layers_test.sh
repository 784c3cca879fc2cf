#!/usr/bin/env bash
# The layer check finds what it is there to find.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cases=0

# expect pass|fail FILE INCLUDE: with that line in that header, beside a correct one, the check passes or fails.
expect() {
  cases=$((cases + 1))
  rm -rf "$scratch/spate"
  local layers="wire http loop transport connection stream history registry server cluster tls http2 jwt testing" layer
  for layer in $layers; do
    mkdir -p "$scratch/spate/$layer"
    touch "$scratch/spate/$layer/a.hpp"
  done
  mkdir -p "$scratch/spate/detail" "$scratch/spate/loop/detail" "$scratch/spate/history/sqlite/detail"
  touch "$scratch/spate/history/sqlite/detail/a.hpp" "$scratch/spate/history/sqlite_a.hpp"
  touch "$scratch/spate/version.hpp" "$scratch/spate/detail/lock.hpp"
  echo '#include <string>' >"$scratch/spate/wire/event.hpp"
  echo "#include $3" >>"$scratch/spate/$2"
  if bash "$here/layers.sh" "$scratch" >"$scratch/log"; then result=pass; else result=fail; fi
  if [ "$result" != "$1" ]; then
    echo "$2 with #include $3: expected $1, got $result"
    cat "$scratch/log"
    exit 1
  fi
}

expect pass http/b.hpp '<spate/wire/event.hpp>'
expect pass http/b.hpp '<llhttp.h>'
expect pass server/b.hpp '<spate/wire/event.hpp>'
expect pass loop/detail/b.hpp '<sys/epoll.h>'
expect pass loop/b.hpp '<asio/post.hpp>'
expect pass transport/b.hpp '<spate/loop/a.hpp>'
expect pass stream/b.hpp '<spate/transport/a.hpp>'
expect pass connection/b.hpp '<spate/http/a.hpp>'
expect pass stream/b.hpp '<asio/io_context.hpp>'
expect pass testing/b.hpp '<spate/server/a.hpp>'
expect pass testing/b.hpp '<catch2/catch.hpp>'
expect pass wire/b.hpp '<spate/version.hpp>'
expect pass wire/b.hpp '<spate/detail/lock.hpp>'
expect fail detail/b.hpp '<spate/wire/event.hpp>'
expect pass cluster/b.hpp '<hiredis/async.h>'
expect pass tls/b.hpp '<openssl/ssl.h>'
expect pass http2/b.hpp '<nghttp2/nghttp2.h>'
expect pass http2/b.hpp '<spate/server/a.hpp>'
expect pass jwt/b.hpp '<jwt.h>'
expect pass history/sqlite/detail/b.hpp '<sqlite3.h>'
expect pass history/sqlite_b.hpp '<spate/history/a.hpp>'
expect pass history/sqlite/detail/b.hpp '<spate/loop/a.hpp>'
expect fail history/sqlite/detail/b.hpp '<spate/registry/a.hpp>'
expect fail history/b.hpp '<sqlite3.h>'
expect fail history/b.hpp '<spate/history/sqlite/detail/a.hpp>'
expect fail server/b.hpp '<spate/history/sqlite_a.hpp>'
expect pass spate.hpp '<spate/server/a.hpp>'
expect fail wire/b.hpp '<spate/http/a.hpp>'
expect fail wire/b.hpp '<asio/buffer.hpp>'
expect fail http/b.hpp '<spate/stream/a.hpp>'
expect fail loop/b.hpp '<spate/stream/a.hpp>'
expect fail loop/b.hpp '<spate/transport/a.hpp>'
expect fail transport/b.hpp '<spate/http/a.hpp>'
expect fail connection/b.hpp '<spate/stream/a.hpp>'
expect fail http/b.hpp '<asio/buffer.hpp>'
expect fail stream/b.hpp '<llhttp.h>'
expect pass history/b.hpp '<spate/wire/event.hpp>'
expect fail history/b.hpp '<spate/stream/a.hpp>'
expect fail history/b.hpp '<asio/post.hpp>'
expect fail stream/b.hpp '<spate/history/a.hpp>'
expect pass registry/b.hpp '<spate/history/a.hpp>'
expect fail registry/b.hpp '<spate/server/a.hpp>'
expect pass registry/b.hpp '<asio/post.hpp>'
expect fail server/b.hpp '<spate/cluster/a.hpp>'
expect fail cluster/b.hpp '<spate/server/a.hpp>'
expect fail server/b.hpp '<hiredis/async.h>'
expect fail server/b.hpp '<openssl/ssl.h>'
expect fail server/b.hpp '<spate/tls/a.hpp>'
expect fail server/b.hpp '<nghttp2/nghttp2.h>'
expect fail server/b.hpp '<spate/http2/a.hpp>'
expect fail http2/b.hpp '<spate/tls/a.hpp>'
expect fail server/b.hpp '<spate/testing/a.hpp>'
expect fail server/b.hpp '<catch2/catch.hpp>'
expect fail server/b.hpp '<jwt.h>'
expect fail server/b.hpp '<spate/jwt/a.hpp>'
expect fail server/b.hpp '<sys/epoll.h>'
expect fail server/b.hpp '<spate/spate.hpp>'
expect fail stream/b.hpp '<asio.hpp>'
expect fail stream/b.hpp '"spate/wire/event.hpp"'
expect fail stream/b.hpp '<boost/beast.hpp>'
expect fail spate.hpp '<spate/cluster/a.hpp>'
expect fail stream/b.hpp '<spate/wire/missing.hpp>'
expect fail other.hpp '<spate/wire/event.hpp>'
echo "$cases cases as expected"
