// How Spate is compiled: by default each program compiles what it uses of it (header-only).
//
// With SPATE_SEPARATE_COMPILATION, which must then be defined for every source of the program, headers only declare,
// and one source includes <spate/src.hpp> and compiles all of it, once.
#pragma once

#if defined(SPATE_SEPARATE_COMPILATION)
#define SPATE_DECL
#else
#define SPATE_HEADER_ONLY 1
#define SPATE_DECL inline
#endif
