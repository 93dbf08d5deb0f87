/* Object identifiers (RFC 8474): "F" for a mailbox, "M" for a message, "T" for a conversation.
 *
 *     F <seed> - <mailbox id>      M <seed> - <body id>      T <the first message's Message-ID, hashed>
 *
 * Ids of mailboxes and bodies are never given twice in an account; the seed, a random number that an account got when it was made,
 * keeps accounts apart. Copies share their body, so they share its name. Everything is in hexadecimal, behind a letter:
 * no two names differ in case only, and none looks like a number (RFC 8474, 8.1).
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
    return write_id(text, 'T', m, msg->body_id);
}
