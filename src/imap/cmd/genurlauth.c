/* GENURLAUTH and RESETKEY (RFC 4467, 7): making URLs that let others read one message, and revoking them.
 *
 * A URL is authorized only for its owner, who is who is logged in: it must call this server, name that user, an existing
 * mailbox, one message and an access identifier that this server knows. Everything else is a tagged BAD, the same for all
 * reasons. The mailbox's key is made on first use and is on disk before a token made with it leaves. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/session_priv.h"
#include "imap/url.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

enum { URLS_MOST = 100 };

struct genurlauth_args {
    struct str urls[URLS_MOST];
    struct imap_url parsed[URLS_MOST];
    unsigned count;
    unsigned told;
};

struct resetkey_args {
    bool has_mailbox;
    struct str mailbox;
};

/* Mechanisms other than INTERNAL do not exist here. */
static void scan_mechanism(struct scan *c)
{
    struct str mechanism = scan_atom(c);
    if (scan_is_ok(c) && !str_eq_nocase(mechanism, STR("INTERNAL"))) {
        scan_fail(c, ERR_UNSUPPORTED, "the mechanism INTERNAL");
    }
}

/* ---- GENURLAUTH ---- */

static bool has_known_access(const struct imap_url *u)
{
    if (u->access == IMAP_ACCESS_SUBMIT || u->access == IMAP_ACCESS_USER) {
        return u->has_access_user && u->access_user.n > 0;
    }
    return u->access == IMAP_ACCESS_ANONYMOUS || u->access == IMAP_ACCESS_AUTHUSER
           || u->access == IMAP_ACCESS_STREAM;
}

static bool can_authorize(const struct imap_session *s, const struct imap_url *u)
{
    struct url_server server = session_get_url_server(s);
    bool is_own = u->form == IMAP_URL_ABSOLUTE && u->has_user && str_eq(u->user, s->args.user)
                  && url_is_here(u, &server);
    bool is_message = u->has_mailbox && u->uid != 0 && !u->has_search;
    bool has_token = u->token.n > 0 || u->mechanism.n > 0;
    return is_own && is_message && has_known_access(u) && !has_token;
}

static void parse_genurlauth(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct genurlauth_args *args = arena_one(cmd->arena, struct genurlauth_args);
    cmd->args = args;
    do {
        if (args->count == URLS_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer URLs");
            return;
        }
        struct imap_url *u = &args->parsed[args->count];
        scan_sp(c);
        struct str url = scan_astring(c, cmd->arena);
        if (scan_is_ok(c)
            && (imap_url_parse(cmd->arena, url, u) != ERR_OK || !can_authorize(s, u))) {
            scan_fail(c, ERR_SYNTAX,
                      "a URL of yours at this server that names one message and who may read it");
        }
        scan_sp(c);
        scan_mechanism(c);
        args->urls[args->count++] = url;
    } while (!scan_is_end(c));
}

static enum err get_key(struct imap_session *s, const struct imap_url *u,
                        uint8_t key[URLAUTH_KEY_SIZE])
{
    struct mailbox *m = NULL;
    TRY(session_find_mailbox(s, u->mailbox, RIGHT_READ, &m));
    enum err e = mailbox_get_urlauth_key(m, key);
    mailbox_unref(&m);
    return e;
}

static enum err make_keys(struct imap_session *s, const struct genurlauth_args *args)
{
    uint8_t key[URLAUTH_KEY_SIZE];
    for (unsigned i = 0; i < args->count; i++) {
        enum err e = get_key(s, &args->parsed[i], key);
        explicit_bzero(key, sizeof(key));
        TRY(e == ERR_NO_MAILBOX ? ERR_BAD_URLAUTH : e);
    }
    return ERR_OK;
}

static enum err write_url(struct imap_session *s, const struct genurlauth_args *args, unsigned i,
                          struct buf *out)
{
    uint8_t key[URLAUTH_KEY_SIZE];
    CLEANUP(buf_release) struct buf url = BUF_INIT(IMAP_URL_MOST + URLAUTH_TOKEN_SIZE + 16);
    TRY(get_key(s, &args->parsed[i], key));
    buf_add(&url, args->urls[i]);
    buf_add(&url, STR(":internal:"));
    enum err e = urlauth_write_token(&url, str_make((const char *)key, sizeof(key)), args->urls[i]);
    explicit_bzero(key, sizeof(key));
    if (e == ERR_OK) {
        buf_add(out, i == 0 ? STR("* GENURLAUTH ") : STR(" "));
        imap_write_string(out, buf_str(&url));
    }
    return e;
}

static enum run run_genurlauth(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct genurlauth_args *args = cmd->args;
    if (cmd->phase == 0) {
        cmd->phase = 1;
        cmd->err = make_keys(s, args);
        return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
    }
    for (unsigned i = 0; i < args->count; i++) {
        cmd->err = write_url(s, args, i, out);
        if (cmd->err != ERR_OK) {
            s->is_broken = i > 0; /* half a response cannot be taken back */
            return RUN_DONE;
        }
    }
    imap_write_crlf(out);
    return RUN_DONE;
}

const struct command command_genurlauth = {
    .name = STR("GENURLAUTH"),
    .states = STATE_ANY,
    .flags = COMMAND_AGAIN,
    .parse = parse_genurlauth,
    .run = run_genurlauth,
};

/* ---- RESETKEY ---- */

static void parse_resetkey(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct resetkey_args *args = arena_one(cmd->arena, struct resetkey_args);
    cmd->args = args;
    if (scan_is_end(c)) {
        return;
    }
    scan_sp(c);
    args->has_mailbox = true;
    args->mailbox = scan_mailbox(c, cmd->arena);
    while (!scan_is_end(c)) {
        scan_sp(c);
        scan_mechanism(c);
    }
}

static enum err reset_keys(struct imap_session *s, const struct resetkey_args *args)
{
    struct mailbox *m = NULL;
    if (!args->has_mailbox) {
        return account_reset_urlauth_key(s->account, NULL);
    }
    TRY(session_find_mailbox(s, args->mailbox, RIGHT_READ, &m));
    enum err e = account_reset_urlauth_key(s->account, m);
    mailbox_unref(&m);
    return e;
}

static enum run run_resetkey(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    const struct resetkey_args *args = cmd->args;
    if (cmd->phase == 0) {
        cmd->phase = 1;
        cmd->err = reset_keys(s, args);
        return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
    }
    if (args->has_mailbox) {
        buf_add(&cmd->code, STR("URLMECH INTERNAL"));
    }
    return RUN_DONE;
}

const struct command command_resetkey = {
    .name = STR("RESETKEY"),
    .states = STATE_ANY,
    .parse = parse_resetkey,
    .run = run_resetkey,
};
