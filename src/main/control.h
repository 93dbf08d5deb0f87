#ifndef LIMETTA_MAIN_CONTROL_H
#define LIMETTA_MAIN_CONTROL_H

#include "base/err.h"
#include "base/str.h"
#include "net/link.h"

#include <stdbool.h>
#include <stddef.h>

/* The messages between the supervisor and one role: SOCK_SEQPACKET, one message a packet, a descriptor beside it
 * where the type says so. control.c has the byte table. */
enum control_type {
    CONTROL_SETTING = 1, /* supervisor to role: key, (part of the) value */
    CONTROL_LISTENER,    /* supervisor to role: key is the name; a listening socket */
    CONTROL_START, /* supervisor to role: settings and listeners are complete; later: new settings are */
    CONTROL_PEER,  /* supervisor to role: role, index, key is its host's name; one end of a link */
    CONTROL_STOP,  /* supervisor to role: stop in good order */
    CONTROL_READY, /* role to supervisor: confined, serving */
    CONTROL_METRICS, /* role to supervisor: (part of) its part of GET /metrics, in place of the last */
    CONTROL_JOIN,    /* gate to supervisor: as CONTROL_PEER; value says for whom: "store 3" */
    CONTROL_LOG,     /* supervisor to role: where it logs from now on */
    CONTROL_KICK, /* supervisor to auth: end sessions; index: of the wish; key: services; value: whose */
    CONTROL_KICKED, /* auth to supervisor: that is done; index: the same; value: main/kick_round.h */
    CONTROL_TYPE_END
};

enum {
    CONTROL_CHILD_FD = 3,         /* where a role finds its end */
    CONTROL_KEY_MOST = 64,        /* octets of a setting's or listener's name */
    CONTROL_PART_MOST = 8 * 1024, /* octets of value in one packet */
    CONTROL_VALUE_MOST = 256 * 1024,
    CONTROL_INDEX_MOST = 1023,
    CONTROL_JOIN_MOST = 16, /* octets of whom a link is for */
    CONTROL_PACKET_MOST = 8 + CONTROL_KEY_MOST + CONTROL_PART_MOST
};

struct control_message {
    enum control_type type;
    bool has_more; /* CONTROL_SETTING, CONTROL_METRICS: the value goes on in the next packet */
    enum link_role role; /* CONTROL_PEER, CONTROL_JOIN */
    unsigned index;      /* the same; CONTROL_KICK, CONTROL_KICKED */
    struct str key;
    struct str value;
    int fd; /* CONTROL_LISTENER, CONTROL_PEER, CONTROL_JOIN, CONTROL_LOG; else -1 */
};

/* Sends one message; key and value within the bounds. m->fd stays the caller's. Never blocks for long: the socket's
 * buffer takes all that a start needs. Errors: ERR_PEER_GONE, ERR_LIMIT (the buffer is full), ERR_IO. */
MUST_USE enum err control_send(int fd, const struct control_message *m);
/* A setting of any length up to CONTROL_VALUE_MOST, cut into packets. Errors: those of control_send(). */
MUST_USE enum err control_send_setting(int fd, struct str key, struct str value);

/* The same for CONTROL_METRICS. */
MUST_USE enum err control_send_metrics(int fd, struct str text);

/* Takes one packet. out->key and out->value borrow from packet; out->fd is the caller's to close (close-on-exec).
 * is_waiting: block until something comes. Errors: ERR_PEER_GONE (orderly end), ERR_UNAVAILABLE (nothing there, or
 * the time is over), ERR_SYNTAX (a packet that breaks the table; its descriptors are closed), ERR_IO. */
MUST_USE enum err control_receive(int fd, bool is_waiting, char packet[CONTROL_PACKET_MOST],
                                  struct control_message *out);

/* The pure half of control_receive(): octets of a packet to a message, without descriptors. Errors: ERR_SYNTAX. */
MUST_USE enum err control_parse(struct str packet, bool has_fd, struct control_message *out);

/* "edge", "auth", "store", "submit", "convert", "gate". Static; never NULL. */
const char *control_role_name(enum link_role role);

#endif
