# Without libjwt the hub is complete but for --subscribe-secret, which it refuses.
if(TARGET spate::jwt)
  target_link_libraries(${example} PRIVATE spate::jwt)
  target_compile_definitions(${example} PRIVATE HUB_HAS_JWT)
endif()
# Without hiredis the hub is complete but for --redis, which it refuses.
if(TARGET spate::redis)
  target_link_libraries(${example} PRIVATE spate::compiled_redis)
  target_compile_definitions(${example} PRIVATE HUB_HAS_REDIS)
endif()
