# Writes the C table of csrc/embedded.h:
#   cmake -DROOT=lua -DFILES="child_process/init.lua;..." -DOUT=embedded.c -P embed.cmake
# Bytes and not string literals: those have a limit, and trigraphs.
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS FILES)
  file(READ "${ROOT}/${file}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "\\.lua$" "" name "${file}")
  string(REGEX REPLACE "/init$" "" name "${name}")
  string(REPLACE "/" "." name "${name}")
  string(APPEND arrays "static const unsigned char file${number}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${name}\", \"=${file}\", file${number}, sizeof file${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "/* made by cmake/embed.cmake */\n#include \"embedded.h\"\n\n${arrays}
const struct lcp__embedded lcp__embedded[] = {\n${rows}    {0, 0, 0, 0}};\n")
