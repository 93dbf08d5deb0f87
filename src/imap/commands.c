/* The list of commands, and what follows from it.
 *
 * Each command is a row that its file exports; nothing here knows what a command does. CAPABILITY is written from the
 * rows, so that a command that is not there cannot be announced, and from the words below, which stand for what no
 * single command adds.
 */
#include "imap/command.h"

#include "imap/cmd/list.h"
#include "imap/session_priv.h"

#include <stddef.h>

#define LIST_COMMAND(name) &command_##name,
static const struct command *const commands[] = {COMMANDS(LIST_COMMAND)};
#undef LIST_COMMAND

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static const char *const BASE_CAPABILITIES[] = {
    "IMAP4rev1",   /* RFC 3501 */
    "IMAP4rev2",   /* RFC 9051 */
    "LITERAL+",    /* RFC 7888 */
    "SASL-IR",     /* RFC 4959 */
    "UIDPLUS",     /* RFC 4315 */
    "CHILDREN",    /* RFC 3348 */
    "CONDSTORE",   /* RFC 7162 */
    "QRESYNC",     /* RFC 7162 */
    "SPECIAL-USE", /* RFC 6154 */
    "STATUS=SIZE", /* RFC 8438 */
    "UTF8=ACCEPT", /* RFC 9755 */
    "OBJECTID",    /* RFC 8474 */
    "PARTIAL",     /* RFC 9394 */
    "UIDONLY",     /* RFC 9586 */
    "SAVEDATE",    /* RFC 8514 */
    "INPROGRESS",  /* RFC 9585 */
    "ACL",         /* RFC 4314 */
    "RIGHTS=texk", /* RFC 4314 */
};

enum { BASE_COUNT = sizeof(BASE_CAPABILITIES) / sizeof(BASE_CAPABILITIES[0]) };

const struct command *commands_find(struct str name, bool is_uid)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (name.n != commands[i]->name.n || !str_eq_nocase(name, commands[i]->name)) {
            continue;
        }
        if (is_uid && (commands[i]->flags & COMMAND_HAS_UID) == 0) {
            return NULL;
        }
        return commands[i];
    }
    return NULL;
}

static bool is_offered(const struct imap_session *s, const struct command *c)
{
    return c->is_offered == NULL || c->is_offered(s);
}

void commands_write_capability(const struct imap_session *s, struct buf *out)
{
    for (size_t i = 0; i < BASE_COUNT; i++) {
        buf_add_c(out, i > 0 ? " " : "");
        buf_add_c(out, BASE_CAPABILITIES[i]);
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (commands[i]->capability != NULL && is_offered(s, commands[i])) {
            buf_add_char(out, ' ');
            buf_add_c(out, commands[i]->capability);
        }
    }
    if (s->args.host->sieve_url.n > 0) {
        buf_addf(out, " IMAPSIEVE=%.*s", STR_ARG(s->args.host->sieve_url)); /* RFC 6785 */
    }
    buf_addf(out, " APPENDLIMIT=%llu", (unsigned long long)s->args.message_most); /* RFC 7889 */
    if (s->args.message_limit > 0) {
        buf_addf(out, " MESSAGELIMIT=%u", s->args.message_limit); /* RFC 9738 */
    }
}
