# The targets of Spate. The build tree and the installed package include this same file, so that a program sees the
# same targets however it gets them.
#
#   spate::spate   the library: headers, C++20, threads, Asio, llhttp
#   spate::redis   spate::spate and hiredis, for <spate/cluster/redis_bus.hpp>; exists only where hiredis does
#   spate::http2   spate::spate and nghttp2, for <spate/http2/http2.hpp>; exists only where nghttp2 does
#   spate::tls     spate::spate and OpenSSL, for <spate/tls/tls_context.hpp>; exists only where OpenSSL 3 does
#   spate::sqlite  spate::spate and SQLite, for <spate/history/sqlite_replay_store.hpp>; exists only where SQLite does
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

add_library(spate INTERFACE)
add_library(spate::spate ALIAS spate)
target_compile_features(spate INTERFACE cxx_std_20)
target_include_directories(spate ${spate_headers_system} INTERFACE "${spate_headers}")
target_link_libraries(spate INTERFACE Threads::Threads spate::asio spate::llhttp)

if(TARGET spate::hiredis)
  add_library(spate_redis INTERFACE)
  add_library(spate::redis ALIAS spate_redis)
  target_link_libraries(spate_redis INTERFACE spate::spate spate::hiredis)
endif()

if(TARGET spate::nghttp2)
  add_library(spate_http2 INTERFACE)
  add_library(spate::http2 ALIAS spate_http2)
  target_link_libraries(spate_http2 INTERFACE spate::spate spate::nghttp2)
endif()

if(TARGET spate::openssl)
  add_library(spate_tls INTERFACE)
  add_library(spate::tls ALIAS spate_tls)
  target_link_libraries(spate_tls INTERFACE spate::spate spate::openssl)
endif()

if(TARGET spate::sqlite3)
  add_library(spate_sqlite INTERFACE)
  add_library(spate::sqlite ALIAS spate_sqlite)
  target_link_libraries(spate_sqlite INTERFACE spate::spate spate::sqlite3)
endif()

if(TARGET spate::libjwt)
  add_library(spate_jwt INTERFACE)
  add_library(spate::jwt ALIAS spate_jwt)
  target_link_libraries(spate_jwt INTERFACE spate::spate spate::libjwt)
endif()

add_library(spate_testing INTERFACE)
add_library(spate::testing ALIAS spate_testing)
target_link_libraries(spate_testing INTERFACE spate::spate)

# spate_add_compiled(<name> <header of all functions> <what it needs>...)
function(spate_add_compiled name header)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT "#include <${header}>\n")
  add_library(${name} STATIC EXCLUDE_FROM_ALL "${source}")
  string(REPLACE "spate_" "spate::" alias ${name})
  add_library(${alias} ALIAS ${name})
  target_compile_definitions(${name} PUBLIC SPATE_SEPARATE_COMPILATION)
  target_link_libraries(${name} PUBLIC ${ARGN})
endfunction()

spate_add_compiled(spate_compiled spate/src.hpp spate::spate)
if(TARGET spate::redis)
  spate_add_compiled(spate_compiled_redis spate/cluster/redis_src.hpp spate::compiled spate::redis)
endif()
if(TARGET spate::http2)
  spate_add_compiled(spate_compiled_http2 spate/http2/http2_src.hpp spate::compiled spate::http2)
endif()
if(TARGET spate::tls)
  spate_add_compiled(spate_compiled_tls spate/tls/tls_src.hpp spate::compiled spate::tls)
endif()
if(TARGET spate::sqlite)
  spate_add_compiled(spate_compiled_sqlite spate/history/sqlite_src.hpp spate::compiled spate::sqlite)
endif()
spate_add_compiled(spate_compiled_testing spate/testing/testing_src.hpp spate::compiled spate::testing)
