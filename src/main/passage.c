/* Two guards at the door of a mailbox.
 *
 * Loops (RFC 5321, 6.3): each copy says in Delivered-To which address it was delivered to. One that comes again says so, too, with
 * whatever is forwarded in a circle; it is returned (5.4.6). So is one that has passed a hundred servers.
 *
 * Duplicates: the same message may come twice, by an alias and directly, or because an answer of ours was lost on its way to the
 * sender, who then must send again (RFC 1047). The second copy is taken, and left out. Same means: the same Message-ID, and the
 * same hash of body and all header fields but those that servers add on the way. A mailing list's copy has fields of its own
 * and is another message; so is a second one with the same id and other words. Without a Message-ID nothing is a
 * duplicate: two alarms in the same words are two alarms. What is remembered is committed with the copy, so there is no
 * moment at which it is known and lost. */
#include "main/passage.h"

#include "base/buf.h"
#include "base/mem.h"
#include "smtp/trace_scan.h"
#include "store/seen.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { HASH_SIZE = 32, KEY_MOST = 4096 };

struct passage {
    struct trace_scan scan;
    EVP_MD_CTX *hash;
    uint8_t digest[HASH_SIZE];
    bool has_digest;
    uint64_t duplicate_s;
};

static void on_identity(void *owner, struct str octets)
{
    struct passage *p = owner;
    p->has_digest = p->has_digest && EVP_DigestUpdate(p->hash, octets.p, octets.n) == 1;
}

static void begin(struct passage *p)
{
    trace_scan_init(&p->scan);
    if (p->duplicate_s > 0) {
        p->scan.on_identity = on_identity;
        p->scan.owner = p;
        p->has_digest = EVP_DigestInit_ex(p->hash, EVP_sha256(), NULL) == 1;
    }
}

struct passage *passage_new(uint64_t duplicate_s)
{
    struct passage *p = mem_new(sizeof(*p));
    p->duplicate_s = duplicate_s;
    p->hash = EVP_MD_CTX_new();
    if (p->hash == NULL) {
        abort();
    }
    begin(p);
    return p;
}

void passage_free(struct passage **p)
{
    if (*p == NULL) {
        return;
    }
    trace_scan_release(&(*p)->scan);
    EVP_MD_CTX_free((*p)->hash);
    free(*p);
    *p = NULL;
}

void passage_clear(struct passage *p)
{
    trace_scan_release(&p->scan);
    begin(p);
}

void passage_add(struct passage *p, struct str octets)
{
    trace_scan_add(&p->scan, octets);
}

void passage_finish(struct passage *p)
{
    trace_scan_finish(&p->scan);
    p->has_digest = p->has_digest && EVP_DigestFinal_ex(p->hash, p->digest, NULL) == 1;
}

enum err passage_check_loop(const struct passage *p, struct str address)
{
    if (trace_scan_get_hops(&p->scan) > TRACE_SCAN_HOPS_MOST) {
        return ERR_LOOP;
    }
    return trace_scan_has_passed(&p->scan, address) ? ERR_PASSED : ERR_OK;
}

/* Appends what stands for the message in the account; nothing when nothing can. */
static void write_key(const struct passage *p, struct str detail, struct buf *key)
{
    struct str id = trace_scan_get_message_id(&p->scan);
    if (!p->has_digest || id.n == 0) {
        return;
    }
    buf_add(key, str_make((const char *)p->digest, sizeof(p->digest)));
    buf_add(key, str_sub(id, 0, KEY_MOST / 2));
    buf_add_char(key, '\n');
    buf_add(key, str_sub(detail, 0, KEY_MOST / 4));
}

enum err passage_is_duplicate(const struct passage *p, struct account *a, struct str detail,
                              int64_t now_s, bool *is_duplicate)
{
    CLEANUP(buf_release) struct buf key = BUF_INIT(KEY_MOST);
    write_key(p, detail, &key);
    *is_duplicate = false;
    return key.len == 0 ? ERR_OK
                        : account_find_seen(a, SEEN_DELIVERY, buf_str(&key), now_s, is_duplicate);
}

enum err passage_remember(const struct passage *p, struct account *a, struct str detail,
                          int64_t now_s)
{
    CLEANUP(buf_release) struct buf key = BUF_INIT(KEY_MOST);
    write_key(p, detail, &key);
    return key.len == 0 ? ERR_OK
                        : account_add_seen(a, SEEN_DELIVERY, buf_str(&key), now_s,
                                           now_s + (int64_t)p->duplicate_s);
}
