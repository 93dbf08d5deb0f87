#ifndef LIMETTA_TEST_FILTER_FIXTURE_H
#define LIMETTA_TEST_FILTER_FIXTURE_H

/* An account with scripts, messages that are delivered to it, and what became of them. */
#include "filter/filter.h"
#include "store/outbox.h"

#include "../store/store_fixture.h"
#include "unit.h"

struct world {
    struct fixture f;
    struct filter_config config;
    struct filter *filter;
    unsigned unique;
    const char *return_path;       /* "sam@there.example" */
    const char *address;           /* "ann@example.org" */
    struct filter_outcome outcome; /* of the last delivery */
    struct outbox_item item;       /* that next_item() read */
    struct buf octets;             /* of item, or of a message */
};

void world_open(struct world *w);
/* The same of a folder that another process left behind. */
void world_adopt(struct world *w, const char *dir);
void world_close(struct world *w);
/* Makes filter anew, with config as it is now. */
void world_set_up(struct world *w);
/* The user's active script; its requires and commands. */
void world_script(struct world *w, const char *text);
void world_include(struct world *w, const char *name, const char *text);
/* Delivers and commits. rest: the message behind its trace lines; LF becomes CRLF. */
enum err world_deliver(struct world *w, const char *rest);
/* Messages in the mailbox; -1: there is no such mailbox. */
int world_count(struct world *w, const char *mailbox);
/* The octets of message number seq, NUL behind them, until the next call. */
const char *world_read(struct world *w, const char *mailbox, uint32_t seq);
uint64_t world_flags(struct world *w, const char *mailbox, uint32_t seq);
/* Takes the first item out of the outbox into w->item and w->octets; false: it is empty. */
bool world_take(struct world *w);
/* A field of its head. */
bool world_head_is(struct world *w, const char *key, const char *value);
int world_count_items(struct world *w);

#define assert_has(text, part)                                                                     \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL) {                                                      \
            fail_msg("\"%s\" is not in \"%s\"", (part), (text));                                   \
        }                                                                                          \
    } while (0)
#define assert_lacks(text, part)                                                                   \
    do {                                                                                           \
        if (strstr((text), (part)) != NULL) {                                                      \
            fail_msg("\"%s\" is in \"%s\"", (part), (text));                                       \
        }                                                                                          \
    } while (0)

#endif
