/* Object identifiers (RFC 8474): "F" for a mailbox, "M" for a message, "T" for a conversation.
 *
 *     F <seed> - <mailbox id>      M <seed> - <body id>      T <the first message's Message-ID, hashed>
 *
 * Ids of mailboxes and bodies are never given twice in an account; the seed, a random number that an account got when it was made,
 * keeps accounts apart. A message that was copied from another account keeps the name it has there: the few of these are in
 * a table of their own, and in memory while the account is open. Copies share their body, so they share its name. Everything
 * is in hexadecimal, behind a letter: no two names differ in case only, and none looks like a number (RFC 8474, 8.1).
 *
 * A conversation is named after the message that began it: the first of its References, else what it is In-Reply-To, else
 * itself. This is a function of the message alone. So it needs no table, it cannot change, the same mail in another account or
 * brought back from a backup has the same name, and a reply that comes before the message it answers has the right one. The
 * price: who answers an answer and says only In-Reply-To begins a conversation of his own. A message that
 * names no message at all is a conversation by itself. */
#include "store/object.h"

#include "store/store_priv.h"

#include <inttypes.h>
#include <stdio.h>

static struct str write_id(char text[OBJECT_ID_MOST], char kind, const struct mailbox *m,
                           uint64_t id)
{
    uint64_t seed = m->account != NULL ? m->account->object_seed : 0;
    int n = snprintf(text, OBJECT_ID_MOST, "%c%" PRIx64 "-%" PRIx64, kind, seed, id);
    return str_make(text, (size_t)n);
}

struct str object_get_mailbox(const struct mailbox *m, char text[OBJECT_ID_MOST])
{
    return write_id(text, 'F', m, m->id);
}

struct str object_get_email(const struct mailbox *m, const struct message *msg,
                            char text[OBJECT_ID_MOST])
{
    const char *origin =
        m->account != NULL ? map_find(m->account->origins, map_id(&msg->body_id)) : NULL;
    if (origin != NULL) {
        return str_make(text, (size_t)snprintf(text, OBJECT_ID_MOST, "%s", origin));
    }
    return write_id(text, 'M', m, msg->body_id);
}

/* The first "<...>" of a field; empty: there is none. */
static struct str find_msg_id(const struct header_text *t)
{
    if (!t->is_present) {
        return STR_EMPTY;
    }
    struct str rest = str_skip(t->s, str_find_char(t->s, '<'));
    size_t end = str_find_char(rest, '>');
    return end < rest.n ? str_trim(str_sub(rest, 1, end - 1)) : STR_EMPTY;
}

/* FNV-1a: it must stay the same for ever, and keep apart what nobody makes alike on purpose. */
static uint64_t hash(struct str s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.n; i++) {
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

struct str object_get_thread(const struct mailbox *m, const struct message *msg,
                             const struct envelope *e, char text[OBJECT_ID_MOST])
{
    const struct header_text *fields[] = {&e->references, &e->in_reply_to, &e->message_id};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct str id = find_msg_id(fields[i]);
        if (id.n > 0) {
            int n = snprintf(text, OBJECT_ID_MOST, "T%016" PRIx64, hash(id));
            return str_make(text, (size_t)n);
        }
    }
    struct str email = object_get_email(m, msg, text);
    text[0] = 'T';
    return email;
}

/* ---- names from other accounts ---- */

static void keep_origin(struct account *a, uint64_t body_id, struct str email)
{
    char *was = map_put(a->origins, map_id(&body_id), store_copy(email));
    free(was);
}

void account_free_origins(struct account *a)
{
    size_t at = 0;
    struct str body;
    void *email;
    while (map_next(a->origins, &at, &body, &email)) {
        free(email);
    }
    map_free(&a->origins);
}

enum err account_load_origins(struct account *a, struct db *db)
{
    struct rows rows;
    bool has_row;
    account_free_origins(a);
    a->origins = map_new();
    TRY(DB_QUERY(db, ORIGIN_ALL, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        struct str email = row_str(&rows, 1);
        if (email.n > 0 && email.n < OBJECT_ID_MOST) {
            keep_origin(a, row_id(&rows, 0), email);
        }
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

enum err account_add_origin(struct account *a, uint64_t body_id, struct str email)
{
    struct db *db;
    TRY(account_ready(a, &db));
    TRY(DB_RUN(db, ORIGIN_ADD, value_id(body_id), value_text(email)));
    keep_origin(a, body_id, email);
    return ERR_OK;
}
