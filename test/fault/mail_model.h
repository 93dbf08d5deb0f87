#ifndef LIMETTA_TEST_MAIL_MODEL_H
#define LIMETTA_TEST_MAIL_MODEL_H

/* A store under random use, and beside it what must be in it. */
#include "store/store.h"

enum { MODEL_BOXES = 5, MODEL_MESSAGES_MOST = 400 };

struct model_message {
    uint32_t uid;
    uint64_t flags;
    uint64_t hash; /* of the octets */
};

struct model_box {
    bool exists;
    struct str name; /* static */
    uint32_t uidnext;
    size_t count;
    struct model_message at[MODEL_MESSAGES_MOST];
};

struct model {
    struct model_box boxes[MODEL_BOXES];
};

struct mill {
    struct store *store;
    struct account *account;
    uint64_t now_ms;
    uint64_t random;
    bool has_only_flags; /* the turn played last changed nothing but flags */
    struct model now;    /* committed */
    struct model next;   /* once the turn is committed */
};

/* Makes a folder in memory, where there is such a file system: what is tested is the order of writes, not the disk. */
enum { MILL_DIR_SIZE = 64 };
MUST_USE enum err mill_make_dir(char dir[static MILL_DIR_SIZE]);
void mill_remove_dir(const char *dir);
/* Opens (makes) the account in dir and reads the model from it. Errors: as the store gives them. */
MUST_USE enum err mill_open(struct mill *m, const char *dir);
/* Closes in good order. */
void mill_close(struct mill *m);
/* Plays one turn, some changes, into the store's pending state and m->next. kind: 0 to MILL_KINDS - 1 says which sort of
 * change comes first. Errors: what the store says; then the turn cannot commit. */
enum { MILL_KINDS = 9 };
MUST_USE enum err mill_play(struct mill *m, unsigned kind);
/* Commits; on ERR_OK m->next is m->now. */
MUST_USE enum err mill_commit(struct mill *m);
/* Lets half a second pass and ticks. */
void mill_tick(struct mill *m);
uint32_t mill_draw(struct mill *m, uint32_t below);

/* A number that differs when names, UIDs, flags or octets do. */
uint64_t model_get_digest(const struct model *x);
/* Reads the store. Errors: as the store gives them. */
MUST_USE enum err model_read(struct account *a, struct model *out);
/* The largest HIGHESTMODSEQ in the account. */
uint64_t mill_get_modseq(struct mill *m);
/* account_verify(); prints problems. */
MUST_USE enum err mill_verify(struct mill *m);

#endif
