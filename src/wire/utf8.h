#ifndef LIMETTA_WIRE_UTF8_H
#define LIMETTA_WIRE_UTF8_H

/* UTF-8 is base's; this is its old place. */
#include "base/utf8.h"

#endif
