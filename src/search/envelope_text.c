/* The texts of an envelope, for those who look for something in them and for the text index: both must see the same. */
#include "search/envelope_text.h"

#include "mime/words.h"

/* The text of an address list as people write it: "Name <local@host>, ...". */
static void write_addresses(const struct address_list *l, struct buf *out)
{
    for (uint32_t i = 0; i < l->count; i++) {
        const struct address *a = &l->at[i];
        buf_add_c(out, out->len == 0 ? "" : ", ");
        if (a->name.n > 0) {
            words_decode_search(a->name, out);
            buf_add_c(out, " <");
        }
        words_decode_search(a->mailbox, out);
        if (a->host.n > 0) {
            buf_add_char(out, '@');
            words_decode_search(a->host, out);
        }
        buf_add_c(out, a->name.n > 0 ? ">" : "");
    }
}

static const struct address_list *find_list(const struct envelope *e, enum search_kind kind)
{
    if (kind == SEARCH_FROM) {
        return &e->from;
    }
    if (kind == SEARCH_TO) {
        return &e->to;
    }
    return kind == SEARCH_CC ? &e->cc : &e->bcc;
}

bool envelope_text_is_present(const struct envelope *e, enum search_kind kind)
{
    return kind == SEARCH_SUBJECT ? e->subject.is_present : find_list(e, kind)->is_present;
}

void envelope_text_write(const struct envelope *e, enum search_kind kind, struct buf *out)
{
    if (kind == SEARCH_SUBJECT) {
        words_decode_search(e->subject.s, out);
        return;
    }
    write_addresses(find_list(e, kind), out);
}
