# What the project's own tests, examples and benchmarks are compiled with. None of it reaches a program that uses Spate.
#
#   spate_developer   warnings, all of them errors
#   SPATE_SANITIZE    address (with undefined behaviour), thread, or nothing
set(SPATE_SANITIZE "" CACHE STRING "Sanitizer of tests and examples: address, thread or nothing")
set_property(CACHE SPATE_SANITIZE PROPERTY STRINGS "" address thread)

# The language as the standard has it, without the compiler's own extensions.
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(spate_sanitize_options "")
if(SPATE_SANITIZE STREQUAL "address")
  set(spate_sanitize_options -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(SPATE_SANITIZE STREQUAL "thread")
  set(spate_sanitize_options -fsanitize=thread)
elseif(NOT SPATE_SANITIZE STREQUAL "")
  message(FATAL_ERROR "SPATE_SANITIZE is \"${SPATE_SANITIZE}\"; it may be address, thread or empty")
endif()
if(spate_sanitize_options)
  # With line numbers only. The library is optimised a little, as a sanitized program is slow enough. Tests are not: with
  # both sanitizers that would take up to four times as long to compile.
  list(APPEND spate_sanitize_options -g1 -fno-omit-frame-pointer
    $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,STATIC_LIBRARY>:-O1>)
endif()

add_library(spate_developer INTERFACE)
target_compile_options(spate_developer INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Werror ${spate_sanitize_options})
target_compile_definitions(spate_developer INTERFACE ASIO_NO_DEPRECATED)
target_link_options(spate_developer INTERFACE ${spate_sanitize_options})
if(SPATE_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # With a sanitizer GCC warns so of what is initialized: of std::allocator, which is empty, in Asio.
  target_compile_options(spate_developer INTERFACE -Wno-maybe-uninitialized)
endif()
if(SPATE_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC warns that ThreadSanitizer ignores fences, which Asio uses beside atomics that it does see.
  target_compile_options(spate_developer INTERFACE -Wno-tsan)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Proves that what a lock guards is used under it alone: <spate/detail/lock.hpp>.
  target_compile_options(spate_developer INTERFACE -Wthread-safety)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # When it optimises, GCC 12 warns so of what std::string does within itself.
  target_compile_options(spate_developer INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overflow;-Wno-stringop-overread>)
  # Lets ccache see through precompiled headers.
  target_compile_options(spate_developer INTERFACE -fpch-preprocess)
endif()

if(TARGET spate_llhttp)
  target_compile_options(spate_llhttp PRIVATE ${spate_sanitize_options})
endif()

# Gives a compiled library one source for each layer instead of one for all, each <header> less what it includes of the
# other layers: after an edit not everything is compiled again, and what is, side by side.
function(spate_split_into_layers library header)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${header}")
  file(READ "${header}" text)
  string(REPLACE "#pragma once" "" text "${text}")
  string(REGEX MATCHALL "#include <spate/[a-z0-9_]+/" layers "${text}")
  list(REMOVE_DUPLICATES layers)
  set(sources "")
  foreach(layer IN LISTS layers)
    string(REPLACE "${layer}" "#include <kept/" own "${text}")
    string(REGEX REPLACE "#include <spate/[^\n]*\n" "" own "${own}")
    string(REPLACE "#include <kept/" "${layer}" own "${own}")
    string(REGEX REPLACE "#include <spate/(.+)/" "\\1" name "${layer}")
    set(source "${CMAKE_CURRENT_BINARY_DIR}/${library}/${name}.cpp")
    file(CONFIGURE OUTPUT "${source}" CONTENT "${own}" @ONLY)
    list(APPEND sources "${source}")
  endforeach()
  set_property(TARGET ${library} PROPERTY SOURCES ${sources})
endfunction()

# The library that tests, examples and benchmarks link to, compiled as they are.
foreach(library spate_compiled spate_compiled_redis spate_compiled_tls spate_compiled_http2 spate_compiled_sqlite
    spate_compiled_zlib spate_compiled_testing)
  if(NOT TARGET ${library})
    continue()
  endif()
  set_target_properties(${library} PROPERTIES CXX_EXTENSIONS OFF)
  target_link_libraries(${library} PRIVATE spate_developer)
  if(SPATE_PORTABLE)
    target_compile_definitions(${library} PUBLIC SPATE_PORTABLE=1)
  endif()
endforeach()
spate_split_into_layers(spate_compiled "${spate_headers}/spate/src.hpp")
