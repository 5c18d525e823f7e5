# What `cmake --install` puts where: programs, the library in both forms, its headers, and what
# pkg-config and find_package need to find it. A component is a Debian package
# (deploy/package.cmake).

install(TARGETS gradfoldd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT gradfoldd)
if(TARGET gradfold)
    install(TARGETS gradfold RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT gradfold)
endif()
install(TARGETS gradfold_shared gradfold_static
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/gradfold DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
    FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT unpackaged)
foreach(page_of 1:gradfold 3:development 5:gradfoldd 8:gradfoldd)
    string(REPLACE ":" ";" page_of ${page_of})
    list(GET page_of 0 section)
    list(GET page_of 1 component)
    file(GLOB pages deploy/man/*.${section})
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section}
        COMPONENT ${component})
endforeach()

# Both descriptions find their files from where they lie: an installed tree can be moved.
set(GRADFOLD_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/gradfold)
file(RELATIVE_PATH GRADFOLD_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(client/gradfold.pc.in client/gradfold.pc @ONLY)
configure_package_config_file(client/gradfoldConfig.cmake.in client/gradfoldConfig.cmake
    INSTALL_DESTINATION ${GRADFOLD_PACKAGE_DIR}
    PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/client/gradfoldConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/client/gradfold.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/client/gradfoldConfig.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/client/gradfoldConfigVersion.cmake
    DESTINATION ${GRADFOLD_PACKAGE_DIR} COMPONENT development)
