#ifndef LIMETTA_IMAP_COMMAND_H
#define LIMETTA_IMAP_COMMAND_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/scan.h"
#include "base/str.h"
#include "wire/imap_framing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A command is one file in cmd/ that exports one struct command; commands.c lists them all. CAPABILITY, the check of
 * states and the rule when EXPUNGE may be told come from these rows. */

struct imap_session;
struct cmd;

/* In which states a command may come (RFC 3501, 3); a session here is always authenticated. */
enum command_state { STATE_AUTHENTICATED = 1, STATE_SELECTED = 2, STATE_ANY = 3 };

enum command_flag {
    /* May be written with UID in front. */
    COMMAND_HAS_UID = 1,
    /* Only with UID in front. */
    COMMAND_ONLY_UID = 2,
    /* Answers in sequence numbers unless it came with UID: no EXPUNGE may be told meanwhile (RFC 3501, 7.4.1). */
    COMMAND_USES_SEQ = 4,
    /* Writes to the selected mailbox: refused when that is open read-only. */
    COMMAND_WRITES = 8,
    /* No news before its tagged reply, because the mailbox is being opened or closed. */
    COMMAND_NO_NEWS = 16,
    /* Its tagged OK tells HIGHESTMODSEQ when it made messages vanish and QRESYNC is on (RFC 7162, 3.2.7). */
    COMMAND_TELLS_MODSEQ = 32,
    /* Its arguments may name sequence numbers even when it comes with UID: they are the client's, so no EXPUNGE may be told
     * before it runs. */
    COMMAND_TAKES_SEQ = 64,
    /* Names no messages by number even without UID, so it may come so after ENABLE UIDONLY (RFC 9586, 3). */
    COMMAND_NO_SEQ = 128,
    /* IMAP4rev2 removed it (RFC 9051, appendix E): unknown once that is enabled. */
    COMMAND_REV1 = 256,
    /* Works on the selected mailbox, wherever that is: relayed when it is another account's (imap/relay.h), where it meets
     * the rights of a guest. Without this, it is refused or runs as if none were selected. */
    COMMAND_SELECTED = 1024,
    /* Its first argument is the name of a mailbox: relayed to the account where that is. It must find the mailbox by imap/access.h. */
    COMMAND_NAMES = 2048,
    /* May be given in a peer session (imap/peer.h), as those with the two flags above. */
    COMMAND_PEER = 4096,
    /* Only in a peer session: no client may give it. */
    COMMAND_INTERNAL = 8192,
    /* Reads only, or comes to the same when it is done twice: run again when the process died that ran it (imap/again.h). */
    COMMAND_AGAIN = 16384
};

/* How a command goes on after a call of run. */
enum run {
    RUN_MORE, /* call again, when the output was taken */
    RUN_COMMIT, /* call again, when what is pending in the account is durable (or never, when that fails) */
    RUN_EVENT, /* call again, when session_wake() was called */
    RUN_LINE,  /* the same, or when a line of the client is there (session_next_line()) */
    RUN_DONE   /* send the tagged reply */
};

struct command {
    struct str name; /* in capitals, without UID */
    unsigned states;
    unsigned flags;
    const char
        *capability; /* what its row adds to CAPABILITY, words with SP between; NULL: nothing */
    /* False: the command is switched off, unknown and not told of. NULL: it never is. */
    bool (*is_offered)(const struct imap_session *s);
    /* Reads the arguments, from the SP after the name on; what it finds goes to cmd->args in cmd->arena. Says
     * scan_fail() when they are wrong. NULL: no arguments. */
    void (*parse)(struct imap_session *s, struct cmd *cmd, struct scan *c);
    /* Does it, step by step: appends about SESSION_OUTPUT_MOST octets at most to out in a call. Failure: sets cmd->err
     * and returns RUN_DONE. */
    enum run (*run)(struct imap_session *s, struct cmd *cmd, struct buf *out);
    /* Frees what args holds outside of the arena; also called when the session ends amid the command. May be NULL. */
    void (*release)(struct cmd *cmd);
    /* For commands whose literals are too large to gather (APPEND); NULL: all are gathered. */
    const struct command_literals *literals;
};

/* How a command takes literals while it is still arriving. head: its arguments so far, from the SP after the name on, up to
 * where the literal stands; literals streamed before are placeholders there. */
struct command_literals {
    /* A literal is announced. IMAP_LITERAL_REFUSE: with *why. */
    enum imap_literal_answer (*on_literal)(struct imap_session *s, struct scan *head,
                                           const struct imap_literal *literal, enum err *why);
    void (*on_octets)(struct imap_session *s, struct str octets);
    void (*on_end)(struct imap_session *s);
};

/* The command that a session is busy with. */
struct cmd {
    const struct command *what;
    struct str tag;   /* in arena */
    struct str given; /* the whole command, in arena */
    bool is_uid;
    bool is_parsed;
    bool is_relayed;  /* runs in another account (imap/relay.h) */
    bool is_answered; /* code is the whole tagged reply, with its line end */
    bool tells_all;   /* its news tell everything, whatever NOTIFY asked for */
    struct view *
        view_before; /* counted: what the client knew when it gave a UID command that writes; else NULL */
    struct arena *arena; /* cleared after the tagged reply */
    void *args;          /* what parse found; parse and run know its type */
    uint32_t
        limited_uid; /* the lowest that was worked on, because there is a limit (imap/limit.h); 0: all were */
    unsigned phase;  /* run's own: 0 at the first call */
    bool is_between; /* run stopped where another process can go on: behind the message told_uid */
    bool is_again;   /* another process has begun it, and told the messages up to told_uid */
    uint32_t told_uid;
    enum err failure;  /* why some message was left out so far */
    uint64_t began_us; /* of the host's clock */
    uint64_t told_ms;  /* when the client last heard of progress (imap/progress.h); 0: never */
    enum err err;      /* of the tagged reply */
    struct buf
        code; /* response code of the tagged reply, without brackets; overrides that of err */
    const char *text; /* of the tagged OK; NULL: "<name> completed" */
};

/* NULL: no such command. */
const struct command *commands_find(struct str name, bool is_uid);
/* Appends the capabilities of s, separated by SP (RFC 3501, 7.2.1). */
void commands_write_capability(const struct imap_session *s, struct buf *out);

#endif
