// All functions of HTTP/2: for the one source that compiles them, with SPATE_SEPARATE_COMPILATION.
#pragma once

#if !defined(SPATE_SEPARATE_COMPILATION)
#error \
    "<spate/http2/http2_src.hpp> belongs into one source of a program that is compiled with SPATE_SEPARATE_COMPILATION"
#endif

#include <spate/http2/impl/frame_watch.ipp>
#include <spate/http2/impl/http2.ipp>
#include <spate/http2/impl/http2_answer.ipp>
#include <spate/http2/impl/http2_channels.ipp>
#include <spate/http2/impl/http2_connection.ipp>
#include <spate/http2/impl/http2_exchange.ipp>
#include <spate/http2/impl/http2_framing.ipp>
#include <spate/http2/impl/http2_input.ipp>
#include <spate/http2/impl/http2_request.ipp>
