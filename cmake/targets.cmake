# The few words that the CMakeLists.txt of the folders are written in.

# What every target of ours is compiled with. Includes are written from the repository's root,
# public headers as <imlog/...>.
add_library(imlog_rules INTERFACE)
target_include_directories(imlog_rules INTERFACE
    ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/gen)
target_compile_options(imlog_rules INTERFACE
    -Wall -Wextra -Wshadow -Wconversion
    -fno-omit-frame-pointer      # profilers and sanitizers walk the stack by it
    -fno-semantic-interposition) # position independent, and still inlined within a file
if(IMLOG_SANITIZE)
    target_compile_options(imlog_rules INTERFACE
        -fsanitize=${IMLOG_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(imlog_rules INTERFACE -fsanitize=${IMLOG_SANITIZE})
endif()
if(IMLOG_COVERAGE)
    # -O0: anything more merges branches, and copies them into callers.
    target_compile_options(imlog_rules INTERFACE --coverage -O0)
    target_link_options(imlog_rules INTERFACE --coverage)
endif()

# The allocator of the executables. Libraries leave the choice to whoever links them, and
# sanitizers bring their own.
add_library(imlog_malloc INTERFACE)
if(NOT IMLOG_SANITIZE)
    target_link_libraries(imlog_malloc INTERFACE PkgConfig::jemalloc)
endif()

# imlog_library(NAME SOURCES patterns... [EXCEPT patterns...] [LINKS targets...])
# A static library of this folder, for use inside the tree.
function(imlog_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;EXCEPT;LINKS")
    imlog_sources(sources SOURCES ${arg_SOURCES} EXCEPT ${arg_EXCEPT})
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC imlog_rules ${arg_LINKS})
    set_target_properties(${name} PROPERTIES
        ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/layers) # lib/ holds what is installed
endfunction()

# imlog_executable(NAME SOURCES patterns... [LINKS targets...])
# A program in bin/.
function(imlog_executable name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
    imlog_sources(sources SOURCES ${arg_SOURCES})
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE imlog_rules ${arg_LINKS})
endfunction()

# imlog_sources(OUT SOURCES patterns... [EXCEPT patterns...])
# The files of this folder that match; looked at again in every build.
function(imlog_sources out)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;EXCEPT")
    file(GLOB sources CONFIGURE_DEPENDS ${arg_SOURCES})
    if(arg_EXCEPT)
        file(GLOB except CONFIGURE_DEPENDS ${arg_EXCEPT})
        list(REMOVE_ITEM sources ${except})
    endif()
    set(${out} ${sources} PARENT_SCOPE)
endfunction()

# imlog_objects(OUT targets...): the object files of libraries of ours.
function(imlog_objects out)
    list(TRANSFORM ARGN REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
    set(${out} ${objects} PARENT_SCOPE)
endfunction()

# imlog_pkgconfig(NAME): install NAME.pc from NAME.pc.in of this folder. It finds its prefix from
# where it lies, so an installed tree can be moved.
function(imlog_pkgconfig name)
    file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    configure_file(${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
