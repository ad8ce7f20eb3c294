# cmake -DMANIFEST=FILE -P uninstall.cmake: removes the files that the last `cmake --install`
# of this build has written, and folders of ours that are empty then.  $DESTDIR counts as it
# does there.
cmake_minimum_required(VERSION 3.25)

if(NOT EXISTS "${MANIFEST}")
  message(FATAL_ERROR "nothing has been installed from this build: no ${MANIFEST}")
endif()
file(READ "${MANIFEST}" files)
string(STRIP "${files}" files)
string(REPLACE "\n" ";" files "${files}")

# The manifest lists no folders.  Those named after the module, and what is below them, are
# ours; lib, share and the like stay.  rmdir refuses one in which somebody has put a file.
function(remove_empty_folders folder)
  while(folder MATCHES "/child_process(/|$)")
    execute_process(COMMAND rmdir "${folder}" RESULT_VARIABLE failed ERROR_QUIET)
    if(failed)
      return()
    endif()
    message(STATUS "Removed: ${folder}")
    cmake_path(GET folder PARENT_PATH folder)
  endwhile()
endfunction()

foreach(file IN LISTS files)
  set(file "$ENV{DESTDIR}${file}")
  if(EXISTS "${file}" OR IS_SYMLINK "${file}")
    file(REMOVE "${file}") # silent when it fails
    if(EXISTS "${file}" OR IS_SYMLINK "${file}")
      message(FATAL_ERROR "cannot remove ${file}")
    endif()
    message(STATUS "Removed: ${file}")
  endif()
  cmake_path(GET file PARENT_PATH folder)
  remove_empty_folders("${folder}")
endforeach()
