/* Where copies of a message go: the arguments that keep, fileinto and :fcc share (RFC 5232, 5; RFC 5490, 3.2; RFC 8579, 4;
 * RFC 8580, 3.1; RFC 9042, 5). */
#include "sieve/target.h"

#include "base/utf8.h"
#include "sieve/run_priv.h"

/* A character of an atom (RFC 9051, 9): none of CTL ( ) { SP % * \ " ] */
static bool is_atom(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("(){%*\\\"]", c) != NULL) {
            return false;
        }
    }
    return s.n > 0;
}

enum { FLAG_MOST = 128, FLAGS_MOST = 128 };

static bool is_flag(struct str s)
{
    static const char *const system[] = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted",
                                         "\\Draft"};
    if (s.n > FLAG_MOST || !str_starts(s, STR("\\"))) {
        return s.n <= FLAG_MOST && is_atom(s);
    }
    size_t i = 0;
    while (i < 5 && !str_eq_nocase(s, str_from_c(system[i]))) {
        i++;
    }
    return i < 5;
}

bool sieve_flags_have(const struct sieve_strings *flags, struct str flag)
{
    for (uint32_t i = 0; i < flags->count; i++) {
        if (str_eq_nocase(flags->at[i], flag)) {
            return true;
        }
    }
    return false;
}

enum err sieve_flags_read(struct sieve_run *r, const struct sieve_strings *words,
                          struct sieve_strings *out)
{
    struct str *list = arena_array(r->scratch, struct str, FLAGS_MOST);
    if (list == NULL) {
        return sieve_run_full(r);
    }
    struct sieve_strings found = {.at = list};
    for (uint32_t i = 0; i < words->count; i++) {
        struct str rest = words->at[i];
        TRY(sieve_run_spend(r, sieve_steps_for(rest.n, SIEVE_RATE_TEXT)));
        while (rest.n > 0 && found.count < FLAGS_MOST) {
            struct str flag = str_split(&rest, ' ');
            TRY(sieve_run_spend(r, 1 + found.count / SIEVE_LOOKS_A_STEP));
            if (is_flag(flag) && !sieve_flags_have(&found, flag)) {
                TRY(sieve_run_keep(r, flag, &list[found.count++]));
            }
        }
    }
    struct str *kept = sieve_run_array(r, struct str, found.count + 1u);
    if (kept == NULL) {
        return sieve_run_full(r);
    }
    for (uint32_t i = 0; i < found.count; i++) {
        kept[i] = list[i];
    }
    *out = (struct sieve_strings){.at = kept, .count = found.count};
    return ERR_OK;
}

static enum err read_flags(struct sieve_run *r, const struct sieve_node *n,
                           struct sieve_target *out)
{
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_FLAGS);
    out->has_flags = sieve_run_has(r, SIEVE_EXT_IMAP4FLAGS);
    out->flags = r->flags;
    if (arg == NULL) {
        return ERR_OK;
    }
    struct sieve_strings words;
    TRY(sieve_expand_list(r, arg, &words));
    return sieve_flags_read(r, &words, &out->flags);
}

/* "\" atom: as IMAP says it (RFC 6154, 6). */
static bool is_special_use(struct str s)
{
    return str_starts(s, STR("\\")) && is_atom(str_skip(s, 1)) && s.n <= FLAG_MOST;
}

static enum err read_special_use(struct sieve_run *r, const struct sieve_node *n,
                                 struct sieve_target *out)
{
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_SPECIALUSE);
    if (arg == NULL) {
        return ERR_OK;
    }
    TRY(sieve_expand_kept(r, arg, &out->special_use));
    if (!is_special_use(out->special_use)) {
        return sieve_run_fail(r, "\"%.*s\" is no special use, as \\Archive is one",
                              STR_ARG(str_sub(out->special_use, 0, 60)));
    }
    return ERR_OK;
}

enum { MAILBOX_MOST = 1000 };

static enum err check_mailbox(struct sieve_run *r, struct str name)
{
    bool is_odd = name.n == 0 || name.n > MAILBOX_MOST || !utf8_is_valid(name);
    for (size_t i = 0; i < name.n && !is_odd; i++) {
        is_odd = (unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f;
    }
    return is_odd ? sieve_run_fail(r, "\"%.*s\" is no name of a mailbox",
                                   STR_ARG(str_sub(name, 0, 100)))
                  : ERR_OK;
}

enum err sieve_target_read(struct sieve_run *r, const struct sieve_node *n,
                           const struct sieve_arg *mailbox, struct sieve_target *out)
{
    *out = (struct sieve_target){.is_create = sieve_node_has(n, SIEVE_TAG_CREATE)};
    TRY(read_flags(r, n, out));
    if (mailbox == NULL) {
        out->mailbox = r->env->inbox.n > 0 ? r->env->inbox : STR("INBOX");
        return ERR_OK;
    }
    TRY(sieve_expand_kept(r, mailbox, &out->mailbox));
    TRY(check_mailbox(r, out->mailbox));
    TRY(read_special_use(r, n, out));
    return sieve_expand_kept(r, sieve_node_find(n, SIEVE_TAG_MAILBOXID), &out->mailbox_id);
}

/* "It is an error to specify both ":mailboxid" and ":specialuse" in the same fileinto command" (RFC 9042, 5.2). */
enum err sieve_target_check(struct sieve_compiler *c, struct sieve_node *n)
{
    if (sieve_node_has(n, SIEVE_TAG_MAILBOXID) && sieve_node_has(n, SIEVE_TAG_SPECIALUSE)) {
        return sieve_compile_fail(c, n->line,
                                  "\":mailboxid\" and \":specialuse\" exclude each other");
    }
    const struct sieve_arg *use = sieve_node_find(n, SIEVE_TAG_SPECIALUSE);
    if (use != NULL && use->strings[0].pieces == NULL && !is_special_use(use->strings[0].text)) {
        return sieve_compile_fail(c, n->line, "\"%.*s\" is no special use, as \\Archive is one",
                                  STR_ARG(str_sub(use->strings[0].text, 0, 60)));
    }
    return ERR_OK;
}

enum err sieve_fcc_read(struct sieve_run *r, const struct sieve_node *n, bool *has_fcc,
                        struct sieve_target *out)
{
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_FCC);
    *has_fcc = arg != NULL;
    return arg != NULL ? sieve_target_read(r, n, arg, out) : ERR_OK;
}
