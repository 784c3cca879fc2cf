// The version of Spate, stated once: CMake and the package files read it from here.
#pragma once

#define SPATE_VERSION_MAJOR 0
#define SPATE_VERSION_MINOR 1
#define SPATE_VERSION_PATCH 0
#define SPATE_VERSION_STRING "0.1.0"
