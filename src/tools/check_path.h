#ifndef LIMETTA_TOOLS_CHECK_PATH_H
#define LIMETTA_TOOLS_CHECK_PATH_H

#include "tools/check_cert.h"
#include "tools/check_dialogue.h"
#include "tools/check_report.h"
#include "tools/check_wire.h"

#include <stdbool.h>
#include <stdint.h>

/* What a run of the path checker was asked, and what it works with. Strings are borrowed. */
struct check_run {
    struct loop *loop;
    struct tls_context *tls; /* observing */
    struct check_report report;
    struct check_expectation expectation;
    struct str expect_imap;
    struct str expect_submission;
    struct str user; /* empty: no login */
    struct str password;
    struct str address;
    char helo[80];   /* [192.0.2.1] or a name */
    char unique[24]; /* of this run */
    uint64_t timeout_ms;
    uint64_t connect_ms;
    uint64_t hop_ms;
    uint64_t minute_ms; /* of the idle ladder */
    uint64_t mail_wait_ms;
    bool is_mail_sent;
    bool is_mail_binary;
    struct sockaddr_storage at[16];
    size_t at_count;
};

struct check_kind {
    const char *name;
    uint16_t port;
    bool (*start)(struct check_dialogue *d); /* true: a login may follow */
    void (*hear)(struct check_dialogue *d);  /* instead: what has no login */
    bool (*login)(struct check_dialogue *d);
    enum finding_code absent; /* of a leg that need not be there */
};

/* NULL: there is none of that name. */
const struct check_kind *check_kind_find(struct str name);

/* One conversation over the network. */
struct check_path {
    struct check_wire *wire;
    struct talk talk;
    struct check_dialogue dialogue;
    struct check_run *run;
};

/* Connects to one of the leg's addresses; *a says how it went. NULL: not connected. */
struct check_path *check_path_open(struct check_run *run, struct check_leg *leg,
                                   struct check_address *a);
void check_path_free(struct check_path **p);
/* A connection to a leg that worked, logged in; NULL: it failed, and the leg says how. */
struct check_path *check_path_log_in(struct check_run *run, const char *name);

/* Looks the host up: fills run->at. False: it has no address, and the report says so. */
bool check_resolve(struct check_run *run, struct str host);
/* A whole leg. is_required: that it is not there is wrong. */
void check_leg_run(struct check_run *run, const struct check_kind *kind, uint16_t port,
                   bool is_required);
/* After all legs: who is in the way where no connection was made, what certificates say together, whether the mail arrived. */
void check_legs_finish(struct check_run *run);
/* The long tests: silence and duration. */
void check_idle_run(struct check_run *run);

#endif
