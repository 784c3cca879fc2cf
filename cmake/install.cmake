# cmake --install puts: the headers, the package configuration, and the search for Asio, llhttp, hiredis, OpenSSL,
# nghttp2, SQLite, zlib and libjwt, which runs again on the machine of the program that uses them.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(spate_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/spate")
configure_package_config_file(cmake/spate-config.cmake.in "${PROJECT_BINARY_DIR}/spate-config.cmake"
  INSTALL_DESTINATION "${spate_package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
# Before 1.0 a minor version may break what worked.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/spate-config-version.cmake"
  COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)

install(DIRECTORY include/spate TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp" PATTERN "*.ipp")
install(FILES
  "${PROJECT_BINARY_DIR}/spate-config.cmake"
  "${PROJECT_BINARY_DIR}/spate-config-version.cmake"
  cmake/spate_targets.cmake
  cmake/spate_asio.cmake
  cmake/spate_llhttp.cmake
  cmake/spate_hiredis.cmake
  cmake/spate_openssl.cmake
  cmake/spate_libjwt.cmake
  cmake/spate_nghttp2.cmake
  cmake/spate_sqlite.cmake
  cmake/spate_zlib.cmake
  DESTINATION "${spate_package_dir}")
