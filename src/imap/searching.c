/* The trunk of the searching commands (RFC 3501, 6.4.4; RFC 5256, 3; RFC 5267).
 *
 *     parse [RETURN (...)]  ->  [their own arguments]  ->  criteria  ->  search  ->  [sort]  ->  tell
 *
 * The search is a cursor of the search room; it is given a budget a step, so that a search through a million messages leaves
 * time to its neighbours. Whatever order the results have, they are told by the same two writers: as numbers, or, when there was a
 * RETURN, as an ESEARCH response (results.h).
 */
#include "imap/searching.h"

#include "imap/filters.h"
#include "imap/progress.h"
#include "imap/search_keys.h"
#include "imap/session_priv.h"
#include "imap/set.h"
#include "mime/charset.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

enum { BUDGET = 256 * 1024 };

void searching_parse_return(struct imap_session *s, struct cmd *cmd, struct scan *c,
                            struct searching *q)
{
    search_return_parse(&q->wants, c, cmd->arena);
    q->is_uid = cmd->is_uid;
    if ((q->wants.options & RETURN_UPDATE) && contexts_has_tag(s->selected.contexts, cmd->tag)) {
        scan_fail(c, ERR_SYNTAX, "another tag: a context that is live has this one");
    }
}

/* After ENABLE UTF8=ACCEPT strings are UTF-8: another label contradicts that (RFC 9755, 3). IMAP4rev2 takes labels (RFC 9051,
 * 6.4.4: UTF-8 and US-ASCII MUST be supported), and RFC 9755 is no extension of it. */
static bool is_utf8_only(const struct imap_session *s)
{
    return s->has_utf8 && !s->is_rev2;
}

static void parse_charset(struct imap_session *s, struct scan *c, struct search_keys *keys)
{
    struct charset *charset = NULL;
    scan_sp(c);
    keys->charset = scan_astring(c, keys->arena);
    if (is_utf8_only(s) && !str_eq_nocase(keys->charset, STR("UTF-8"))) {
        scan_fail(c, ERR_SYNTAX, "UTF-8 after ENABLE UTF8=ACCEPT");
    }
    if (scan_is_ok(c) && charset_new(keys->charset, &charset) != ERR_OK) {
        scan_fail(c, ERR_BAD_CHARSET, "a charset that is known here");
    }
    charset_free(&charset);
}

static bool find_filter(void *owner, struct arena *a, struct str name, struct str *out)
{
    return filters_find(owner, a, name, out);
}

static struct search_keys make_keys(struct imap_session *s, struct cmd *cmd,
                                    const struct searching *q)
{
    return (struct search_keys){
        .arena = cmd->arena,
        .is_uid_only = s->has_uidonly,
        .saved = q->is_elsewhere ? NULL : &s->selected.saved,
        .is_saved_lost = s->selected.is_saved_lost,
        .find_filter = find_filter,
        .filter_owner = s,
    };
}

/* RFC 5182 §2.1: a search that should save and says NO leaves nothing saved; after BAD, what was saved stays. */
static void drop_saved(struct imap_session *s, const struct searching *q, enum err e)
{
    if ((q->wants.options & RETURN_SAVE) && e != ERR_OK && !err_get_info(e)->is_bad) {
        numset_clear(&s->selected.saved);
        s->selected.is_saved_lost = false;
    }
}

static void parse_program(struct imap_session *s, struct scan *c, struct search_keys *keys,
                          struct searching *q)
{
    q->program = search_keys_parse(keys, c);
    q->has_modseq = keys->has_modseq;
    q->has_fuzzy = keys->has_fuzzy;
    if ((q->wants.options & RETURN_RELEVANCY) && !keys->has_fuzzy) {
        scan_fail(c, ERR_SYNTAX, "FUZZY, for RELEVANCY"); /* RFC 6203 §4 */
    }
    drop_saved(s, q, scan_get_err(c));
    q->undefined_filter = keys->undefined_filter;
}

void searching_parse_criteria(struct imap_session *s, struct cmd *cmd, struct scan *c,
                              struct searching *q)
{
    struct search_keys keys = make_keys(s, cmd, q);
    parse_charset(s, c, &keys);
    scan_sp(c);
    parse_program(s, c, &keys, q);
}

void searching_parse_keys(struct imap_session *s, struct cmd *cmd, struct scan *c,
                          struct searching *q)
{
    struct search_keys keys = make_keys(s, cmd, q);
    scan_sp(c);
    if (!is_utf8_only(s) && scan_accept_word(c, STR("CHARSET"))) {
        parse_charset(s, c, &keys);
        scan_sp(c);
    }
    parse_program(s, c, &keys, q);
}

enum err searching_begin_in(struct imap_session *s, struct searching *q, struct mailbox *m,
                            struct view *v)
{
    const struct search_args args = {
        .mailbox = m,
        .view = v,
        .program = q->program,
        .recent = m == s->selected.mailbox ? &s->selected.recent : NULL,
        .now_s = session_get_now_s(s),
    };
    enum err e = search_new(&args, &q->search);
    drop_saved(s, q, e);
    return e;
}

enum err searching_prepare(struct imap_session *s, struct searching *q, struct buf *out)
{
    if (q->undefined_filter.n > 0) {
        buf_addf(&s->cmd.code, "UNDEFINED-FILTER %.*s", STR_ARG(q->undefined_filter));
        drop_saved(s, q, ERR_UNDEFINED_FILTER);
        return ERR_UNDEFINED_FILTER;
    }
    if (q->has_modseq) {
        session_enable_condstore(s, out);
    }
    return ERR_OK;
}

enum err searching_begin(struct imap_session *s, struct searching *q, struct buf *out)
{
    TRY(searching_prepare(s, q, out));
    return searching_begin_in(s, q, s->selected.mailbox, s->selected.known);
}

enum step searching_step(struct imap_session *s, struct searching *q, struct buf *out)
{
    enum step step = search_step(q->search, BUDGET);
    if (step == STEP_BAD) {
        s->cmd.err = search_get_err(q->search);
        drop_saved(s, q, s->cmd.err);
    }
    if (step == STEP_MORE) {
        progress_tell(s, search_get_progress(q->search), search_get_goal(q->search), out);
    }
    return step;
}

void searching_begin_context(struct imap_session *s, struct searching *q,
                             const struct sort_program *order, const uint32_t *sorted)
{
    if ((q->wants.options & RETURN_UPDATE) == 0) {
        return;
    }
    const struct numset *found = search_get_result(q->search);
    const struct context_args args = {.tag = s->cmd.tag,
                                      .is_uid = q->is_uid,
                                      .atts = q->wants.update_atts,
                                      .program = q->program,
                                      .found = found,
                                      .order = order,
                                      .sorted = sorted,
                                      .count = numset_get_count(found)};
    q->is_refused = contexts_add(s, &args) != ERR_OK;
}

void searching_begin_tell(struct imap_session *s, struct searching *q, struct results results,
                          const char *name, struct buf *out)
{
    struct cmd *cmd = &s->cmd;
    q->results = results;
    q->place = (struct results_place){0};
    if (q->wants.options & RETURN_SAVE) {
        numset_clear(&s->selected.saved);
        s->selected.is_saved_lost = false;
        results_save(&results, &q->wants, &s->selected.saved);
    }
    if (q->wants.is_given) {
        q->esearch = (struct esearch){.results = results,
                                      .wants = &q->wants,
                                      .tag = cmd->tag,
                                      .has_modseq = q->has_modseq,
                                      .scores = search_get_scores(q->search)};
        return;
    }
    buf_add(out, STR("* "));
    buf_add_c(out, name);
}

static enum step tell_numbers(struct searching *q, struct buf *out)
{
    if (results_write_numbers(&q->results, &q->place, out) == STEP_MORE) {
        return STEP_MORE;
    }
    if (q->has_modseq && q->results.count > 0) {
        buf_addf(out, " (MODSEQ %llu)", (unsigned long long)search_get_highestmodseq(q->search));
    }
    imap_write_crlf(out);
    return STEP_DONE;
}

enum step searching_tell_results(struct searching *q, struct buf *out)
{
    if (!q->wants.is_given) {
        return tell_numbers(q, out);
    }
    bool is_silent = (q->wants.options & RETURN_SAVE) && !search_return_has_data(&q->wants);
    return is_silent ? STEP_DONE : esearch_step(&q->esearch, out);
}

enum step searching_tell(struct searching *q, struct buf *out)
{
    enum step step = searching_tell_results(q, out);
    if (step == STEP_DONE && q->is_refused) {
        searching_write_noupdate(q->esearch.tag, out);
    }
    return step;
}

void searching_write_noupdate(struct str tag, struct buf *out)
{
    buf_add(out, STR("* NO [NOUPDATE "));
    imap_write_string(out, tag);
    buf_add(out, STR("] Not possible, or too many contexts\r\n"));
}

void searching_fail(struct imap_session *s, struct searching *q)
{
    drop_saved(s, q, s->cmd.err);
}

void searching_release(struct searching *q)
{
    search_free(&q->search);
}
