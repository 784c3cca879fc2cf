# The targets of Spate. The build tree and the installed package include this same file, so that a program sees the
# same targets however it gets them.
#
#   spate::spate   the library: headers, C++20, threads, Asio, llhttp
#   spate::redis   spate::spate and hiredis, for <spate/cluster/redis_bus.hpp>; exists only where hiredis does
#   spate::jwt     spate::spate and libjwt, for <spate/jwt/jwt_authorize.hpp>; exists only where libjwt does
#
# The includer sets `spate_headers` to the folder that holds spate/spate.hpp.
include_guard(GLOBAL)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
include("${CMAKE_CURRENT_LIST_DIR}/spate_asio.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_llhttp.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_hiredis.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/spate_libjwt.cmake")

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

if(TARGET spate::libjwt)
  add_library(spate_jwt INTERFACE)
  add_library(spate::jwt ALIAS spate_jwt)
  target_link_libraries(spate_jwt INTERFACE spate::spate spate::libjwt)
endif()
