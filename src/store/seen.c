/* What was seen: rows of (kind, hash of the key, when it expires), written in the transaction of the turn, so that the memory of a
 * message and the message itself are on disk together or not at all.
 *
 * The table is swept where it grows: adding takes the expired rows of its kind away, and when there are still too many, the one that
 * would expire next. */
#include "store/seen.h"

#include "store/store_priv.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { HASH_SIZE = 32 };

struct hash {
    unsigned char at[EVP_MAX_MD_SIZE];
};

static struct value hash_key(struct str key, struct hash *out)
{
    unsigned size = 0;
    if (EVP_Digest(key.p == NULL ? "" : key.p, key.n, out->at, &size, EVP_sha256(), NULL) != 1) {
        abort();
    }
    return value_blob(str_make((const char *)out->at, HASH_SIZE));
}

enum err account_find_seen(struct account *a, enum seen_kind kind, struct str key, int64_t now_s,
                           bool *is_seen)
{
    struct db *db;
    struct rows rows;
    struct hash hash;
    TRY(account_ready(a, &db));
    TRY(DB_QUERY(db, SEEN_GET, &rows, value_int(kind), hash_key(key, &hash), value_int(now_s)));
    TRY(db_next(&rows, is_seen));
    if (*is_seen) {
        db_end(&rows);
    }
    return ERR_OK;
}

enum err account_count_seen(struct account *a, enum seen_kind kind, int64_t now_s, uint64_t *out)
{
    struct db *db;
    TRY(account_ready(a, &db));
    return DB_GET(db, SEEN_COUNT, out, value_int(kind), value_int(now_s));
}

static enum err add(struct account *a, struct db *db, enum seen_kind kind, struct str key,
                    const int64_t times[2])
{
    struct hash hash;
    uint64_t count;
    TRY(account_begin_transaction(a, db));
    TRY(DB_RUN(db, SEEN_EXPIRE, value_int(kind), value_int(times[0])));
    TRY(account_count_seen(a, kind, times[0], &count));
    if (count >= SEEN_MOST) {
        TRY(DB_RUN(db, SEEN_DROP, value_int(kind)));
    }
    return DB_RUN(db, SEEN_SET, value_int(kind), hash_key(key, &hash), value_int(times[1]));
}

enum err account_add_seen(struct account *a, enum seen_kind kind, struct str key, int64_t now_s,
                          int64_t expires_s)
{
    struct db *db;
    TRY(account_begin_change(a, &db));
    account_mark_dirty(a);
    enum err e = add(a, db, kind, key, (const int64_t[]){now_s, expires_s});
    return e == ERR_OK ? ERR_OK : account_poison(a, e);
}
