# What `cmake --install` puts where: programs, the library in both forms, its headers, and what
# pkg-config and find_package need to find it.

# Users of the static library get one object in which everything but gf_* is local, so that our
# bare names (error_set, list_init, ...) cannot meet theirs.
set(GRADFOLD_ARCHIVE ${CMAKE_CURRENT_BINARY_DIR}/lib/libgradfold.a)
add_custom_command(OUTPUT ${GRADFOLD_ARCHIVE}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/lib
    COMMAND ${CMAKE_COMMAND} -E rm -f ${GRADFOLD_ARCHIVE}
    COMMAND ${CMAKE_LINKER} -r -o lib/gradfold.o
        $<TARGET_OBJECTS:gradfold_static> $<TARGET_OBJECTS:proto> $<TARGET_OBJECTS:base>
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden lib/gradfold.o
    COMMAND ${CMAKE_AR} rcs ${GRADFOLD_ARCHIVE} lib/gradfold.o
    DEPENDS gradfold_static proto base
        $<TARGET_OBJECTS:gradfold_static> $<TARGET_OBJECTS:proto> $<TARGET_OBJECTS:base>
    WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
    COMMENT "Making one object of libgradfold.a"
    COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(gradfold_archive ALL DEPENDS ${GRADFOLD_ARCHIVE})

install(TARGETS gradfoldd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(TARGET gradfold)
    install(TARGETS gradfold RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS gradfold_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${GRADFOLD_ARCHIVE} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/gradfold DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(section 1 5 8)
    file(GLOB pages deploy/man/*.${section})
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
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
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/client/gradfoldConfig.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/client/gradfoldConfigVersion.cmake
    DESTINATION ${GRADFOLD_PACKAGE_DIR})
