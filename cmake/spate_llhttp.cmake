# Gives the target spate::llhttp: llhttp 8.1 or newer, parsing strictly.
#
# First choice is an installed CMake package, then the C sources that Debian's node-llhttp installs, else the pinned
# release is fetched. Sources are compiled into a small static library.
include_guard(GLOBAL)

add_library(spate_llhttp_interface INTERFACE)
add_library(spate::llhttp ALIAS spate_llhttp_interface)

# llhttp 8 parses strictly only when told so while it is compiled; llhttp 9 always does. How an installed library of
# version 8 was compiled can't be seen, so only 9 is taken.
if(NOT TARGET llhttp::llhttp_static AND NOT TARGET llhttp::llhttp_shared)
  find_package(llhttp 9 CONFIG QUIET)
  foreach(candidate llhttp::llhttp_static llhttp::llhttp_shared)
    if(TARGET ${candidate})
      set_target_properties(${candidate} PROPERTIES IMPORTED_GLOBAL TRUE)
    endif()
  endforeach()
endif()
foreach(candidate llhttp::llhttp_static llhttp::llhttp_shared)
  if(TARGET ${candidate})
    target_link_libraries(spate_llhttp_interface INTERFACE ${candidate})
    return()
  endif()
endforeach()

find_path(SPATE_LLHTTP_SOURCE_DIR llhttp.c PATH_SUFFIXES share/llhttp llhttp/src DOC "The folder that holds llhttp.c")
find_path(SPATE_LLHTTP_INCLUDE_DIR llhttp.h PATHS /usr/share/include PATH_SUFFIXES llhttp share/include/llhttp
  DOC "The folder that holds llhttp.h")
set(spate_llhttp_source_dir "${SPATE_LLHTTP_SOURCE_DIR}")
set(spate_llhttp_include_dir "${SPATE_LLHTTP_INCLUDE_DIR}")

if(NOT spate_llhttp_source_dir OR NOT spate_llhttp_include_dir)
  include(FetchContent)
  FetchContent_Declare(llhttp
    GIT_REPOSITORY https://github.com/nodejs/llhttp.git
    GIT_TAG release/v9.2.1
    GIT_SHALLOW ON
    SOURCE_SUBDIR no-build-of-its-own)
  FetchContent_MakeAvailable(llhttp)
  set(spate_llhttp_source_dir "${llhttp_SOURCE_DIR}/src")
  set(spate_llhttp_include_dir "${llhttp_SOURCE_DIR}/include")
endif()

enable_language(C)
add_library(spate_llhttp STATIC EXCLUDE_FROM_ALL
  "${spate_llhttp_source_dir}/api.c" "${spate_llhttp_source_dir}/http.c" "${spate_llhttp_source_dir}/llhttp.c")
target_include_directories(spate_llhttp SYSTEM PUBLIC "${spate_llhttp_include_dir}")
target_compile_definitions(spate_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
# Position-independent, because the program that embeds Spate may be a shared library.
set_target_properties(spate_llhttp PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
target_link_libraries(spate_llhttp_interface INTERFACE spate_llhttp)
