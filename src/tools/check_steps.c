/* The steps that every leg has: greeting, offers, STARTTLS, many octets at once.
 *
 * Each takes what the service's own words brought, and finds what it tells of the path: a greeting that does not come, words written over,
 * STARTTLS taken out of the offers (it works, or is refused, and was not offered), octets put in before TLS, large packets that are lost
 * where small ones pass. */
#include "tools/check_steps.h"

#include "tools/check_words.h"

bool check_hear_greeting(struct check_dialogue *d, enum talk_result r, struct str line)
{
    buf_add(&d->leg->greeting, line);
    if (r == TALK_FOREIGN) {
        check_find(d->leg, FINDING_GREETING_FOREIGN, "it says: %.*s", STR_ARG(line));
        return false;
    }
    if (r == TALK_SILENT) {
        check_find(d->leg, FINDING_GREETING_MISSING, "nothing was said within %llu s",
                   (unsigned long long)(d->talk->timeout_ms / 1000));
        return false;
    }
    return check_went_well(d, r, "the greeting");
}

void check_note_offers(struct check_dialogue *d, const struct buf *words)
{
    struct str masked = check_words_find_masked(words);
    d->leg->has_plain = d->leg->has_plain || !d->talk->is_tls;
    d->leg->has_tls = d->talk->is_tls;
    if (masked.n > 0) {
        check_find(d->leg, FINDING_WORD_MASKED, "%.*s stands where something else was offered",
                   STR_ARG(masked));
    }
}

bool check_start_tls(struct check_dialogue *d, bool is_taken, struct str answer)
{
    bool is_offered = check_words_has(&d->leg->plain, STR("STARTTLS"));
    bool is_masked = check_has(d->leg, FINDING_WORD_MASKED);
    if (!is_offered && (is_taken || is_masked)) {
        check_find(d->leg, FINDING_STARTTLS_STRIPPED,
                   is_taken ? "STARTTLS is not offered, and works"
                            : "a masked word stands where STARTTLS was offered, and it is refused");
    } else if (!is_taken) {
        check_find(d->leg, is_offered ? FINDING_STARTTLS_REFUSED : FINDING_STARTTLS_MISSING,
                   "STARTTLS is %soffered, and answered %.*s", is_offered ? "" : "not ",
                   STR_ARG(answer));
    }
    if (!is_taken || !check_went_well(d, talk_start_tls(d->talk), "the handshake of TLS")) {
        return false;
    }
    if (d->talk->has_octets_before) {
        check_find(d->leg, FINDING_TLS_INJECTED, "octets came between STARTTLS and TLS");
    }
    if (d->on_tls != NULL) {
        d->on_tls(d->owner);
    }
    return true;
}

bool check_end_bulk(struct check_dialogue *d, enum talk_result r, size_t octets)
{
    if (r == TALK_SILENT) {
        unsigned unsent = d->count_unsent == NULL ? 0 : d->count_unsent(d->owner);
        check_find(d->leg, FINDING_LARGE_STALL, "small packets pass, %zu octets at once do not; %s",
                   octets,
                   unsent > 0 ? "they do not reach the server's side"
                              : "they, or the answer, are lost");
        return false;
    }
    return check_went_well(d, r, "many NOOPs at once");
}

void check_note_line_ends(struct check_dialogue *d)
{
    if (d->talk->has_bare_lf) {
        check_find(d->leg, FINDING_LINE_ENDS, "lines end in LF alone");
    }
}
