#ifndef LIMETTA_TOOLS_SCREEN_H
#define LIMETTA_TOOLS_SCREEN_H

#include "base/str.h"

#include <stdbool.h>

/* A view on a terminal that is drawn again and again; elsewhere it is printed once. */

/* Is standard output a terminal? Then it is cleared, and keys are heard without Return until screen_end(). */
bool screen_begin(void);
/* Draws text from the top left corner, cut to the terminal's size, which is asked anew each time. */
void screen_draw(struct str text);
/* Waits for a second, or a key. False: the user wants to leave (q, or Ctrl-C). */
bool screen_wait(void);
void screen_end(void);

#endif
