/* A folder of .eml files, as desktop clients export them; sub-folders become mailboxes. One .eml file is fine, too.
 * Such files carry no flags, and their time of change is when they were saved; so the date is the Date field's. */
#include "tools/source.h"

#include "base/buf.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum { DEPTH_MOST = 32 };

static enum err give_file(const char *path, struct str mailbox, const struct source_sink *sink)
{
    struct source_file file;
    assert(sink != NULL);
    CLEANUP(buf_release) struct buf converted = BUF_INIT(SIZE_MAX / 2);
    TRY(source_file_open(path, &file));
    struct source_message m = {.mailbox = mailbox,
                               .path = str_from_c(path),
                               .octets = source_canonical(file.octets, &converted),
                               .date_s = INT64_MIN};
    enum err e = sink->on_message(sink->owner, &m);
    source_file_release(&file);
    return e;
}

static enum err walk_path(const char *path, struct str mailbox, unsigned depth,
                          const struct source_sink *sink, uint64_t *count);

static enum err walk_dir(const char *dir, struct str mailbox, unsigned depth,
                         const struct source_sink *sink, uint64_t *count)
{
    struct source_names names;
    enum err e = sink == NULL ? ERR_OK : sink->on_folder(sink->owner, mailbox);
    if (e != ERR_OK) {
        return e;
    }
    TRY(source_names_read(dir, &names));
    for (size_t i = 0; i < names.count && e == ERR_OK; i++) {
        char path[PATH_MAX];
        struct stat st;
        int n = snprintf(path, sizeof(path), "%s/%s", dir, names.at[i]);
        if (n < 0 || (size_t)n >= sizeof(path) || names.at[i][0] == '.' || stat(path, &st) != 0) {
            continue;
        }
        CLEANUP(buf_release) struct buf below = BUF_INIT(PATH_MAX);
        buf_add(&below, mailbox);
        if (S_ISDIR(st.st_mode)) {
            buf_add(&below, mailbox.n > 0 ? STR("/") : STR_EMPTY);
            buf_add_c(&below, names.at[i]);
        }
        e = walk_path(path, buf_str(&below), depth + 1, sink, count);
    }
    source_names_release(&names);
    return e;
}

static enum err walk_path(const char *path, struct str mailbox, unsigned depth,
                          const struct source_sink *sink, uint64_t *count)
{
    struct stat st;
    if (depth > DEPTH_MOST) {
        return ERR_TOO_DEEP;
    }
    if (stat(path, &st) != 0) {
        return ERR_NOT_FOUND;
    }
    if (S_ISDIR(st.st_mode)) {
        return walk_dir(path, mailbox, depth, sink, count);
    }
    if (!S_ISREG(st.st_mode) || !str_ends_nocase(str_from_c(path), STR(".eml"))) {
        return ERR_OK;
    }
    if (count != NULL) {
        (*count)++;
        return ERR_OK;
    }
    return give_file(path, mailbox, sink);
}

enum err source_eml_walk(const char *path, const struct source_sink *sink, uint64_t *count)
{
    return walk_path(path, STR_EMPTY, 0, sink, count);
}
