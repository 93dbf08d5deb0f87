/* What the three kinds of source share: looking at a path, mapping files, sorted folders, line ends.
 *
 * Line ends. Mail on disk mostly has LF, mail in IMAP has CRLF. A file with LF ends and not a single CRLF is text
 * written by Unix: its ends become CRLF. Anything else (CRLF already, or a mixture, or bare CR) is taken as it is, octet
 * for octet. */
#include "tools/source.h"

#include "base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DETECT_DEPTH = 8 };

/* A Maildir, or a folder with one somewhere below (a tree of folders without an INBOX of its own). */
static bool has_maildir(const char *path, unsigned depth)
{
    struct source_names names = {NULL, 0};
    bool is_found = false;
    if (depth > DETECT_DEPTH || source_names_read(path, &names) != ERR_OK) {
        return false;
    }
    for (size_t i = 0; i < names.count && !is_found; i++) {
        char below[PATH_MAX];
        struct stat st;
        int n = snprintf(below, sizeof(below), "%s/%s", path, names.at[i]);
        if (n > 0 && (size_t)n < sizeof(below) && stat(below, &st) == 0 && S_ISDIR(st.st_mode)) {
            is_found = strcmp(names.at[i], "cur") == 0 || has_maildir(below, depth + 1);
        }
    }
    source_names_release(&names);
    return is_found;
}

enum source_kind source_detect(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return SOURCE_NONE;
    }
    if (S_ISREG(st.st_mode)) {
        return str_ends_nocase(str_from_c(path), STR(".eml")) ? SOURCE_EML : SOURCE_MBOX;
    }
    if (!S_ISDIR(st.st_mode)) {
        return SOURCE_NONE;
    }
    return has_maildir(path, 0) ? SOURCE_MAILDIR : SOURCE_EML;
}

static enum err walk(const char *path, enum source_kind kind, const struct source_sink *sink,
                     uint64_t *count)
{
    switch (kind) {
    case SOURCE_MAILDIR:
        return source_maildir_walk(path, sink, count);
    case SOURCE_MBOX:
        return source_mbox_walk(path, sink, count);
    case SOURCE_EML:
        return source_eml_walk(path, sink, count);
    case SOURCE_NONE:
        break;
    }
    return ERR_NOT_FOUND;
}

enum err source_count(const char *path, enum source_kind kind, uint64_t *count)
{
    *count = 0;
    return walk(path, kind, NULL, count);
}

enum err source_walk(const char *path, enum source_kind kind, const struct source_sink *sink)
{
    return walk(path, kind, sink, NULL);
}

enum err source_file_open(const char *path, struct source_file *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        enum err e = err_from_errno(errno);
        if (fd >= 0) {
            (void)close(fd);
        }
        return e;
    }
    void *p = NULL;
    if (st.st_size > 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    int why = errno;
    (void)close(fd);
    if (p == MAP_FAILED) {
        return err_from_errno(why);
    }
    *out = (struct source_file){str_make(p, (size_t)st.st_size), st.st_mtime};
    return ERR_OK;
}

void source_file_release(struct source_file *f)
{
    if (f->octets.n > 0) {
        (void)munmap((void *)(uintptr_t)f->octets.p, f->octets.n);
    }
    f->octets = STR_EMPTY;
}

struct str source_canonical(struct str octets, struct buf *out)
{
    if (str_find_str(octets, STR("\r\n")) < octets.n || str_find_char(octets, '\n') == octets.n) {
        return octets;
    }
    buf_clear(out);
    while (octets.n > 0) {
        size_t line = str_find_char(octets, '\n');
        buf_add(out, str_sub(octets, 0, line));
        if (line < octets.n) {
            buf_add(out, STR("\r\n"));
        }
        octets = str_skip(octets, line + 1);
    }
    return buf_str(out);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_add(struct source_names *n, size_t *size, const char *name)
{
    if (n->count == *size) {
        *size = *size == 0 ? 64 : *size * 2;
        n->at = reallocarray(n->at, *size, sizeof(*n->at));
    }
    char *copy = strdup(name);
    if (n->at == NULL || copy == NULL) {
        abort();
    }
    n->at[n->count++] = copy;
}

enum err source_names_read(const char *dir, struct source_names *out)
{
    struct source_names n = {NULL, 0};
    size_t size = 0;
    DIR *d = opendir(dir);
    if (d == NULL) {
        return err_from_errno(errno);
    }
    for (struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            names_add(&n, &size, entry->d_name);
        }
    }
    (void)closedir(d);
    if (n.count > 0) {
        qsort(n.at, n.count, sizeof(*n.at), compare_names);
    }
    *out = n;
    return ERR_OK;
}

void source_names_release(struct source_names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->at[i]);
    }
    free(n->at);
    *n = (struct source_names){NULL, 0};
}
