# Without SQLite the chat is complete but for --history, which it refuses.
if(TARGET spate::sqlite)
  target_link_libraries(${example} PRIVATE spate::compiled_sqlite)
  target_compile_definitions(${example} PRIVATE CHAT_HAS_SQLITE)
endif()
