# Its test, which runs in ctest.
if(SPATE_BUILD_TESTS)
  add_executable(${example}_test ${example}/test/notes_test.cpp)
  target_include_directories(${example}_test PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(${example}_test PRIVATE spate::compiled_testing spate_catch spate_developer)
  add_test(NAME example.${example} COMMAND ${example}_test)
  set_tests_properties(example.${example} PROPERTIES LABELS example TIMEOUT 60)
endif()
