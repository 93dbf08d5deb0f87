/* RETURN options: a table of words, and which of them exclude each other (RFC 5267, 4.4: of ALL and PARTIAL at most one). */
#include "imap/search_return.h"

static unsigned parse_option(struct scan *c)
{
    static const struct {
        struct str name;
        enum return_option option;
    } OPTIONS[] = {
        {{"MIN", 3}, RETURN_MIN},
        {{"MAX", 3}, RETURN_MAX},
        {{"ALL", 3}, RETURN_ALL},
        {{"COUNT", 5}, RETURN_COUNT},
        {{"PARTIAL", 7}, RETURN_PARTIAL},
        {{"UPDATE", 6}, RETURN_UPDATE},
        {{"CONTEXT", 7}, RETURN_CONTEXT},
        {{"SAVE", 4}, RETURN_SAVE},
        {{"RELEVANCY", 9}, RETURN_RELEVANCY},
    };
    for (size_t i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++) {
        if (scan_accept_word(c, OPTIONS[i].name)) {
            return OPTIONS[i].option;
        }
    }
    return 0;
}

/* The attributes are read to see where they end, and that they are sound; a context reads them again. */
static void parse_update(struct search_return *r, struct scan *c, struct arena *a)
{
    struct scan ahead = *c;
    (void)scan_accept(&ahead, ' ');
    if (scan_peek(&ahead) != '(') {
        return;
    }
    *c = ahead;
    size_t at = c->at;
    struct fetch_atts atts;
    scan_fetch_atts(c, a, &atts);
    r->update_atts = str_sub(c->s, at, c->at - at);
}

static void parse_one(struct search_return *r, struct scan *c, struct arena *a)
{
    size_t at = c->at;
    unsigned option = parse_option(c);
    bool is_second_list = (option & (RETURN_ALL | RETURN_PARTIAL)) != 0
                          && (r->options & (RETURN_ALL | RETURN_PARTIAL)) != 0
                          && (option | r->options) != r->options;
    bool is_second_partial = (option & r->options & RETURN_PARTIAL) != 0;
    if (option == 0 || is_second_list || is_second_partial) {
        c->at = at;
        scan_fail(c, ERR_SYNTAX, "a result option");
        return;
    }
    r->options |= option;
    if (option == RETURN_PARTIAL) {
        scan_sp(c);
        r->partial = scan_partial_range(c);
    } else if (option == RETURN_UPDATE) {
        parse_update(r, c, a);
    }
}

void search_return_parse(struct search_return *r, struct scan *c, struct arena *a)
{
    size_t at = c->at;
    *r = (struct search_return){0};
    if (!scan_accept(c, ' ') || !scan_accept_word(c, STR("RETURN"))) {
        c->at = at;
        return;
    }
    r->is_given = true;
    scan_sp(c);
    scan_require(c, '(', "a list of result options");
    while (scan_is_ok(c) && !scan_accept(c, ')')) {
        if (r->options != 0) {
            scan_sp(c);
        }
        parse_one(r, c, a);
    }
    if (r->options == 0) {
        r->options = RETURN_ALL;
    }
}

bool search_return_has_data(const struct search_return *r)
{
    return (r->options & ~(unsigned)(RETURN_UPDATE | RETURN_CONTEXT | RETURN_SAVE)) != 0;
}
