# Gives the target spate_catch: Catch2 with a main function, version 2.13 or 3, installed or else fetched.
# Sets SPATE_CATCH_MAJOR.
include_guard(GLOBAL)

find_package(Catch2 3 QUIET)
if(NOT Catch2_FOUND)
  find_package(Catch2 2.13 QUIET)
endif()
if(NOT Catch2_FOUND)
  include(FetchContent)
  FetchContent_Declare(Catch2
    GIT_REPOSITORY https://github.com/catchorg/Catch2.git
    GIT_TAG v3.7.1
    GIT_SHALLOW ON)
  FetchContent_MakeAvailable(Catch2)
  set(Catch2_VERSION 3)
endif()
string(REGEX MATCH "^[0-9]+" SPATE_CATCH_MAJOR "${Catch2_VERSION}")

if(TARGET Catch2::Catch2WithMain)
  add_library(spate_catch INTERFACE)
  target_link_libraries(spate_catch INTERFACE Catch2::Catch2WithMain)
else()
  add_library(spate_catch OBJECT "${PROJECT_SOURCE_DIR}/tests/support/catch_main.cpp")
  target_compile_features(spate_catch PUBLIC cxx_std_20)
  target_link_libraries(spate_catch PUBLIC Catch2::Catch2)
endif()
