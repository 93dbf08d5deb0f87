#ifndef LIMETTA_MAIN_STATE_H
#define LIMETTA_MAIN_STATE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "main/config.h"
#include "net/link.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* The state folder: mail, users, keys, queue; made ready by `limetta serve` before any role starts.
 *
 *     run/pid            the running supervisor, locked while it runs
 *     run/queue          the socket of limetta queue
 *     run/control        the socket of limetta reload, restart and status
 *     keys/              0700, the supervisor's alone: ticket keys, the submission server's password, what links need
 *     auth/users.db      verifiers             auth's folder
 *     accounts/          mail                  the stores' folder
 *     queue/             outgoing mail         submit's folder
 *     tls-cert.pem, tls-key.pem   unless the configuration names others
 *
 * A host that runs some of the roles only has what these need: no users.db without auth, no accounts without store,
 * and of the ticket keys the public one, which comes from auth's host (limetta link-cert).
 */
struct state {
    char dir[PATH_MAX]; /* absolute */
    char name[LINK_NAME_MOST
              + 1]; /* of this host in links: as its link certificate says, or "local" */
    int pid_fd;     /* holds the lock */
    uid_t uid;      /* who the roles become; our own when we are not root */
    gid_t gid;
    struct buf ticket_private; /* PEM */
    struct buf ticket_public;
    struct buf submit_password;
    struct buf seal_key; /* hexadecimal */
    struct buf tls_cert; /* PEM; empty: no TLS */
    struct buf tls_key;
    struct buf link_cert; /* PEM; empty: no links to other hosts */
    struct buf link_key;
    struct buf link_ca;
};

/* The login by which our submission server fetches URLs. */
#define STATE_SUBMIT_USER CONFIG_SUBMIT_USER

/* The name of a host without a link certificate, which no certificate may have. */
#define STATE_LOCAL_NAME "local"

/* Prepares dir for hosts->at[0] and fills s. When the configuration offers TLS and there is no certificate, its
 * setting tls becomes "off". Returns an exit code after one clear line on standard error; on EXIT_FINE
 * state_release() is due. */
struct hosts;
struct host;
int state_prepare(const char *dir, struct config *c, const struct hosts *hosts, struct state *s);
/* Makes what auth has in keys/ of a folder that is there, unless it has it, and reads it: for who hands it to other
 * hosts. Returns an exit code likewise; on EXIT_FINE state_release() is due. */
int state_read_keys(const char *dir, struct state *s);
void state_release(struct state *s);
/* Reads what links need anew, for a gate that is started again; when it is not usable, or says another name, the old
 * one stays, and that is logged. */
void state_renew_link(struct state *s, const struct config *c, const struct host *own);
/* Reads certificate and key as state_prepare() does, for the folder of now, into two buffers that become the
 * caller's. Returns an exit code likewise; then there is nothing to release. */
int state_read_tls(const struct state *now, struct config *c, struct buf *cert, struct buf *key);

/* Gives dir, auth/, accounts/ and queue/ with all below them to uid and gid. Does nothing unless we are root. */
MUST_USE enum err state_give(const char *dir, uid_t uid, gid_t gid);

/* Writes a file whole or not at all: a new one, on disk, then renamed. mode as for open(). */
MUST_USE enum err state_write_file(const char *path, struct str octets, mode_t mode);
/* Appends a file's octets. Errors: ERR_NOT_FOUND, ERR_NO_PERMISSION, ERR_TOO_BIG (out's cap), ERR_IO. */
MUST_USE enum err state_read_file(const char *path, struct buf *out);

#endif
