# Gives the target spate::asio: standalone Asio 1.22 or newer.
#
# First choice is an installed header (name its folder with CMAKE_PREFIX_PATH or SPATE_ASIO_INCLUDE_DIR), else the
# pinned release is fetched.
include_guard(GLOBAL)

find_path(SPATE_ASIO_INCLUDE_DIR asio/io_context.hpp DOC "The folder that holds asio/io_context.hpp")
set(spate_asio_dir "${SPATE_ASIO_INCLUDE_DIR}")

if(spate_asio_dir)
  # #define ASIO_VERSION 102201 // 1.22.1
  file(STRINGS "${spate_asio_dir}/asio/version.hpp" spate_asio_version REGEX "define ASIO_VERSION ")
  string(REGEX MATCH "[0-9]+" spate_asio_version "${spate_asio_version}")
  if(spate_asio_version LESS 102200)
    message(STATUS "spate: ${spate_asio_dir} has Asio ${spate_asio_version}, older than 102200; not used")
    set(spate_asio_dir "")
  endif()
endif()

if(NOT spate_asio_dir)
  include(FetchContent)
  FetchContent_Declare(asio
    GIT_REPOSITORY https://github.com/chriskohlhoff/asio.git
    GIT_TAG asio-1-30-2
    GIT_SHALLOW ON
    SOURCE_SUBDIR no-build-of-its-own)
  FetchContent_MakeAvailable(asio)
  set(spate_asio_dir "${asio_SOURCE_DIR}/asio/include")
endif()

# A target of the build and not an imported one, so that it is visible in every folder of a program that finds Spate
# in two of them.
add_library(spate_asio INTERFACE)
add_library(spate::asio ALIAS spate_asio)
target_include_directories(spate_asio SYSTEM INTERFACE "${spate_asio_dir}")
target_compile_definitions(spate_asio INTERFACE ASIO_STANDALONE)
# Before 1.28 Asio may know the coroutines of Clang only from the time before they were standard.
if(spate_asio_version AND spate_asio_version LESS 102800)
  target_compile_definitions(spate_asio INTERFACE $<$<CXX_COMPILER_ID:Clang>:ASIO_HAS_CO_AWAIT=1>)
endif()
# Asio chooses how it allocates by what was included before it: a program that includes it first would free with
# `operator delete` what the compiled library had from std::aligned_alloc.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  target_compile_definitions(spate_asio INTERFACE ASIO_HAS_STD_ALIGNED_ALLOC=1)
endif()
if(WIN32)
  target_compile_definitions(spate_asio INTERFACE _WIN32_WINNT=0x0A00)
  target_link_libraries(spate_asio INTERFACE ws2_32 mswsock)
endif()
