# Without libjwt the hub is complete but for --subscribe-secret, which it refuses.
if(TARGET spate::jwt)
  target_link_libraries(${example} PRIVATE spate::jwt)
  target_compile_definitions(${example} PRIVATE HUB_HAS_JWT)
endif()
# Without nghttp2 the hub speaks HTTP/1 alone.
if(TARGET spate::http2)
  target_link_libraries(${example} PRIVATE spate::compiled_http2)
  target_compile_definitions(${example} PRIVATE HUB_HAS_HTTP2)
endif()
# Without SQLite the hub is complete but for --history, which it refuses.
if(TARGET spate::sqlite)
  target_link_libraries(${example} PRIVATE spate::compiled_sqlite)
  target_compile_definitions(${example} PRIVATE HUB_HAS_SQLITE)
endif()
# Without zlib nothing is compressed.
if(TARGET spate::zlib)
  target_link_libraries(${example} PRIVATE spate::compiled_zlib)
  target_compile_definitions(${example} PRIVATE HUB_HAS_ZLIB)
endif()
# Without OpenSSL the hub is complete but for TLS, which it refuses.
if(TARGET spate::tls)
  target_link_libraries(${example} PRIVATE spate::compiled_tls)
  target_compile_definitions(${example} PRIVATE HUB_HAS_TLS)
endif()
# Without hiredis the hub is complete but for --redis, which it refuses.
if(TARGET spate::redis)
  target_link_libraries(${example} PRIVATE spate::compiled_redis)
  target_compile_definitions(${example} PRIVATE HUB_HAS_REDIS)
endif()
