#ifndef LIMETTA_BASE_BANNED_H
#define LIMETTA_BASE_BANNED_H

/* Functions that cannot be used safely. The build includes this file before every source file, after the system
 * headers that declare them, so that using one does not compile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol gmtime          \
    localtime ctime asctime gets

#endif
