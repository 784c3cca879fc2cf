// The version of Spate, stated once: CMake and the package files read it from here.
#pragma once

#define SPATE_VERSION_MAJOR 0
#define SPATE_VERSION_MINOR 2
#define SPATE_VERSION_PATCH 0
#define SPATE_VERSION_STRING "0.2.0"

/// For comparisons: 200 is 0.2.0, and 10203 would be 1.2.3.
#define SPATE_VERSION (SPATE_VERSION_MAJOR * 10000 + SPATE_VERSION_MINOR * 100 + SPATE_VERSION_PATCH)
