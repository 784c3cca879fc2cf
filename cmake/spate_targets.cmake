# The targets of Spate. The build tree and the installed package include this same file, so that a program sees the
# same targets however it gets them.
#
#   spate::spate   the library: headers, C++20, threads, Asio, llhttp
#   spate::redis   spate::spate and hiredis, for <spate/cluster/redis_bus.hpp>; exists only where hiredis does
#   spate::http2   spate::spate and nghttp2, for <spate/http2/http2.hpp>; exists only where nghttp2 does
#   spate::tls     spate::spate and OpenSSL, for <spate/tls/tls_context.hpp>; exists only where OpenSSL 3 does
#   spate::sqlite  spate::spate and SQLite, for <spate/history/sqlite_replay_store.hpp>; exists only where SQLite does
#   spate::zlib    spate::spate and zlib, for <spate/zlib/gzip.hpp>; exists only where zlib does
#   spate::jwt     spate::spate and libjwt, for <spate/jwt/jwt_authorize.hpp>; exists only where libjwt does
#   spate::testing spate::spate, for <spate/testing/server.hpp>: with which a program tests its own handlers. Its matchers
#                  for Catch2 need that, which the program links to by itself
#
# Each of them is headers alone, which every program compiles. Where many sources or programs of one tree use them, the
# same is compiled once, in a library that is built when something links to it:
#
#   spate::compiled         spate::spate
#   spate::compiled_redis   spate::redis
#   spate::compiled_http2   spate::http2
#   spate::compiled_tls     spate::tls
#   spate::compiled_sqlite  spate::sqlite
#   spate::compiled_zlib    spate::zlib
#   spate::compiled_testing spate::testing
#
# A program takes all of them in one form or in the other.
#
# The includer sets `spate_headers` to the folder that holds spate/spate.hpp.
include_guard(GLOBAL)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
include("${CMAKE_CURRENT_LIST_DIR}/spate_asio.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_llhttp.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_hiredis.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_openssl.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_libjwt.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_nghttp2.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_sqlite.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_zlib.cmake")

add_library(spate INTERFACE)
add_library(spate::spate ALIAS spate)
target_compile_features(spate INTERFACE cxx_std_20)
target_include_directories(spate ${spate_headers_system} INTERFACE "${spate_headers}")
target_link_libraries(spate INTERFACE Threads::Threads spate::asio spate::llhttp)

# spate_add_compiled(<name> <header of all functions> <what it needs>...)
function(spate_add_compiled name header)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT "#include <${header}>\n")
  add_library(${name} STATIC EXCLUDE_FROM_ALL "${source}")
  string(REPLACE "spate_" "spate::" alias ${name})
  add_library(${alias} ALIAS ${name})
  target_compile_definitions(${name} PUBLIC SPATE_SEPARATE_COMPILATION)
  if(MINGW)
    target_compile_options(${name} PRIVATE -Wa,-mbig-obj)  # more sections than an object has room for by default
  endif()
  target_link_libraries(${name} PUBLIC ${ARGN})
endfunction()

# spate_part(<name> HEADERS <regex> [NEEDS <target> FROM <its package> MODULE <of pkg-config>] [FUNCTIONS <header>])
#
# Gives the targets of an optional part, where what it needs is there; and tells of it, there or not, to the package, to
# the single headers and to pkg-config: in the global properties SPATE_PARTS and SPATE_PART_<name>_HEADERS and so on.
# HEADERS match the names of those that are its own.
function(spate_part name)
  cmake_parse_arguments(PARSE_ARGV 1 part "" "HEADERS;NEEDS;FROM;MODULE;FUNCTIONS" "")
  set_property(GLOBAL APPEND PROPERTY SPATE_PARTS ${name})
  foreach(what HEADERS NEEDS FROM MODULE FUNCTIONS)
    set_property(GLOBAL PROPERTY SPATE_PART_${name}_${what} "${part_${what}}")
  endforeach()
  set(needed "")
  if(part_NEEDS)
    if(NOT TARGET spate::${part_NEEDS})
      return()
    endif()
    set(needed spate::${part_NEEDS})
  endif()
  add_library(spate_${name} INTERFACE)
  add_library(spate::${name} ALIAS spate_${name})
  target_link_libraries(spate_${name} INTERFACE spate::spate ${needed})
  if(part_FUNCTIONS)
    spate_add_compiled(spate_compiled_${name} "${part_FUNCTIONS}" spate::compiled spate::${name})
  endif()
endfunction()

spate_add_compiled(spate_compiled spate/src.hpp spate::spate)

spate_part(redis HEADERS "spate/cluster/(redis|detail/|impl/)" FUNCTIONS spate/cluster/redis_src.hpp
  NEEDS hiredis FROM "hiredis 0.14 or newer (Debian: libhiredis-dev)" MODULE "hiredis >= 0.14")
spate_part(http2 HEADERS "spate/http2/" FUNCTIONS spate/http2/http2_src.hpp
  NEEDS nghttp2 FROM "nghttp2 1.52 or newer (Debian: libnghttp2-dev)" MODULE "libnghttp2 >= 1.52")
spate_part(tls HEADERS "spate/tls/" FUNCTIONS spate/tls/tls_src.hpp
  NEEDS openssl FROM "OpenSSL 3 (Debian: libssl-dev)" MODULE "openssl >= 3")
spate_part(sqlite HEADERS "spate/history/sqlite" FUNCTIONS spate/history/sqlite_src.hpp
  NEEDS sqlite3 FROM "SQLite 3.37 or newer (Debian: libsqlite3-dev)" MODULE "sqlite3 >= 3.37")
spate_part(zlib HEADERS "spate/zlib/" FUNCTIONS spate/zlib/zlib_src.hpp
  NEEDS zlib_library FROM "zlib 1.2.11 or newer (Debian: zlib1g-dev)" MODULE "zlib >= 1.2.11")
spate_part(jwt HEADERS "spate/jwt/"
  NEEDS libjwt FROM "libjwt 1.10 or newer, below 3 (Debian: libjwt-dev)" MODULE "libjwt >= 1.10, libjwt < 3")
spate_part(testing HEADERS "spate/testing/" FUNCTIONS spate/testing/testing_src.hpp)
