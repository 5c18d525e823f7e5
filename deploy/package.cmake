# Debian packages: `cmake --workflow --preset deb` leaves them in build/deb/packages.
#
#   gradfoldd          the server, its systemd service and configuration
#   gradfold           the command-line tool
#   libgradfold0       the library
#   libgradfold-dev    what building against it needs
#   python3-gradfold   the Python package
#   gradfold-demo      training on real data through a server, to try an installation

# Off by default: a service is only installed as a whole, into /usr and /etc, by a package.
option(GRADFOLD_SERVICE "Install gradfoldd's service and the demo, as the Debian packages have it" OFF)
set(GRADFOLD_MAINTAINER "the gradfold authors <gradfold@localhost>" CACHE STRING
    "Who answers for the packages")
if(NOT GRADFOLD_SERVICE)
    return()
endif()

install(FILES deploy/gradfoldd.service DESTINATION /lib/systemd/system COMPONENT gradfoldd)
install(FILES deploy/sysusers.conf DESTINATION /usr/lib/sysusers.d RENAME gradfoldd.conf
    COMPONENT gradfoldd)
install(FILES deploy/gradfoldd.conf DESTINATION /etc/gradfold COMPONENT gradfoldd)
install(FILES deploy/README.md DESTINATION share/doc/gradfoldd COMPONENT gradfoldd)
install(FILES deploy/prometheus.yml deploy/alerts.yml deploy/grafana/dashboard.json
    DESTINATION share/doc/gradfoldd/examples COMPONENT gradfoldd)

install(TARGETS digits_worker digits_alone digits_test DESTINATION lib/gradfold/bin COMPONENT demo)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/demo)
file(CREATE_LINK ../../../bin/gradfoldd ${CMAKE_BINARY_DIR}/demo/gradfoldd SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/demo/gradfoldd DESTINATION lib/gradfold/bin COMPONENT demo)
install(PROGRAMS deploy/demo DESTINATION lib/gradfold COMPONENT demo)
install(PROGRAMS deploy/debian/gradfold-demo DESTINATION bin COMPONENT demo)
install(FILES deploy/debian/gradfold-demo.1 DESTINATION share/man/man1 COMPONENT demo)
install(FILES tests/data/digits.csv tests/data/README.md DESTINATION share/gradfold COMPONENT demo)

configure_file(deploy/debian/changelog.in ${CMAKE_BINARY_DIR}/changelog @ONLY)
execute_process(COMMAND gzip -9nf ${CMAKE_BINARY_DIR}/changelog COMMAND_ERROR_IS_FATAL ANY)

install(DIRECTORY client/python/gradfold DESTINATION lib/python3/dist-packages COMPONENT python
    PATTERN __pycache__ EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR "the gradfold authors")
set(CPACK_PACKAGE_CONTACT ${GRADFOLD_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has its own
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON) # some files lie outside /usr
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON) # *-dbgsym_*.ddeb, for who has to look into a core dump
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/deploy/debian/finish.cmake)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR}/client)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)

# gradfold_package(COMPONENT NAME SECTION SUMMARY LINES DEPENDS...): LINES go below the summary.
function(gradfold_package component name section summary lines)
    string(TOUPPER ${component} key)
    set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${component} PARENT_SCOPE)
    set(CPACK_DEBIAN_${key}_PACKAGE_NAME ${name} PARENT_SCOPE)
    set(CPACK_DEBIAN_${key}_PACKAGE_SECTION ${section} PARENT_SCOPE)
    set(CPACK_DEBIAN_${key}_DESCRIPTION "${summary}\n${lines}" PARENT_SCOPE)
    string(REPLACE ";" ", " depends "${ARGN}")
    set(CPACK_DEBIAN_${key}_PACKAGE_DEPENDS "${depends}" PARENT_SCOPE)
    # What Debian wants of every package: who may copy it, and what has changed.
    set(documents ${CMAKE_INSTALL_DATADIR}/doc/${name})
    install(FILES deploy/debian/copyright DESTINATION ${documents} COMPONENT ${component})
    install(FILES ${CMAKE_BINARY_DIR}/changelog.gz DESTINATION ${documents} COMPONENT ${component})
endfunction()

set(this "= ${PROJECT_VERSION}")
gradfold_package(gradfoldd gradfoldd net "summation server for distributed training"
    "Workers push gradients, the server folds them into one sum a round and hands\n\
it back: whole or not at all, exactly once, with the same bits whatever the\n\
order in which pushes arrive."
    "systemd | systemd-standalone-sysusers")
gradfold_package(library libgradfold0 libs "client library of the gradfold summation server"
    "What a worker of a distributed training is linked with.")
gradfold_package(development libgradfold-dev libdevel "client library of gradfold (development)"
    "Headers, the static library, and what pkg-config and CMake need."
    "libgradfold0 (${this})" "libprotobuf-c-dev")
gradfold_package(demo gradfold-demo misc "training on real data through a gradfold server"
    "gradfold-demo trains a small network with four workers, kills one of them,\n\
and compares the result, bit by bit, with training in a single process."
    "gradfoldd" "libgradfold0 (${this})")
gradfold_package(python python3-gradfold python "summation service for distributed training (Python 3)"
    "NumPy arrays are pushed and pulled without a copy; gradfold.torch has an\n\
optimizer that is adopted with one line."
    "python3" "python3-numpy" "libgradfold0 (${this})")
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS python3-torch)
if(TARGET gradfold)
    gradfold_package(gradfold gradfold net "command-line tool of the gradfold summation server"
        "Creates and watches jobs, pushes and pulls tensors, measures.")
    set(CPACK_DEBIAN_GRADFOLD_PACKAGE_SUGGESTS gradfoldd)
endif()

set(CPACK_DEBIAN_GRADFOLDD_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/deploy/debian/conffiles
    ${CMAKE_SOURCE_DIR}/deploy/debian/postinst
    ${CMAKE_SOURCE_DIR}/deploy/debian/prerm
    ${CMAKE_SOURCE_DIR}/deploy/debian/postrm)
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/deploy/debian/python/postinst
    ${CMAKE_SOURCE_DIR}/deploy/debian/python/prerm)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/debian/triggers)

include(CPack)
