/* Finding duplicates without reading the whole mailbox.
 *
 * Sizes are in the view, so candidates are sorted by size; only when a message of just that size comes in are the stored
 * ones read and hashed (once each). Mail of equal size is rare, so an import into a large mailbox reads little of it. */
#include "tools/known.h"

#include "base/vec.h"
#include "mime/present.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { HASH_SIZE = 32, READ_SIZE = 64 * 1024 };

struct candidate {
    uint64_t size;
    uint64_t body_id;
    bool is_hashed;
    bool is_taken;
    unsigned char hash[HASH_SIZE];
};

struct known {
    struct mailbox *mailbox;
    VEC(struct candidate) candidates; /* by size */
};

static int compare_sizes(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    return (x->size > y->size) - (x->size < y->size);
}

static enum err gather(struct known *k)
{
    struct view *view;
    TRY(mailbox_get_view(k->mailbox, &view));
    for (uint32_t i = 1; i <= view_get_count(view); i++) {
        struct message m;
        TRY(view_get(view, (struct seq){i}, &m));
        vec_push(&k->candidates, (struct candidate){.size = m.size, .body_id = m.body_id});
    }
    if (k->candidates.count > 0) {
        qsort(k->candidates.at, k->candidates.count, sizeof(*k->candidates.at), compare_sizes);
    }
    return ERR_OK;
}

enum err known_new(struct mailbox *m, struct known **out)
{
    struct known *k = calloc(1, sizeof(*k));
    if (k == NULL) {
        abort();
    }
    k->mailbox = m;
    enum err e = gather(k);
    if (e != ERR_OK) {
        known_free(&k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void known_free(struct known **k)
{
    if (*k != NULL) {
        vec_release(&(*k)->candidates);
        free(*k);
        *k = NULL;
    }
}

static enum err hash_body(struct body_reader *r, EVP_MD_CTX *sha, unsigned char *hash)
{
    uint64_t size = body_reader_get_size(r);
    bool is_fine = EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1;
    for (uint64_t at = 0; at < size;) {
        struct str piece;
        TRY(body_reader_get(r, at, READ_SIZE, &piece));
        if (piece.n == 0) {
            return ERR_CORRUPT;
        }
        is_fine = is_fine && EVP_DigestUpdate(sha, piece.p, piece.n) == 1;
        at += piece.n;
    }
    is_fine = is_fine && EVP_DigestFinal_ex(sha, hash, NULL) == 1;
    return is_fine ? ERR_OK : ERR_IO;
}

static enum err hash_candidate(struct known *k, struct candidate *c)
{
    struct body_reader *r;
    TRY(body_reader_new(mailbox_get_account(k->mailbox), c->body_id, &r));
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    enum err e = sha == NULL ? ERR_IO : hash_body(r, sha, c->hash);
    EVP_MD_CTX_free(sha);
    body_reader_free(&r);
    c->is_hashed = e == ERR_OK;
    return e;
}

static size_t find_size(const struct known *k, uint64_t size)
{
    size_t low = 0;
    size_t high = k->candidates.count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (k->candidates.at[mid].size < size) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* What the view of a mailbox says the size of such a message is. */
static enum err measure(struct str octets, uint64_t *size)
{
    CLEANUP(buf_release) struct buf shape = BUF_INIT(SHAPE_MOST);
    TRY(shape_build(octets, &shape));
    return present_measure(octets, buf_str(&shape), size);
}

enum err known_take(struct known *k, struct str octets, bool *is_known)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    uint64_t size = 0;
    *is_known = false;
    TRY(measure(octets, &size));
    size_t at = find_size(k, size);
    if (at == k->candidates.count || k->candidates.at[at].size != size) {
        return ERR_OK;
    }
    if (EVP_Digest(octets.p, octets.n, hash, NULL, EVP_sha256(), NULL) != 1) {
        return ERR_IO;
    }
    for (; at < k->candidates.count && k->candidates.at[at].size == size; at++) {
        struct candidate *c = &k->candidates.at[at];
        if (c->is_taken) {
            continue;
        }
        if (!c->is_hashed) {
            TRY(hash_candidate(k, c));
        }
        if (memcmp(c->hash, hash, HASH_SIZE) == 0) {
            c->is_taken = true;
            *is_known = true;
            return ERR_OK;
        }
    }
    return ERR_OK;
}
