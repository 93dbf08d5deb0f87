#ifndef LIMETTA_TEST_STORE_FIXTURE_H
#define LIMETTA_TEST_STORE_FIXTURE_H

/* A store in a folder of its own, with a clock that tests turn. */
#include "store/store.h"

#include "unit.h"

struct fixture {
    char dir[64];
    uint64_t now_ms;
    struct store_config config;
    struct store *store;
    struct account *account;
    struct mailbox *inbox;
};

/* Opens a new store with the account "ann". */
void fixture_open(struct fixture *f);
/* Opens what another process left in dir. */
void fixture_adopt(struct fixture *f, const char *dir);
/* Closes and opens again; what tests hold of the old one is void. */
void fixture_reopen(struct fixture *f);
/* Closes and removes the folder. */
void fixture_close(struct fixture *f);
/* Commits; the err that a wait hears. */
enum err fixture_commit(struct fixture *f);
/* A message of about `size` octets that differs with n. */
struct str fixture_message(struct buf *out, unsigned n, size_t size);
/* Appends it; not committed. */
struct uid fixture_append(struct mailbox *m, struct str octets, uint64_t flags);
/* The mailbox; released by the caller. */
struct mailbox *fixture_find(struct account *a, const char *name);
struct view *fixture_view(struct mailbox *m);
/* Runs account_verify() and fails on problems. */
void fixture_verify(struct account *a);

#endif
