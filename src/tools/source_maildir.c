/* Maildir, as Dovecot, Courier, mbsync and mutt leave it.
 *
 *   root/cur root/new               the root mailbox
 *   root/.Sub.Folder/cur ...        Maildir++: "Sub/Folder"
 *   root/Sub/Folder/cur ...         nested folders: "Sub/Folder"
 *
 * Flags stand behind ":2,": D F P R S T. Letters a to z are keywords, numbered by the folder's file
 * "dovecot-keywords" ("0 $Forwarded" names letter a). The file's time of change is the internal date. A name with
 * ",S=n" and ",W=n" of the file's own size says that the octets are exact: nothing is converted then. */
#include "tools/source.h"

#include "base/buf.h"
#include "store/view.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LETTERS = 26, DEPTH_MOST = 32 };

struct folder {
    const struct source_sink *sink;
    uint64_t *count;
    struct str mailbox;
    struct buf keyword_file;
    struct str keywords[LETTERS];
    struct buf converted;
};

static bool join(char *out, const char *dir, const char *name)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    return n > 0 && n < PATH_MAX;
}

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void read_keywords(struct folder *f, const char *dir)
{
    char path[PATH_MAX];
    struct source_file file;
    if (!join(path, dir, "dovecot-keywords") || source_file_open(path, &file) != ERR_OK) {
        return;
    }
    buf_add(&f->keyword_file, file.octets);
    source_file_release(&file);
    struct str rest = buf_str(&f->keyword_file);
    while (rest.n > 0) {
        struct str line = str_trim(str_split(&rest, '\n'));
        struct str number = str_split(&line, ' ');
        uint64_t letter = 0;
        if (str_to_u64(number, LETTERS - 1, &letter) && line.n > 0) {
            f->keywords[letter] = line;
        }
    }
}

static uint64_t flag_of(char letter)
{
    switch (letter) {
    case 'S':
        return FLAG_SEEN;
    case 'R':
        return FLAG_ANSWERED;
    case 'F':
        return FLAG_FLAGGED;
    case 'T':
        return FLAG_DELETED;
    case 'D':
        return FLAG_DRAFT;
    default:
        return 0;
    }
}

static void read_flags(const struct folder *f, struct str name, struct source_message *m,
                       struct str *keywords)
{
    size_t at = str_find_str(name, STR(":2,"));
    struct str letters = str_skip(name, at + 3);
    for (size_t i = 0; i < letters.n; i++) {
        char c = letters.p[i];
        m->flags |= flag_of(c);
        struct str keyword = STR_EMPTY;
        if (c == 'P') {
            keyword = STR("$Forwarded");
        } else if (c >= 'a' && c <= 'z') {
            keyword = f->keywords[c - 'a'];
        }
        if (keyword.n > 0 && m->keyword_count < SOURCE_KEYWORDS_MOST) {
            keywords[m->keyword_count++] = keyword;
        }
    }
    m->keywords = keywords;
}

/* The number behind ",S=" or ",W=" in a file name; UINT64_MAX without one. */
static uint64_t name_number(struct str name, struct str key)
{
    size_t at = str_find_str(name, key);
    if (at == name.n) {
        return UINT64_MAX;
    }
    struct str rest = str_skip(name, at + key.n);
    size_t n = 0;
    uint64_t v = UINT64_MAX;
    while (n < rest.n && ascii_is_digit(rest.p[n])) {
        n++;
    }
    return str_to_u64(str_sub(rest, 0, n), UINT64_MAX - 1, &v) ? v : UINT64_MAX;
}

static bool is_exact(struct str name, uint64_t size)
{
    return name_number(name, STR(",S=")) == size && name_number(name, STR(",W=")) == size;
}

static enum err give_file(struct folder *f, const char *dir, const char *file_name)
{
    char path[PATH_MAX];
    struct source_file file;
    struct str keywords[SOURCE_KEYWORDS_MOST];
    struct str name = str_from_c(file_name);
    assert(f->sink != NULL);
    if (!join(path, dir, file_name)) {
        return ERR_TOO_LONG;
    }
    TRY(source_file_open(path, &file));
    struct source_message m = {.mailbox = f->mailbox,
                               .path = str_from_c(path),
                               .octets = file.octets,
                               .date_s = file.mtime_s};
    if (!is_exact(name, file.octets.n)) {
        m.octets = source_canonical(file.octets, &f->converted);
    }
    read_flags(f, name, &m, keywords);
    enum err e = f->sink->on_message(f->sink->owner, &m);
    source_file_release(&file);
    return e;
}

static enum err walk_files(struct folder *f, const char *folder, const char *which)
{
    char dir[PATH_MAX];
    struct source_names names;
    enum err e = ERR_OK;
    if (!join(dir, folder, which) || !is_dir(dir)) {
        return ERR_OK;
    }
    TRY(source_names_read(dir, &names));
    for (size_t i = 0; i < names.count && e == ERR_OK; i++) {
        if (names.at[i][0] == '.') {
            continue;
        }
        if (f->count != NULL) {
            (*f->count)++;
        } else {
            e = give_file(f, dir, names.at[i]);
        }
    }
    source_names_release(&names);
    return e;
}

static enum err walk_folder(const char *dir, struct str mailbox, const struct source_sink *sink,
                            uint64_t *count)
{
    struct folder f = {.sink = sink, .count = count, .mailbox = mailbox};
    f.keyword_file = BUF_INIT(64 * 1024);
    f.converted = BUF_INIT(SIZE_MAX / 2);
    read_keywords(&f, dir);
    enum err e = sink == NULL ? ERR_OK : sink->on_folder(sink->owner, mailbox);
    if (e == ERR_OK) {
        e = walk_files(&f, dir, "cur");
    }
    if (e == ERR_OK) {
        e = walk_files(&f, dir, "new");
    }
    buf_release(&f.keyword_file);
    buf_release(&f.converted);
    return e;
}

/* The mailbox of a sub-folder: ".A.B" is A/B (Maildir++), "A" is A; below parent. */
static void name_folder(struct buf *out, struct str parent, const char *name)
{
    struct str rest = str_from_c(name);
    bool is_dotted = rest.p[0] == '.';
    buf_add(out, parent);
    rest = str_skip(rest, is_dotted ? 1 : 0);
    if (parent.n > 0) {
        buf_add_char(out, '/');
    }
    for (size_t i = 0; i < rest.n; i++) {
        buf_add_char(out, is_dotted && rest.p[i] == '.' ? '/' : rest.p[i]);
    }
}

static bool is_folder_name(const char *name)
{
    return strcmp(name, "cur") != 0 && strcmp(name, "new") != 0 && strcmp(name, "tmp") != 0;
}

static enum err walk_tree(const char *dir, struct str mailbox, unsigned depth,
                          const struct source_sink *sink, uint64_t *count)
{
    struct source_names names;
    char path[PATH_MAX];
    if (depth > DEPTH_MOST) {
        return ERR_TOO_DEEP;
    }
    if (join(path, dir, "cur") && is_dir(path)) {
        TRY(walk_folder(dir, mailbox, sink, count));
    }
    TRY(source_names_read(dir, &names));
    enum err e = ERR_OK;
    for (size_t i = 0; i < names.count && e == ERR_OK; i++) {
        if (!is_folder_name(names.at[i]) || !join(path, dir, names.at[i]) || !is_dir(path)) {
            continue;
        }
        CLEANUP(buf_release) struct buf below = BUF_INIT(PATH_MAX);
        name_folder(&below, mailbox, names.at[i]);
        e = walk_tree(path, buf_str(&below), depth + 1, sink, count);
    }
    source_names_release(&names);
    return e;
}

enum err source_maildir_walk(const char *path, const struct source_sink *sink, uint64_t *count)
{
    return walk_tree(path, STR_EMPTY, 0, sink, count);
}
