// All functions of the testing kit: for the one source that compiles them, with SPATE_SEPARATE_COMPILATION.
#pragma once

#if !defined(SPATE_SEPARATE_COMPILATION)
#error \
    "<spate/testing/testing_src.hpp> belongs into one source of a program that is compiled with SPATE_SEPARATE_COMPILATION"
#endif

#include <spate/testing/impl/answer.ipp>
#include <spate/testing/impl/answer_reader.ipp>
#include <spate/testing/impl/bench.ipp>
#include <spate/testing/impl/client.ipp>
#include <spate/testing/impl/client_core.ipp>
#include <spate/testing/impl/events.ipp>
#include <spate/testing/impl/fallback_reader.ipp>
#include <spate/testing/impl/server.ipp>
