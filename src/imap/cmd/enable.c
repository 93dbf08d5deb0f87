/* ENABLE (RFC 5161): a table of what can be switched on, one row a name. Unknown names are passed over; ENABLED lists only what
 * this command newly enabled. QRESYNC brings CONDSTORE with it (RFC 7162, 3.2.3).
 *
 * RFC 5161 wants ENABLE before SELECT; we take it at any time, because clients that connect again after a fault have
 * been seen to send it late, and RFC 9051 allows it. What is switched on stays so. */
#include "imap/cmd/list.h"

#include "imap/metadata.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"

static void enable_qresync(struct imap_session *s, struct buf *out)
{
    session_enable_condstore(s, out);
    s->has_qresync = true;
}

static void enable_metadata(struct imap_session *s, struct buf *out)
{
    (void)out;
    metadata_enable(s);
}

static void enable_rev2(struct imap_session *s, struct buf *out)
{
    (void)out;
    numset_clear(&s->selected.recent);
    s->is_rev2 = true;
}

static void enable_uidonly(struct imap_session *s, struct buf *out)
{
    (void)out;
    s->has_uidonly = true;
}

static void enable_utf8(struct imap_session *s, struct buf *out)
{
    (void)out;
    s->has_utf8 = true;
}

/* What can be enabled. has: where the session notes it. enable: notes it, and tells what is to be told behind ENABLED. */
static const struct extension {
    const char *name;
    size_t has;
    void (*enable)(struct imap_session *s, struct buf *out);
} extensions[] = {
    {"CONDSTORE", offsetof(struct imap_session, has_condstore), session_enable_condstore},
    {"IMAP4rev2", offsetof(struct imap_session, is_rev2), enable_rev2},
    {"METADATA", offsetof(struct imap_session, has_metadata), enable_metadata},
    {"METADATA-SERVER", offsetof(struct imap_session, has_metadata), enable_metadata},
    {"QRESYNC", offsetof(struct imap_session, has_qresync), enable_qresync},
    {"UIDONLY", offsetof(struct imap_session, has_uidonly), enable_uidonly},
    {"UTF8=ACCEPT", offsetof(struct imap_session, has_utf8), enable_utf8},
};

enum { EXTENSION_COUNT = sizeof(extensions) / sizeof(extensions[0]) };

struct enable_args {
    bool is_named[EXTENSION_COUNT];
};

static void parse_enable(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct enable_args *args = arena_one(cmd->arena, struct enable_args);
    cmd->args = args;
    do {
        scan_sp(c);
        struct str word = scan_atom(c);
        for (size_t i = 0; i < EXTENSION_COUNT; i++) {
            args->is_named[i] |= str_eq_nocase(word, str_from_c(extensions[i].name));
        }
    } while (!scan_is_end(c));
}

static bool is_enabled(const struct imap_session *s, const struct extension *x)
{
    return *(const bool *)((const char *)s + x->has);
}

static enum run run_enable(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct enable_args *args = cmd->args;
    buf_add(out, STR("* ENABLED"));
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        args->is_named[i] = args->is_named[i] && !is_enabled(s, &extensions[i]);
        if (args->is_named[i]) {
            buf_add_char(out, ' ');
            buf_add_c(out, extensions[i].name);
        }
    }
    buf_add(out, STR("\r\n"));
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        if (args->is_named[i]) {
            extensions[i].enable(s, out);
        }
    }
    return RUN_DONE;
}

void session_write_modes(const struct imap_session *s, struct buf *out)
{
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        if (is_enabled(s, &extensions[i])) {
            buf_add_c(out, extensions[i].name);
            buf_add_char(out, ' ');
        }
    }
}

void session_set_modes(struct imap_session *s, struct str words)
{
    CLEANUP(buf_release) struct buf unsaid = BUF_INIT(SESSION_OUTPUT_MOST);
    while (words.n > 0) {
        struct str word = str_split(&words, ' ');
        for (size_t i = 0; i < EXTENSION_COUNT; i++) {
            if (str_eq_nocase(word, str_from_c(extensions[i].name))) {
                extensions[i].enable(s, &unsaid);
            }
        }
    }
}

const struct command command_enable = {
    .name = STR("ENABLE"),
    .states = STATE_ANY,
    .flags = COMMAND_SELECTED | COMMAND_AGAIN,
    .capability = "ENABLE",
    .parse = parse_enable,
    .run = run_enable,
};
