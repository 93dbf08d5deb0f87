/* Tickets: how auth says yes to somebody who is not in the room.
 *
 * The edge carries tickets but must not be able to make, alter, extend, redirect or reuse one (RFC 5383, 8). So a ticket
 * is signed with a key that only auth has, names the edge and the very connection it was given for (the nonce), and
 * lives for seconds. The store keeps the ids of the tickets it accepted until they expire: each opens one session.
 *
 *     octets   field
 *     4        "LTK2": the format, and what keeps this signature from meaning anything else
 *     1        service (enum service)
 *     16       session nonce
 *     16       id
 *     8        when the user logged in, Unix time in ms, little-endian
 *     8        expiry, Unix time in ms, little-endian
 *     1 + u    user: length, octets (u = 1..255)
 *     1 + a    authentication id; a = 0 says: the same as user
 *     1 + e    edge id (e = 1..255)
 *     64       Ed25519 signature of all octets before it (RFC 8032)
 *
 * The once-only memory is bounded: it holds SEEN_MOST ids, and a ticket that would live longer than TICKET_LIFE_MOST_MS
 * is refused, so it can always be emptied by waiting. Full means refuse, never forget. It dies with its process; what was
 * made before a process began is therefore no ticket for it (TICKET_LIFE_MS before its expiry a ticket was made).
 *
 * That must not cost a login that waits for a process to come back: auth makes another of such a ticket, with a life and an id of its own,
 * and all else as it was. It does so for TICKET_RENEW_MS after the login, so nobody can keep tickets. */
#include "net/ticket.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/scan.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>

enum { SIGNATURE_SIZE = 64, TICKET_MOST = 1024, SEEN_MOST = 256 * 1024 };

#define TICKET_MAGIC STR("LTK2")

struct ticket_signer {
    EVP_PKEY *key;
};

struct seen {
    struct list node; /* in order of acceptance */
    uint8_t id[TICKET_ID_SIZE];
    uint64_t expires_ms;
};

struct ticket_checker {
    EVP_PKEY *key;
    struct map *by_id; /* of struct seen */
    struct list seen;
    uint64_t begin_ms; /* tickets made before are refused */
    struct log_pace pace;
};

static struct str raw(const uint8_t *p, size_t n)
{
    return str_make((const char *)p, n);
}

static void add_bio(struct buf *out, BIO *bio)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);
    buf_add(out, str_make(p, n > 0 ? (size_t)n : 0));
}

enum err ticket_make_keys(struct buf *private_pem, struct buf *public_pem)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    BIO *private_bio = BIO_new(BIO_s_mem());
    BIO *public_bio = BIO_new(BIO_s_mem());
    enum err e = ERR_IO;
    if (key != NULL && private_bio != NULL && public_bio != NULL
        && PEM_write_bio_PrivateKey(private_bio, key, NULL, NULL, 0, NULL, NULL) == 1
        && PEM_write_bio_PUBKEY(public_bio, key) == 1) {
        add_bio(private_pem, private_bio);
        add_bio(public_pem, public_bio);
        e = private_pem->is_full ? ERR_LIMIT : buf_err(public_pem);
    }
    BIO_free(private_bio);
    BIO_free(public_bio);
    EVP_PKEY_free(key);
    return e;
}

typedef EVP_PKEY *pem_reader(BIO *bio, EVP_PKEY **key, pem_password_cb *cb, void *arg);

static enum err read_key(struct str pem, pem_reader *read, EVP_PKEY **out)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = bio == NULL ? NULL : read(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (key == NULL || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        return ERR_SYNTAX;
    }
    *out = key;
    return ERR_OK;
}

enum err ticket_signer_new(struct str private_pem, struct ticket_signer **out)
{
    EVP_PKEY *key = NULL;
    TRY(read_key(private_pem, PEM_read_bio_PrivateKey, &key));
    *out = mem_new(sizeof(**out));
    (*out)->key = key;
    return ERR_OK;
}

void ticket_signer_free(struct ticket_signer **s)
{
    if (*s != NULL) {
        EVP_PKEY_free((*s)->key);
        free(*s);
        *s = NULL;
    }
}

static void add_name(struct buf *out, struct str name)
{
    buf_add_char(out, (char)(unsigned char)name.n);
    buf_add(out, name);
}

static enum err write_fields(const struct ticket *t, struct buf *out)
{
    bool is_same = str_eq(t->user, t->auth_user);
    if (t->user.n == 0 || t->user.n > TICKET_USER_MOST || t->auth_user.n > TICKET_USER_MOST
        || t->edge_id.n == 0 || t->edge_id.n > TICKET_USER_MOST) {
        return ERR_TOO_LONG;
    }
    buf_add(out, TICKET_MAGIC);
    buf_add_char(out, (char)t->service);
    buf_add(out, raw(t->nonce, sizeof(t->nonce)));
    buf_add(out, raw(t->id, sizeof(t->id)));
    buf_add_le64(out, t->since_ms);
    buf_add_le64(out, t->expires_ms);
    add_name(out, t->user);
    add_name(out, is_same ? STR_EMPTY : t->auth_user);
    add_name(out, t->edge_id);
    return buf_err(out);
}

enum err ticket_issue(struct ticket_signer *s, struct ticket *t, struct buf *out)
{
    uint8_t signature[SIGNATURE_SIZE];
    size_t len = sizeof(signature);
    struct buf b = BUF_INIT(TICKET_MOST);
    if (RAND_bytes(t->id, sizeof(t->id)) != 1) {
        return ERR_IO;
    }
    enum err e = write_fields(t, &b);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (e == ERR_OK
        && (ctx == NULL || EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->key) != 1
            || EVP_DigestSign(ctx, signature, &len, (const uint8_t *)b.p, b.len) != 1)) {
        e = ERR_IO;
    }
    EVP_MD_CTX_free(ctx);
    if (e == ERR_OK) {
        buf_add(out, buf_str(&b));
        buf_add(out, raw(signature, len));
        e = buf_err(out);
    }
    buf_release(&b);
    return e;
}

enum err ticket_checker_new(struct str public_pem, struct ticket_checker **out)
{
    EVP_PKEY *key = NULL;
    TRY(read_key(public_pem, PEM_read_bio_PUBKEY, &key));
    *out = mem_new(sizeof(**out));
    (*out)->key = key;
    (*out)->by_id = map_new();
    list_init(&(*out)->seen);
    return ERR_OK;
}

static void forget(struct ticket_checker *c, struct seen *s)
{
    (void)map_remove(c->by_id, raw(s->id, sizeof(s->id)));
    list_remove(&s->node);
    free(s);
}

void ticket_checker_free(struct ticket_checker **c)
{
    if (*c == NULL) {
        return;
    }
    list_each_safe(node, &(*c)->seen)
    {
        forget(*c, list_entry(node, struct seen, node));
    }
    map_free(&(*c)->by_id);
    EVP_PKEY_free((*c)->key);
    free(*c);
    *c = NULL;
}

void ticket_checker_begin(struct ticket_checker *c, uint64_t now_ms)
{
    c->begin_ms = now_ms;
}

static struct str scan_name(struct scan *c)
{
    struct str len = scan_take(c, 1, "a length");
    return scan_take(c, len.n == 0 ? 0 : (unsigned char)len.p[0], "a name");
}

static void scan_fixed(struct scan *c, uint8_t *to, size_t n)
{
    struct str s = scan_take(c, n, "octets");
    if (s.n == n) {
        memcpy(to, s.p, n);
    }
}

enum err ticket_read(struct str octets, struct ticket *out)
{
    struct ticket t = {0};
    if (octets.n < SIGNATURE_SIZE || octets.n > TICKET_MOST) {
        return ERR_SYNTAX;
    }
    struct scan c = scan_make(str_sub(octets, 0, octets.n - SIGNATURE_SIZE));
    struct str magic = scan_take(&c, TICKET_MAGIC.n, "the magic");
    struct str service = scan_take(&c, 1, "a service");
    scan_fixed(&c, t.nonce, sizeof(t.nonce));
    scan_fixed(&c, t.id, sizeof(t.id));
    t.since_ms = scan_le64(&c);
    t.expires_ms = scan_le64(&c);
    t.user = scan_name(&c);
    t.auth_user = scan_name(&c);
    t.edge_id = scan_name(&c);
    scan_require_end(&c);
    if (!scan_is_ok(&c) || !str_eq(magic, TICKET_MAGIC) || t.user.n == 0 || t.edge_id.n == 0
        || (unsigned char)service.p[0] > SERVICE_ACAP) {
        return ERR_SYNTAX;
    }
    t.service = (enum service)(unsigned char)service.p[0];
    t.auth_user = t.auth_user.n == 0 ? t.user : t.auth_user;
    *out = t;
    return ERR_OK;
}

static bool is_signed(EVP_PKEY *key, struct str octets)
{
    size_t n = octets.n - SIGNATURE_SIZE;
    const uint8_t *p = (const uint8_t *)octets.p;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1
                   && EVP_DigestVerify(ctx, p + n, SIGNATURE_SIZE, p, n) == 1;
    EVP_MD_CTX_free(ctx);
    return is_good;
}

enum err ticket_renew(struct ticket_signer *s, struct str octets, struct str edge_id,
                      uint64_t now_ms, struct buf *out)
{
    struct ticket t = {0};
    if (ticket_read(octets, &t) != ERR_OK || !str_eq(t.edge_id, edge_id)
        || !is_signed(s->key, octets)) {
        return ERR_TICKET;
    }
    if (t.since_ms > now_ms || now_ms - t.since_ms > TICKET_RENEW_MS) {
        return ERR_TICKET;
    }
    t.expires_ms = now_ms + TICKET_LIFE_MS;
    return ticket_issue(s, &t, out);
}

static void forget_expired(struct ticket_checker *c, uint64_t now_ms)
{
    while (!list_is_empty(&c->seen)) {
        struct seen *s = list_entry(c->seen.next, struct seen, node);
        if (s->expires_ms > now_ms) {
            return;
        }
        forget(c, s);
    }
}

/* A fault of nobody: logging in again helps. */
static const char TOO_EARLY[] = "it is older than this process";

/* Why the ticket is refused, for the log; NULL when all is well. */
static const char *find_fault(struct ticket_checker *c, const struct ticket *t, struct str octets,
                              uint64_t now_ms)
{
    if (!is_signed(c->key, octets)) {
        return "its signature is wrong";
    }
    if (t->expires_ms <= now_ms) {
        return "it expired";
    }
    if (t->expires_ms - now_ms > TICKET_LIFE_MOST_MS) {
        return "it lives too long";
    }
    if (t->expires_ms < c->begin_ms + TICKET_LIFE_MS) {
        return TOO_EARLY;
    }
    forget_expired(c, now_ms);
    if (map_find(c->by_id, raw(t->id, sizeof(t->id))) != NULL) {
        return "it was used before";
    }
    return map_get_count(c->by_id) >= SEEN_MOST ? "too many are remembered" : NULL;
}

static const char *find_mismatch(const struct ticket *t, const struct ticket_use *use)
{
    if (t->service != use->service) {
        return "it is for another service";
    }
    if (!str_eq(t->edge_id, use->edge_id)) {
        return "it is another edge's";
    }
    return str_eq_secret(raw(t->nonce, TICKET_NONCE_SIZE), raw(use->nonce, TICKET_NONCE_SIZE))
               ? NULL
               : "it is another session's";
}

enum err ticket_check(struct ticket_checker *c, struct str octets, const struct ticket_use *use,
                      struct ticket *out)
{
    struct ticket t = {0};
    const char *fault = ticket_read(octets, &t) == ERR_OK ? NULL : "it cannot be read";
    fault = fault != NULL ? fault : find_mismatch(&t, use);
    fault = fault != NULL ? fault : find_fault(c, &t, octets, use->now_ms);
    if (fault != NULL) {
        const char *others = log_pace(&c->pace, use->now_ms);
        if (others != NULL) {
            log_warn("a ticket from edge %.*s is refused: %s%s", STR_ARG(use->edge_id), fault,
                     others);
        }
        return fault == TOO_EARLY ? ERR_TICKET_OLD : ERR_TICKET;
    }
    struct seen *s = mem_new(sizeof(*s));
    memcpy(s->id, t.id, sizeof(s->id));
    s->expires_ms = t.expires_ms;
    list_append(&c->seen, &s->node);
    (void)map_put(c->by_id, raw(s->id, sizeof(s->id)), s);
    *out = t;
    return ERR_OK;
}

unsigned ticket_get_worker(struct str user, unsigned workers)
{
    return workers == 0 ? 0 : (unsigned)(str_hash(user) % workers);
}
