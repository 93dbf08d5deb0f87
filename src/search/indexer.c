/* Feeding the text index, in the background.
 *
 * The text of a body, for the index, is everything that a search may look for a text in: the fields of all its headers as "Name: value",
 * its text parts, and the envelope's fields as people write them. One text for all keys: the index names candidates, and a body
 * that has the words in another place than the key asks for is told apart when it is looked at. It is made by the very functions that
 * a search reads messages with (content.h, envelope_text.h), so what a search would find is in the index; between two
 * texts stands a character that joins nothing.
 *
 *     account with work -> next body behind the mark -> its pieces, one by one -> into the index
 *
 * It works in small steps between the turns and may stop amid a message. An account is held only while one of its messages is being
 * read. A body that cannot be read, or whose text is larger than TEXT_MOST, goes in as a candidate for everything. */
#include "search/indexer.h"

#include "base/arena.h"
#include "mime/casemap.h"
#include "mime/shape.h"
#include "search/content.h"
#include "search/envelope_text.h"
#include "store/textindex.h"

#include <stdlib.h>

enum {
    PAUSE_MS = 5, /* between two steps while there is work: most of the time is the sessions' */
    WAIT_MOST_MS = 5000, /* another account may have work before the one that waits */
    BODY_COST = 2048,    /* budget units */
    KEY_MOST = 2 * TEXT_MOST
};

struct indexer {
    struct store *store;
    struct account *account; /* counted; NULL: no body is being read */
    uint64_t body_id;
    struct arena *arena; /* the shape */
    struct buf shape_octets;
    struct shape shape;
    struct content content;
    bool has_content;
    struct buf text; /* casemap keys of the body's texts */
};

struct indexer *indexer_new(struct store *s)
{
    struct indexer *x = calloc(1, sizeof(*x));
    if (x == NULL) {
        abort();
    }
    x->store = s;
    x->arena = arena_new(2 * SHAPE_ARENA_MOST);
    buf_init(&x->shape_octets, SHAPE_MOST);
    buf_init(&x->text, KEY_MOST);
    return x;
}

/* ---- the texts of a body ---- */

static bool on_begin(void *owner, const struct content_text *t)
{
    struct indexer *x = owner;
    buf_add_char(&x->text, '\x01');
    return t->kind != CONTENT_VALUE; /* it stands in the whole field */
}

static bool on_text(void *owner, struct str utf8)
{
    struct indexer *x = owner;
    casemap_write(utf8, &x->text);
    return false;
}

static void add_envelope(struct indexer *x)
{
    const struct envelope *e = x->shape.root.envelope;
    struct buf text = BUF_INIT(ENVELOPE_TEXT_MOST);
    for (enum search_kind kind = SEARCH_FROM; kind <= SEARCH_SUBJECT; kind++) {
        buf_clear(&text);
        envelope_text_write(e, kind, &text);
        buf_add_char(&x->text, '\x01');
        casemap_write(buf_str(&text), &x->text);
    }
    buf_release(&text);
}

/* ---- one body ---- */

static void end_body(struct indexer *x, bool is_whole)
{
    buf_add(&x->text, STR("\x01\x01"));
    account_add_text(x->account, x->body_id, buf_str(&x->text), is_whole && !x->text.is_full);
    if (x->has_content) {
        content_release(&x->content);
        x->has_content = false;
    }
    buf_clear(&x->text);
    arena_clear(x->arena);
    account_unref(&x->account);
}

static enum err begin_body(struct indexer *x)
{
    struct str octets;
    TRY(account_get_shape(x->account, x->body_id, &octets));
    buf_clear(&x->shape_octets);
    buf_add(&x->shape_octets, octets);
    TRY(buf_err(&x->shape_octets));
    TRY(shape_parse(x->arena, buf_str(&x->shape_octets), &x->shape));
    add_envelope(x);
    x->has_content = true;
    const struct content_args args = {
        .arena = x->arena,
        .sink = {.begin = on_begin, .add = on_text, .owner = x},
        .account = x->account,
        .body_id = x->body_id,
        .shape = &x->shape,
        .wants = {.has_header = true, .has_part_headers = true, .has_body = true},
    };
    return content_init(&x->content, &args);
}

static enum err read_on(struct indexer *x, uint64_t *budget)
{
    while (*budget > 0 && !content_is_done(&x->content) && x->text.len <= TEXT_MOST) {
        bool is_new;
        uint64_t cost = 0;
        TRY(content_step(&x->content, &is_new, &cost));
        *budget -= cost < *budget ? cost : *budget;
    }
    return ERR_OK;
}

static void step_body(struct indexer *x, uint64_t *budget)
{
    enum err e = ERR_OK;
    if (!x->has_content) {
        *budget -= BODY_COST < *budget ? BODY_COST : *budget;
        e = begin_body(x);
    }
    e = e == ERR_OK ? read_on(x, budget) : e;
    bool is_done = e == ERR_OK && content_is_done(&x->content);
    if (e != ERR_OK || is_done || x->text.len > TEXT_MOST) {
        end_body(x, is_done);
    }
}

/* ---- going on ---- */

/* Finds a body to read. False: there is none now, or the account has no more. */
static bool find_body(struct indexer *x, uint64_t *wait_ms)
{
    struct account *a = store_find_text_work(x->store, wait_ms);
    if (a == NULL) {
        return false;
    }
    *wait_ms = PAUSE_MS;
    x->body_id = account_get_next_text(a);
    if (x->body_id == 0) {
        account_flush_text(a);
        return false;
    }
    account_ref(a);
    x->account = a;
    return true;
}

uint64_t indexer_step(struct indexer *x, uint64_t budget)
{
    uint64_t wait_ms = PAUSE_MS;
    while (budget > 0) {
        if (x->account == NULL && !find_body(x, &wait_ms)) {
            return wait_ms < WAIT_MOST_MS ? wait_ms : WAIT_MOST_MS;
        }
        step_body(x, &budget);
    }
    return PAUSE_MS;
}

void indexer_free(struct indexer **x)
{
    struct indexer *i = *x;
    if (i == NULL) {
        return;
    }
    if (i->has_content) {
        content_release(&i->content);
    }
    account_unref(&i->account);
    buf_release(&i->text);
    buf_release(&i->shape_octets);
    arena_free(&i->arena);
    free(i);
    *x = NULL;
}
