#ifndef LIMETTA_EDGE_LINE_H
#define LIMETTA_EDGE_LINE_H

#include "base/list.h"
#include "base/str.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who waits for auth, by where he comes from: places take turns, each has its own row, and so many at once may be at auth. Nobody goes
 * while the line is closed. Plain bookkeeping: what is asked is the owner's business. */
struct line;
struct line_row;

enum { LINE_PLACE_MOST = 16, LINE_OUT_MOST = 128 };

/* Embedded in who waits; all zero: it stands nowhere, line_init_seat(). */
struct line_seat {
    struct list node;
    struct line_row *row; /* NULL: it stands nowhere */
    uint64_t number;      /* who came first has the lower one */
    bool is_out;          /* its turn came, and is not over */
};

void line_init_seat(struct line_seat *s);

/* on_turn: the seat's owner may ask; the turn is over with line_leave() or line_put_back(), which may be said from inside. A new line is
 * closed. */
struct line *line_new(struct loop *l, void (*on_turn)(void *owner, struct line_seat *s),
                      void *owner);
/* Everybody has left. */
void line_free(struct line **l);
/* Somebody is there to be asked, who has not yet said "later" to all. */
void line_open(struct line *l);
void line_close(struct line *l);
bool line_is_open(const struct line *l);

/* s, which stands nowhere, comes last in the row of its place (at most LINE_PLACE_MOST octets). Its turn may be now, within
 * this call. wait_ms: nobody of the row goes before. */
void line_ask(struct line *l, struct line_seat *s, struct str place, uint64_t wait_ms);
/* The turn of s brought nothing: it stands in its row again, where it came, which goes on after wait_ms. is_all: and so do all others. */
void line_put_back(struct line *l, struct line_seat *s, uint64_t wait_ms, bool is_all);
/* s is done, or gives up; wherever it stands. */
void line_leave(struct line *l, struct line_seat *s);
/* Those that wait for their turn. */
size_t line_get_waiting(const struct line *l);

#endif
