# cmake --install puts: the headers, the package configuration, and the search for Asio, llhttp, hiredis, OpenSSL,
# nghttp2, SQLite and libjwt, which runs again on the machine of the program that uses them.
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

# The guides, and what they link to, at the same places relative to each other.
install(DIRECTORY include/spate/guides DESTINATION "${CMAKE_INSTALL_DOCDIR}/include/spate")
install(DIRECTORY examples DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(FILES benchmarks/README.md DESTINATION "${CMAKE_INSTALL_DOCDIR}/benchmarks")

install(DIRECTORY include/spate TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp" PATTERN "*.ipp" PATTERN guides EXCLUDE)
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
  DESTINATION "${spate_package_dir}")
