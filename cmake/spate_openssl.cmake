# Gives the target spate::openssl if OpenSSL 3 is installed; without it a line says so, and nothing fails.
include_guard(GLOBAL)

find_package(OpenSSL 3 QUIET)
if(OPENSSL_FOUND)
  # A target of the build and not an imported one, so that it is visible in every folder of a program.
  add_library(spate_openssl INTERFACE)
  add_library(spate::openssl ALIAS spate_openssl)
  target_include_directories(spate_openssl SYSTEM INTERFACE ${OPENSSL_INCLUDE_DIR})
  target_link_libraries(spate_openssl INTERFACE ${OPENSSL_SSL_LIBRARY} ${OPENSSL_CRYPTO_LIBRARY})
else()
  message(STATUS "spate: without TLS, as OpenSSL 3 was not found (Debian's libssl-dev)")
endif()
