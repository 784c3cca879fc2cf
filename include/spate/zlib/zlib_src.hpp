// All functions of compression: for the one source that compiles them, with SPATE_SEPARATE_COMPILATION.
#pragma once

#if !defined(SPATE_SEPARATE_COMPILATION)
#error "<spate/zlib/zlib_src.hpp> belongs into one source of a program that is compiled with SPATE_SEPARATE_COMPILATION"
#endif

#include <spate/zlib/impl/gzip.ipp>
