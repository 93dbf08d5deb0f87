#ifndef LIMETTA_CONVERT_STRICT_H
#define LIMETTA_CONVERT_STRICT_H

#include <stdbool.h>

/* For our own programs that convert, before they look at a part: from now on this process computes, reads and writes what it has
 * open, and nothing else. No file can be opened, no program run, no code made. False: not to be had, and the program should
 * end. In sanitizer builds, which need more, nothing happens. */
bool strict_begin(void);

#endif
