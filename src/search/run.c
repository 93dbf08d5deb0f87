/* Running a search program.
 *
 * A key is cheap or dear: the flags are in memory, sizes are a page away, the envelope is in the shape, texts need the message
 * itself. So a message is judged in rounds, each with more at hand, and every key answers yes, no, or "not known yet":
 *
 *   round     at hand                                    keys that answer
 *   HOT       uid, flags, modseq                         sets, flags, keywords, \Recent, MODSEQ
 *   COLD      size, dates, body                          LARGER, SMALLER, OLDER, YOUNGER, BEFORE, ON, SINCE, SAVED*, EMAILID
 *   ENVELOPE  the shape's envelope                       THREADID, SENT*, FROM, TO, CC, BCC, SUBJECT
 *   CONTENT   octets of the message, read piece by piece HEADER, BODY, TEXT
 *
 * From COLD on the text index (lookup.h) is asked, too. It can only say no: a text key is no for a message that the index rules out,
 * else it waits for its round, and what it needs is read and looked at as if there were no index. So the index changes when an answer is
 * known and never which one it is, whatever AND, OR and NOT make of it.
 *
 * As soon as the whole program has an answer the message is done: a message with the wrong flag is never read. In CONTENT all texts
 * are looked for in one pass, and the program is asked again whenever something was found.
 *
 * Two short cuts look at whole pages before any message: a page's sums (view_get_sums) say which flags none or all of its messages
 * have, so that the program may have its answer for all 256 at once; and a program that asks for nothing but flags becomes a mask, by
 * which the messages of a mixed page are matched in one loop.
 *
 * The search is a cursor: between two steps it holds the sequence number, and inside CONTENT the place in the message. */
#include "search/run.h"

#include "base/arena.h"
#include "mime/casemap.h"
#include "mime/date.h"
#include "mime/shape.h"
#include "search/content.h"
#include "search/envelope_text.h"
#include "search/lookup.h"
#include "search/match.h"
#include "store/object.h"

#include <assert.h>
#include <stdlib.h>

enum tri { NO, YES, UNKNOWN };
enum round { HOT, COLD, ENVELOPE, CONTENT };

enum { TEXT_COUNT = SEARCH_SUBJECT - SEARCH_FROM + 1 };

enum {
    PROGRAM_ARENA_CAP = 256 * 1024 * 1024,
    MESSAGE_ARENA_CAP = 2 * SHAPE_ARENA_MOST,
    COLD_COST = 16, /* budget units; one is about an octet matched */
    ENVELOPE_COST = 1024,
    CONTENT_COST = 2048,
    NEEDLES_AN_OCTET = 16, /* so many are looked for at the price of an octet */
    KEYS_A_UNIT = 8,       /* so many are judged */
    OCTETS_A_UNIT = 4,     /* so many are looked through, of what is at hand */
    MAP_COST = 4,          /* of the casemap key of an octet */
    FUZZY_COST = 4,        /* of an octet beside one word */
    RARE_TEXT = 8,         /* octets */
    LOOKUPS_MOST = 32,     /* keys that the text index is asked for */
    ASKS_COST_MOST = 256 * 1024,
    DAY_S = 86400,
    SCORE_MOST = 100,
    ENVELOPE_WEIGHT =
        100,            /* percent of the score of a fuzzy text: in a field that people look at, */
    CONTENT_WEIGHT = 80 /* and anywhere in the message */
};

/* What the run knows of a key; search_key.id is the index. */
struct key_state {
    struct numset set;     /* resolved */
    uint64_t bit;          /* SEARCH_KEYWORD; 0: the mailbox has no such keyword */
    struct str needle;     /* casemap key of text */
    struct fuzzy *fuzzy;   /* of a fuzzy text that has words; else NULL */
    unsigned score;        /* of the message judged last, when it was YES; 0: it was not judged */
    struct needle *wanted; /* HEADER, BODY, TEXT */
    struct str field;      /* HEADER: casemap key of "Name: "; empty: any name */
    struct lookup lookup;  /* all texts: what the text index says */
    uint32_t judged_seq;   /* envelope texts: the message that verdict is about; 0: none */
    enum tri verdict;
};

/* A program that asks for flags only, all at once: those that must be set, and those that must not. */
struct flag_mask {
    bool is_whole; /* it says all that the program says */
    uint64_t set;
    uint64_t clear;
};

struct search {
    struct mailbox *mailbox;
    struct view *view;
    struct search_key *program;
    const struct numset *recent;
    int64_t now_s;
    const struct numset *within;
    size_t within_at;    /* range of within */
    struct arena *arena; /* needles */
    struct key_state keys[SEARCH_KEYS_MOST];
    size_t key_count;
    struct needle needles[SEARCH_KEYS_MOST];
    struct match match;
    struct content_wants wants;

    struct numset result;
    uint64_t highestmodseq;
    uint8_t *scores; /* by sequence number; NULL: no key is fuzzy */
    struct flag_mask mask;
    uint64_t judge_cost; /* of judging, not yet taken from the budget */
    size_t lookup_count;
    size_t fuzzy_words;
    enum err err;

    /* the message at hand */
    uint32_t seq;
    enum round round;
    struct message message;
    struct arena *message_arena;
    struct buf shape_octets;
    struct envelope envelope;
    struct buf texts[TEXT_COUNT]; /* casemap keys of the envelope's fields, from SEARCH_FROM on */
    uint32_t texts_seq[TEXT_COUNT];
    struct shape shape;
    struct content content;
    bool has_content; /* content is initialised */
};

/* ---- preparing ---- */

static uint32_t resolve(uint32_t n, uint32_t star)
{
    return n == 0 ? star : n;
}

/* star: what "*" stands for; 0: for nothing. */
static void resolve_set(const struct search_set *set, uint32_t star, struct numset *out)
{
    for (size_t i = 0; i < set->count; i++) {
        uint32_t a = resolve(set->at[i].first, star);
        uint32_t b = resolve(set->at[i].last, star);
        if (a != 0 && b != 0) {
            numset_add(out, a < b ? a : b, a < b ? b : a);
        }
    }
}

static uint32_t get_last_uid(const struct view *v)
{
    struct message m;
    uint32_t count = view_get_count(v);
    if (count == 0) {
        return 0;
    }
    view_get_hot(v, (struct seq){count}, &m);
    return m.uid.v;
}

static void add_needle(struct search *s, const struct search_key *k, struct key_state *state)
{
    struct needle *n = &s->needles[s->match.count++];
    *n = (struct needle){
        .key = state->needle, .kind = k->kind, .field = k->field, .fuzzy = state->fuzzy};
    state->wanted = n;
    s->wants.has_part_headers = s->wants.has_part_headers || k->kind == SEARCH_TEXT;
    s->wants.has_header = s->wants.has_header || k->kind != SEARCH_BODY;
    s->wants.has_body = s->wants.has_body || k->kind != SEARCH_HEADER;
}

static enum err prepare_text(struct search *s, const struct search_key *k, struct key_state *state)
{
    struct buf key = BUF_INIT((size_t)SEARCH_TEXT_MOST * 64);
    if (k->text.n > SEARCH_TEXT_MOST) {
        return ERR_LIMIT;
    }
    casemap_write(k->text, &key);
    state->needle = arena_str(s->arena, buf_str(&key));
    bool is_kept = state->needle.n == key.len && !key.is_full;
    buf_release(&key);
    return is_kept ? ERR_OK : ERR_LIMIT;
}

/* A fuzzy text without words ("->") is looked for as it stands. */
static enum err prepare_fuzzy(struct search *s, struct key_state *state)
{
    state->fuzzy = fuzzy_new(s->arena, state->needle);
    s->fuzzy_words += state->fuzzy == NULL ? 0 : state->fuzzy->count;
    if (s->fuzzy_words > SEARCH_FUZZY_WORDS_MOST) {
        return ERR_LIMIT;
    }
    if (s->scores == NULL) {
        s->scores = calloc((size_t)view_get_count(s->view) + 1, 1);
        if (s->scores == NULL) {
            abort();
        }
    }
    return ERR_OK;
}

/* In the text of a message the name stands as it is (content.c decodes encoded words even there). */
static bool is_plain_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if ((unsigned char)name.p[i] >= 0x80 || name.p[i] == '=') {
            return false;
        }
    }
    return name.n > 0 && name.n <= SEARCH_TEXT_MOST;
}

/* What the index is asked for: the text; for a field that is somewhere in the header its name, too, unless the text is long enough to
 * be rare by itself (names such as Subject are in every message, and asking for them costs, too). */
static enum err prepare_lookup(struct search *s, const struct search_key *k,
                               struct key_state *state)
{
    if (s->lookup_count == LOOKUPS_MOST) {
        return ERR_OK;
    }
    s->lookup_count++;
    state->lookup.is_cheap = k->kind < SEARCH_HEADER;
    lookup_add(&state->lookup, state->needle);
    bool is_rare = state->needle.n >= RARE_TEXT;
    if (k->kind != SEARCH_HEADER || is_rare || !is_plain_name(k->field)) {
        return ERR_OK;
    }
    struct buf name = BUF_INIT((size_t)SEARCH_TEXT_MOST * 4);
    casemap_write(k->field, &name);
    buf_add(&name, STR(": "));
    state->field = arena_str(s->arena, buf_str(&name));
    bool is_kept = !name.is_full && state->field.n == name.len;
    buf_release(&name);
    lookup_add(&state->lookup, state->field);
    return is_kept ? ERR_OK : ERR_LIMIT;
}

static enum err prepare_leaf(struct search *s, const struct search_key *k, struct key_state *state)
{
    if (k->kind == SEARCH_SEQ) {
        resolve_set(&k->set, view_get_count(s->view), &state->set);
    } else if (k->kind == SEARCH_UID) {
        resolve_set(&k->set, get_last_uid(s->view), &state->set);
    } else if (k->kind == SEARCH_KEYWORD) {
        if (mailbox_get_keyword(s->mailbox, k->text, false, &state->bit) != ERR_OK) {
            state->bit = 0;
        }
    } else if (k->kind >= SEARCH_FROM) {
        TRY(prepare_text(s, k, state));
        if (k->is_fuzzy) {
            TRY(prepare_fuzzy(s, state));
        } else {
            TRY(prepare_lookup(s, k, state));
        }
        if (k->kind >= SEARCH_HEADER) {
            add_needle(s, k, state);
        }
    }
    return ERR_OK;
}

static enum err prepare(struct search *s, struct search_key *k, unsigned depth)
{
    if (depth > SEARCH_DEPTH_MOST) {
        return ERR_TOO_DEEP;
    }
    if (s->key_count == SEARCH_KEYS_MOST) {
        return ERR_LIMIT;
    }
    k->id = s->key_count++;
    TRY(prepare_leaf(s, k, &s->keys[k->id]));
    for (struct search_key *child = k->child; child != NULL; child = child->next) {
        TRY(prepare(s, child, depth + 1));
    }
    return ERR_OK;
}

/* The bits of a key that asks whether flags are set; 0: it is another one, or asks for a keyword that the mailbox lacks. */
static uint64_t get_bits(const struct search *s, const struct search_key *k)
{
    if (k->kind == SEARCH_FLAGS) {
        return (uint64_t)k->number;
    }
    return k->kind == SEARCH_KEYWORD ? s->keys[k->id].bit : 0;
}

/* Adds what k demands; is_whole goes when that is more than flags. The depth was checked in prepare(). */
static void add_to_mask(const struct search *s, const struct search_key *k, struct flag_mask *mask)
{
    uint64_t bits = get_bits(s, k);
    uint64_t child_bits = k->kind == SEARCH_NOT && k->child != NULL ? get_bits(s, k->child) : 0;
    if (bits != 0) {
        mask->set |= bits;
    } else if (child_bits != 0 && (child_bits & (child_bits - 1)) == 0) {
        mask->clear |= child_bits;
    } else if (k->kind == SEARCH_AND) {
        for (const struct search_key *child = k->child; child != NULL; child = child->next) {
            add_to_mask(s, child, mask);
        }
    } else {
        mask->is_whole = mask->is_whole && k->kind == SEARCH_ALL;
    }
}

enum err search_new(const struct search_args *args, struct search **out)
{
    struct search *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        abort();
    }
    mailbox_ref(args->mailbox);
    s->mailbox = args->mailbox;
    s->view = view_ref(args->view);
    s->program = args->program;
    s->recent = args->recent;
    s->now_s = args->now_s;
    s->within = args->within;
    s->arena = arena_new(PROGRAM_ARENA_CAP);
    s->message_arena = arena_new(MESSAGE_ARENA_CAP);
    buf_init(&s->shape_octets, SHAPE_MOST);
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        buf_init(&s->texts[i], (size_t)64 * SHAPE_FIELD_MOST);
    }
    s->seq = 1;
    enum err e = prepare(s, s->program, 0);
    match_init(&s->match, s->needles, s->match.count);
    if (e != ERR_OK) {
        search_free(&s);
        return e;
    }
    s->mask.is_whole = true;
    add_to_mask(s, s->program, &s->mask);
    s->mask.is_whole = s->mask.is_whole && (s->mask.set & s->mask.clear) == 0;
    *out = s;
    return ERR_OK;
}

static void end_content(struct search *s)
{
    if (s->has_content) {
        content_release(&s->content);
        s->has_content = false;
    }
}

void search_free(struct search **search)
{
    struct search *s = *search;
    if (s == NULL) {
        return;
    }
    end_content(s);
    match_release(&s->match);
    buf_release(&s->shape_octets);
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        buf_release(&s->texts[i]);
    }
    arena_free(&s->message_arena);
    arena_free(&s->arena);
    for (size_t i = 0; i < s->key_count; i++) {
        numset_release(&s->keys[i].set);
        lookup_release(&s->keys[i].lookup);
    }
    numset_release(&s->result);
    free(s->scores);
    view_unref(&s->view);
    mailbox_unref(&s->mailbox);
    free(s);
    *search = NULL;
}

/* ---- judging ---- */

static enum tri tri_of(bool is_yes)
{
    return is_yes ? YES : NO;
}

static int64_t get_day(int64_t unix_s)
{
    return (unix_s >= 0 ? unix_s : unix_s - (DAY_S - 1)) / DAY_S;
}

static enum tri judge_hot(const struct search *s, const struct search_key *k)
{
    const struct key_state *state = &s->keys[k->id];
    const struct message *m = &s->message;
    uint64_t number = (uint64_t)k->number;
    if (k->kind == SEARCH_SEQ) {
        return tri_of(numset_has(&state->set, s->seq));
    }
    if (k->kind == SEARCH_UID) {
        return tri_of(numset_has(&state->set, m->uid.v));
    }
    if (k->kind == SEARCH_FLAGS) {
        return tri_of((m->flags & number) == number);
    }
    if (k->kind == SEARCH_KEYWORD) {
        return tri_of((m->flags & state->bit) != 0);
    }
    if (k->kind == SEARCH_RECENT) {
        return tri_of(s->recent != NULL && numset_has(s->recent, m->uid.v));
    }
    return tri_of(m->modseq >= number);
}

static enum tri judge_cold(const struct search *s, const struct search_key *k)
{
    bool is_saved = k->kind >= SEARCH_SAVEDBEFORE;
    int64_t day = get_day(is_saved ? s->message.savedate_s : s->message.internaldate_s);
    if (s->round < COLD) {
        return UNKNOWN;
    }
    if (k->kind == SEARCH_LARGER) {
        return tri_of(s->message.size > (uint64_t)k->number);
    }
    if (k->kind == SEARCH_SMALLER) {
        return tri_of(s->message.size < (uint64_t)k->number);
    }
    if (k->kind == SEARCH_OLDER || k->kind == SEARCH_YOUNGER) {
        int64_t limit = s->now_s - k->number; /* counts for both (RFC 5032, 2) */
        return tri_of(k->kind == SEARCH_OLDER ? s->message.internaldate_s <= limit
                                              : s->message.internaldate_s >= limit);
    }
    if (k->kind == SEARCH_EMAILID) {
        char text[OBJECT_ID_MOST];
        return tri_of(str_eq(object_get_email(s->mailbox, &s->message, text), k->text));
    }
    bool is_before = k->kind == SEARCH_BEFORE || k->kind == SEARCH_SAVEDBEFORE;
    bool is_on = k->kind == SEARCH_ON || k->kind == SEARCH_SAVEDON;
    return tri_of(is_before ? day < k->number : is_on ? day == k->number : day >= k->number);
}

/* The casemap key of the envelope's field; made once a message, however many keys ask. */
static struct str get_text(struct search *s, enum search_kind kind)
{
    size_t i = kind - SEARCH_FROM;
    if (s->texts_seq[i] == s->seq) {
        return buf_str(&s->texts[i]);
    }
    struct buf text = BUF_INIT(ENVELOPE_TEXT_MOST);
    envelope_text_write(&s->envelope, kind, &text);
    s->judge_cost += text.len * MAP_COST;
    buf_clear(&s->texts[i]);
    casemap_write(buf_str(&text), &s->texts[i]);
    buf_release(&text);
    s->texts_seq[i] = s->seq;
    return buf_str(&s->texts[i]);
}

/* The message at hand does not hold the key's text, says the index. A question to it may take milliseconds, so a pass over the keys
 * asks few: what is not asked yet may be there. */
static bool is_ruled_out(struct search *s, const struct search_key *k)
{
    struct lookup *l = &s->keys[k->id].lookup;
    if (s->round < COLD
        || (s->judge_cost >= ASKS_COST_MOST && !lookup_is_known(l, s->message.body_id))) {
        return false;
    }
    return !lookup_may_hold(l, mailbox_get_account(s->mailbox), s->message.body_id, &s->judge_cost);
}

/* The texts were fed: is it a match, and how good? */
static bool score_fuzzy(struct key_state *state, unsigned weight)
{
    fuzzy_end_text(state->fuzzy);
    state->score = fuzzy_get_score(state->fuzzy) * weight / 100;
    return state->score > 0;
}

static enum tri judge_envelope_text(struct search *s, const struct search_key *k)
{
    struct key_state *state = &s->keys[k->id];
    if (state->judged_seq != s->seq) {
        struct str needle = state->needle;
        struct str text = get_text(s, k->kind);
        s->judge_cost += text.n / OCTETS_A_UNIT;
        if (state->fuzzy != NULL) {
            fuzzy_clear(state->fuzzy);
            fuzzy_feed(state->fuzzy, text);
            s->judge_cost += text.n * state->fuzzy->count * FUZZY_COST;
        }
        bool is_found = state->fuzzy != NULL ? score_fuzzy(state, ENVELOPE_WEIGHT)
                        : needle.n == 0      ? envelope_text_is_present(&s->envelope, k->kind)
                                             : str_find_str(text, needle) < text.n;
        state->verdict = tri_of(is_found);
        state->judged_seq = s->seq;
    }
    return state->verdict;
}

static enum tri judge_envelope(struct search *s, const struct search_key *k)
{
    const struct envelope *e = &s->envelope;
    if (k->kind >= SEARCH_FROM && is_ruled_out(s, k)) {
        return NO;
    }
    if (s->round < ENVELOPE) {
        return UNKNOWN;
    }
    if (k->kind >= SEARCH_FROM) {
        return judge_envelope_text(s, k);
    }
    if (k->kind == SEARCH_THREADID) {
        char text[OBJECT_ID_MOST];
        return tri_of(str_eq(object_get_thread(s->mailbox, &s->message, e, text), k->text));
    }
    if (e->date_s == INT64_MIN) {
        return NO;
    }
    int64_t day = get_day(e->date_s + e->date_zone_s);
    if (k->kind == SEARCH_SENTBEFORE) {
        return tri_of(day < k->number);
    }
    return tri_of(k->kind == SEARCH_SENTON ? day == k->number : day >= k->number);
}

static enum tri judge_content(struct search *s, const struct search_key *k)
{
    const struct needle *n = s->keys[k->id].wanted;
    if (k->kind != SEARCH_HEADER && n->key.n == 0) {
        return YES;
    }
    if (is_ruled_out(s, k)) {
        return NO;
    }
    if (s->round < CONTENT) {
        return UNKNOWN;
    }
    if (n->is_found) {
        return YES;
    }
    bool is_over =
        content_is_done(&s->content) || (k->kind == SEARCH_HEADER && s->content.is_main_done);
    if (is_over && n->fuzzy != NULL) {
        return tri_of(score_fuzzy(&s->keys[k->id], CONTENT_WEIGHT));
    }
    return is_over ? NO : UNKNOWN;
}

static enum tri judge(struct search *s, const struct search_key *k);

/* AND: the first no decides; OR: the first yes. */
static enum tri judge_children(struct search *s, const struct search_key *k, enum tri decisive)
{
    enum tri all = decisive == NO ? YES : NO;
    for (const struct search_key *child = k->child; child != NULL; child = child->next) {
        enum tri t = judge(s, child);
        if (t == decisive) {
            return t;
        }
        all = t == UNKNOWN ? UNKNOWN : all;
    }
    return all;
}

/* The depth was checked in prepare(). */
static enum tri judge(struct search *s, const struct search_key *k)
{
    if (k->kind == SEARCH_ALL) {
        return YES;
    }
    if (k->kind == SEARCH_AND) {
        return judge_children(s, k, NO);
    }
    if (k->kind == SEARCH_OR) {
        return judge_children(s, k, YES);
    }
    if (k->kind == SEARCH_NOT) {
        enum tri t = k->child == NULL ? NO : judge(s, k->child);
        return t == UNKNOWN ? UNKNOWN : tri_of(t == NO);
    }
    if (k->kind <= SEARCH_MODSEQ) {
        return judge_hot(s, k);
    }
    if (k->kind <= SEARCH_EMAILID) {
        return judge_cold(s, k);
    }
    return k->kind <= SEARCH_SUBJECT ? judge_envelope(s, k) : judge_content(s, k);
}

/* ---- going on ---- */

static enum err load_shape(struct search *s, uint64_t *cost)
{
    struct str octets;
    TRY(account_get_shape(mailbox_get_account(s->mailbox), s->message.body_id, &octets));
    *cost += octets.n / OCTETS_A_UNIT;
    arena_clear(s->message_arena);
    buf_clear(&s->shape_octets);
    buf_add(&s->shape_octets, octets);
    TRY(buf_err(&s->shape_octets));
    return shape_parse_envelope(s->message_arena, buf_str(&s->shape_octets), &s->envelope);
}

static bool on_begin(void *owner, const struct content_text *t)
{
    return match_begin_text(owner, t);
}

static bool on_text(void *owner, struct str utf8)
{
    return match_feed(owner, utf8);
}

static enum err load_content(struct search *s)
{
    for (size_t i = 0; i < s->match.count; i++) {
        s->needles[i].is_found = false;
        if (s->needles[i].fuzzy != NULL) {
            fuzzy_clear(s->needles[i].fuzzy);
        }
    }
    TRY(shape_parse(s->message_arena, buf_str(&s->shape_octets), &s->shape));
    s->has_content = true;
    const struct content_args args = {.arena = s->message_arena,
                                      .sink = {on_begin, on_text, &s->match},
                                      .account = mailbox_get_account(s->mailbox),
                                      .body_id = s->message.body_id,
                                      .shape = &s->shape,
                                      .wants = s->wants};
    return content_init(&s->content, &args);
}

/* Gets at hand what the next round has. */
static enum err enter_next_round(struct search *s, uint64_t *cost)
{
    if (s->round == HOT) {
        *cost = COLD_COST;
        TRY(view_get(s->view, (struct seq){s->seq}, &s->message));
    } else if (s->round == COLD) {
        *cost = ENVELOPE_COST;
        TRY(load_shape(s, cost));
    } else {
        *cost = CONTENT_COST;
        TRY(load_content(s));
    }
    s->round++;
    return ERR_OK;
}

/* Reads on in the message until the program may have changed its mind; STEP_MORE: the budget is used. */
static enum err read_content(struct search *s, uint64_t *budget)
{
    bool is_new = false;
    while (!is_new && !content_is_done(&s->content) && *budget > 0) {
        uint64_t cost = 0;
        TRY(content_step(&s->content, &is_new, &cost));
        cost *= 1 + s->match.count / NEEDLES_AN_OCTET + s->fuzzy_words * FUZZY_COST;
        *budget -= cost < *budget ? cost : *budget;
    }
    return ERR_OK;
}

/* How relevant the message at hand is: the mean of its fuzzy keys that were judged and say yes; what only exact keys found is so
 * fully. */
static uint8_t get_score(struct search *s)
{
    unsigned sum = 0;
    unsigned count = 0;
    for (size_t i = 0; i < s->key_count; i++) {
        sum += s->keys[i].score;
        count += s->keys[i].score > 0 ? 1 : 0;
        s->keys[i].score = 0;
    }
    return (uint8_t)(count == 0 ? SCORE_MOST : sum / count);
}

static void end_message(struct search *s, enum tri verdict)
{
    end_content(s);
    if (s->scores != NULL) {
        s->scores[s->seq] = get_score(s);
    }
    if (verdict == YES) {
        numset_add(&s->result, s->seq, s->seq);
        if (s->message.modseq > s->highestmodseq) {
            s->highestmodseq = s->message.modseq;
        }
    }
    s->seq++;
    s->round = HOT;
}

/* Goes on with the message at hand as far as the budget goes; verdict UNKNOWN: not finished. */
static enum err judge_message(struct search *s, uint64_t *budget, enum tri *verdict)
{
    if (s->round == HOT) {
        view_get_hot(s->view, (struct seq){s->seq}, &s->message);
        --*budget;
    }
    for (;;) {
        uint64_t cost = 0;
        if (s->round == CONTENT) {
            TRY(read_content(s, budget));
        }
        *verdict = judge(s, s->program);
        s->judge_cost += s->key_count / KEYS_A_UNIT;
        *budget -= s->judge_cost < *budget ? s->judge_cost : *budget;
        s->judge_cost = 0;
        if (*verdict != UNKNOWN) {
            return ERR_OK;
        }
        if (s->round < CONTENT) {
            TRY(enter_next_round(s, &cost));
            *budget -= cost < *budget ? cost : *budget;
        } else if (*budget == 0) {
            return ERR_OK;
        }
    }
}

static bool is_gone(enum err e)
{
    return e == ERR_NOT_FOUND || e == ERR_NO_MESSAGE;
}

/* ---- whole pages ---- */

static enum tri tri_of_range(const struct numset *set, uint32_t first, uint32_t last)
{
    for (size_t i = 0; i < set->count && set->at[i].first <= last; i++) {
        if (set->at[i].first <= first && set->at[i].last >= last) {
            return YES;
        }
        if (set->at[i].last >= first) {
            return UNKNOWN;
        }
    }
    return NO;
}

/* Are all bits set in all messages of the page, or one of them in none? */
static enum tri tri_of_bits(const struct view_sums *page, uint64_t bits)
{
    if ((page->all_flags & bits) == bits) {
        return YES;
    }
    return (page->any_flags & bits) == bits ? UNKNOWN : NO;
}

static enum tri judge_sums(const struct search *s, const struct search_key *k,
                           const struct view_sums *page)
{
    const struct key_state *state = &s->keys[k->id];
    uint64_t number = (uint64_t)k->number;
    if (k->kind == SEARCH_SEQ) {
        return tri_of_range(&state->set, s->seq, s->seq + page->count - 1);
    }
    if (k->kind == SEARCH_UID) {
        return tri_of_range(&state->set, page->first.v, page->last.v);
    }
    if (k->kind == SEARCH_FLAGS) {
        return tri_of_bits(page, number);
    }
    if (k->kind == SEARCH_KEYWORD) {
        return state->bit != 0 ? tri_of_bits(page, state->bit) : NO;
    }
    if (k->kind == SEARCH_RECENT) {
        return s->recent != NULL ? tri_of_range(s->recent, page->first.v, page->last.v) : NO;
    }
    if (page->min_modseq >= number) {
        return YES;
    }
    return page->max_modseq < number ? NO : UNKNOWN;
}

/* What the program says of all messages of the page alike; UNKNOWN: of each its own. The depth was checked in prepare(). */
static enum tri judge_page(const struct search *s, const struct search_key *k,
                           const struct view_sums *page)
{
    if (k->kind == SEARCH_ALL) {
        return YES;
    }
    if (k->kind == SEARCH_NOT) {
        enum tri t = k->child == NULL ? NO : judge_page(s, k->child, page);
        return t == UNKNOWN ? UNKNOWN : tri_of(t == NO);
    }
    if (k->kind != SEARCH_AND && k->kind != SEARCH_OR) {
        return k->kind <= SEARCH_MODSEQ ? judge_sums(s, k, page) : UNKNOWN;
    }
    enum tri decisive = tri_of(k->kind == SEARCH_OR);
    enum tri all = tri_of(k->kind == SEARCH_AND);
    for (const struct search_key *child = k->child; child != NULL; child = child->next) {
        enum tri t = judge_page(s, child, page);
        if (t == decisive) {
            return t;
        }
        all = t == UNKNOWN ? UNKNOWN : all;
    }
    return all;
}

/* Ends a page of which some messages have the flags. */
static void match_mask(struct search *s, uint32_t count)
{
    const uint32_t *uids = NULL;
    const uint64_t *modseqs = NULL;
    const uint64_t *flags = NULL;
    const uint64_t both = s->mask.set | s->mask.clear;
    (void)view_get_run(s->view, (struct seq){s->seq}, &uids, &modseqs, &flags);
    for (uint32_t i = 0; i < count; i++) {
        if ((flags[i] & both) == s->mask.set) {
            numset_add(&s->result, s->seq + i, s->seq + i);
            s->highestmodseq = modseqs[i] > s->highestmodseq ? modseqs[i] : s->highestmodseq;
        }
    }
}

/* Ends a whole page at once, if its sums are enough: a search by flags then looks at some hundred pages, not at each message. */
static bool skip_page(struct search *s, uint64_t *budget)
{
    struct view_sums page;
    bool is_possible = s->round == HOT && s->within == NULL && s->scores == NULL;
    if (!is_possible || !view_get_sums(s->view, (struct seq){s->seq}, &page)) {
        return false;
    }
    --*budget;
    enum tri verdict = judge_page(s, s->program, &page);
    if (verdict == UNKNOWN && !s->mask.is_whole) {
        return false;
    }
    if (verdict == UNKNOWN) {
        match_mask(s, page.count);
        *budget -= page.count < *budget ? page.count : *budget;
    }
    if (verdict == YES) {
        numset_add(&s->result, s->seq, s->seq + page.count - 1);
        s->highestmodseq = page.max_modseq > s->highestmodseq ? page.max_modseq : s->highestmodseq;
    }
    s->seq += page.count;
    return true;
}

/* Goes on to the next message that may be looked at, or behind the last. */
static void skip_to_wanted(struct search *s)
{
    const struct numset *w = s->within;
    if (w == NULL) {
        return;
    }
    while (s->within_at < w->count && w->at[s->within_at].last < s->seq) {
        s->within_at++;
    }
    if (s->within_at == w->count) {
        s->seq = view_get_count(s->view) + 1;
    } else if (w->at[s->within_at].first > s->seq) {
        s->seq = w->at[s->within_at].first;
    }
}

enum step search_step(struct search *s, uint64_t budget)
{
    uint32_t count = view_get_count(s->view);
    skip_to_wanted(s);
    while (s->err == ERR_OK && s->seq <= count && budget > 0) {
        if (skip_page(s, &budget)) {
            continue;
        }
        enum tri verdict = UNKNOWN;
        enum err e = judge_message(s, &budget, &verdict);
        if (is_gone(e)) {
            verdict = NO;
        } else if (e != ERR_OK) {
            s->err = e;
            return STEP_BAD;
        }
        if (verdict != UNKNOWN) {
            end_message(s, verdict);
            skip_to_wanted(s);
        }
    }
    if (s->err != ERR_OK) {
        return STEP_BAD;
    }
    return s->seq > count ? STEP_DONE : STEP_MORE;
}

enum err search_get_err(const struct search *s)
{
    return s->err;
}

const struct numset *search_get_result(const struct search *s)
{
    return &s->result;
}

uint32_t search_get_progress(const struct search *s)
{
    return s->seq - 1;
}

uint32_t search_get_goal(const struct search *s)
{
    return view_get_count(s->view);
}

const uint8_t *search_get_scores(const struct search *s)
{
    return s->scores;
}

uint64_t search_get_highestmodseq(const struct search *s)
{
    return s->highestmodseq;
}
