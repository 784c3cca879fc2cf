// Everything a program needs to push Server-Sent Events, less the optional parts (cluster, TLS, HTTP/2, compression,
// SQLite, JWT, testing) and `Program`.
//
//   #include <spate/spate.hpp>
//
// Each layer can also be included alone: <spate/wire/event.hpp> to read or write event streams, <spate/stream/...> to
// open streams on sockets of another server, <spate/registry/...> without a listener.
#pragma once

#include <spate/error.hpp>
#include <spate/history/memory_replay_store.hpp>
#include <spate/http/cors.hpp>
#include <spate/http/percent.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/server/all_of.hpp>
#include <spate/server/health.hpp>
#include <spate/server/pending_response.hpp>
#include <spate/server/prometheus.hpp>
#include <spate/server/server.hpp>
#include <spate/server/streamed_response.hpp>
#include <spate/stream/event_stream.hpp>
#include <spate/stream/stream_host.hpp>
#include <spate/version.hpp>
#include <spate/wire/decoder.hpp>
#include <spate/wire/encoded_event.hpp>
#include <spate/wire/event.hpp>
#include <spate/wire/text.hpp>
