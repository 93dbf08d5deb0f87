/* A message arrives before anyone knows how large it gets, and a 50 MB attachment must not cost 50 MB of memory. So the
 * octets gather in memory up to the inline bound and then move to a file of their own; small mail never makes a file
 * (a row in the database costs one sync, a file two).
 *
 * A blob's name is random, so a file left by a crash can neither be mistaken for another message's nor be in the way;
 * the queue sweeps away blobs that no row names. The order that makes it safe: blob written and synced, folder
 * synced, row committed; and for removal: row gone, then the file. */
#include "queue/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/mem.h"

enum { READ_MOST = 64 * 1024, PATH_CAP = 4096 };

struct spool {
    struct buf dir;
    uint64_t most;
    uint64_t size;
    struct content_scan scan;
    struct buf octets;                          /* inline, or what is not yet in the file */
    char generation[SPOOL_GENERATION_SIZE + 1]; /* "": none */
    char name[SPOOL_NAME_SIZE + 1];
    int fd;
    bool is_kept;
    enum err err;
};

struct spool_reader {
    struct buf octets; /* inline, or the last window of the file */
    int fd;            /* -1: inline */
    uint64_t size;
    void *map;
};

/* dir/name as a C string in path. */
static const char *join(struct buf *path, struct str dir, struct str name)
{
    buf_add(path, dir);
    buf_add_char(path, '/');
    buf_add(path, name);
    return path->is_full || path->p == NULL ? "" : path->p;
}

struct spool *spool_new(struct str dir, struct str generation, uint64_t most)
{
    struct spool *s = mem_new(sizeof(*s));
    buf_init(&s->dir, PATH_CAP);
    buf_add(&s->dir, dir);
    buf_init(&s->octets, SPOOL_INLINE_MOST);
    if (generation.n == SPOOL_GENERATION_SIZE) {
        memcpy(s->generation, generation.p, SPOOL_GENERATION_SIZE);
    }
    s->most = most;
    s->fd = -1;
    return s;
}

static enum err open_file(struct spool *s)
{
    unsigned char random[SPOOL_NAME_SIZE / 2];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return ERR_IO;
    }
    CLEANUP(buf_release) struct buf name = BUF_INIT(SPOOL_NAME_SIZE);
    hex_write(&name, str_make((const char *)random, sizeof(random)));
    memcpy(s->name, name.p, SPOOL_NAME_SIZE);
    memcpy(s->name, s->generation, strlen(s->generation));
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_CAP);
    const char *p = join(&path, buf_str(&s->dir), str_from_c(s->name));
    s->fd = open(p, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    return s->fd < 0 ? err_from_errno(errno) : ERR_OK;
}

static enum err write_all(int fd, struct str octets)
{
    while (octets.n > 0) {
        ssize_t n = write(fd, octets.p, octets.n);
        if (n < 0 && errno != EINTR) {
            return err_from_errno(errno);
        }
        octets = str_skip(octets, n > 0 ? (size_t)n : 0);
    }
    return ERR_OK;
}

static enum err flush(struct spool *s)
{
    if (s->fd < 0) {
        TRY(open_file(s));
    }
    TRY(write_all(s->fd, buf_str(&s->octets)));
    buf_clear(&s->octets);
    return ERR_OK;
}

static enum err add(struct spool *s, struct str octets)
{
    if (s->err != ERR_OK) {
        return s->err;
    }
    if (octets.n > s->most - s->size) {
        return ERR_TOO_BIG;
    }
    content_scan_add(&s->scan, octets);
    s->size += octets.n;
    if (octets.n > SPOOL_INLINE_MOST - s->octets.len) {
        TRY(flush(s));
        if (octets.n >= SPOOL_INLINE_MOST) {
            return write_all(s->fd, octets);
        }
    }
    buf_add(&s->octets, octets);
    return ERR_OK;
}

enum err spool_add(struct spool *s, struct str octets)
{
    s->err = add(s, octets);
    return s->err;
}

uint64_t spool_get_size(const struct spool *s)
{
    return s->size;
}

const struct content_scan *spool_get_scan(const struct spool *s)
{
    return &s->scan;
}

enum err spool_flush(struct spool *s)
{
    if (s->err == ERR_OK && s->fd >= 0) {
        s->err = flush(s);
    }
    return s->err;
}

enum err spool_sync(struct spool *s)
{
    TRY(spool_flush(s));
    if (s->fd >= 0 && fsync(s->fd) != 0) {
        s->err = err_from_errno(errno);
    }
    return s->err;
}

struct str spool_get_name(const struct spool *s)
{
    return s->fd < 0 ? STR_EMPTY : str_make(s->name, SPOOL_NAME_SIZE);
}

struct str spool_get_inline(const struct spool *s)
{
    return s->fd < 0 ? buf_str(&s->octets) : STR_EMPTY;
}

void spool_keep(struct spool *s)
{
    s->is_kept = true;
}

void spool_free(struct spool **s)
{
    if (*s == NULL) {
        return;
    }
    if ((*s)->fd >= 0) {
        (void)close((*s)->fd);
        if (!(*s)->is_kept) {
            CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_CAP);
            (void)unlink(join(&path, buf_str(&(*s)->dir), str_make((*s)->name, SPOOL_NAME_SIZE)));
        }
    }
    buf_release(&(*s)->dir);
    buf_release(&(*s)->octets);
    free(*s);
    *s = NULL;
}

/* ---- reading ---- */

static enum err open_blob(struct spool_reader *r, struct str dir, struct str name)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_CAP);
    r->fd = open(join(&path, dir, name), O_RDONLY | O_CLOEXEC);
    if (r->fd < 0) {
        return err_from_errno(errno);
    }
    struct stat st;
    if (fstat(r->fd, &st) != 0) {
        return err_from_errno(errno);
    }
    r->size = (uint64_t)st.st_size;
    return ERR_OK;
}

enum err spool_reader_new(struct str dir, struct str name, struct str inline_octets,
                          struct spool_reader **out)
{
    struct spool_reader *r = mem_new(sizeof(*r));
    buf_init(&r->octets, inline_octets.n > READ_MOST ? inline_octets.n : READ_MOST);
    r->fd = -1;
    enum err e = ERR_OK;
    if (name.n > 0) {
        e = open_blob(r, dir, name);
    } else {
        buf_add(&r->octets, inline_octets);
        r->size = inline_octets.n;
    }
    if (e != ERR_OK) {
        spool_reader_free(&r);
        return e;
    }
    *out = r;
    return ERR_OK;
}

uint64_t spool_reader_get_size(const struct spool_reader *r)
{
    return r->size;
}

enum err spool_reader_get(struct spool_reader *r, uint64_t offset, size_t n, struct str *out)
{
    if (r->fd < 0) {
        *out = offset > r->size ? STR_EMPTY : str_sub(buf_str(&r->octets), (size_t)offset, n);
        return ERR_OK;
    }
    buf_clear(&r->octets);
    n = n > READ_MOST ? READ_MOST : n;
    char *to = buf_reserve(&r->octets, n);
    if (to == NULL) {
        return ERR_LIMIT;
    }
    ssize_t got = pread(r->fd, to, n, (off_t)offset);
    if (got < 0) {
        return err_from_errno(errno);
    }
    buf_commit(&r->octets, (size_t)got);
    *out = buf_str(&r->octets);
    return ERR_OK;
}

enum err spool_reader_map(struct spool_reader *r, struct str *out)
{
    if (r->fd < 0) {
        *out = buf_str(&r->octets);
        return ERR_OK;
    }
    if (r->map == NULL && r->size > 0) {
        void *map = mmap(NULL, (size_t)r->size, PROT_READ, MAP_PRIVATE, r->fd, 0);
        if (map == MAP_FAILED) {
            return err_from_errno(errno);
        }
        r->map = map;
    }
    *out = str_make(r->map, (size_t)r->size);
    return ERR_OK;
}

void spool_reader_free(struct spool_reader **r)
{
    if (*r == NULL) {
        return;
    }
    if ((*r)->map != NULL) {
        (void)munmap((*r)->map, (size_t)(*r)->size);
    }
    if ((*r)->fd >= 0) {
        (void)close((*r)->fd);
    }
    buf_release(&(*r)->octets);
    free(*r);
    *r = NULL;
}
