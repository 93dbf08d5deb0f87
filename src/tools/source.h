#ifndef LIMETTA_TOOLS_SOURCE_H
#define LIMETTA_TOOLS_SOURCE_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Where imported mail comes from: a Maildir (with subfolders), an mbox file, or a folder of .eml files.
 * A source is walked twice: once to count, once to read. */

enum { SOURCE_KEYWORDS_MOST = 64 };

/* One message of a source; everything is borrowed for the call. */
struct source_message {
    struct str
        mailbox;     /* path below the import's root mailbox with '/', empty for the root itself */
    struct str path; /* where it came from, for reports */
    struct str octets; /* as it will be stored */
    uint64_t flags;    /* system FLAG_ bits */
    const struct str *keywords;
    unsigned keyword_count;
    int64_t date_s; /* INT64_MIN: unknown, take the Date field or now */
};

/* Hears each message. An error stops the walk and is returned from it. */
struct source_sink {
    enum err (*on_message)(void *owner, const struct source_message *m);
    /* A folder without messages is a mailbox, too. */
    enum err (*on_folder)(void *owner, struct str mailbox);
    void *owner;
};

enum source_kind { SOURCE_NONE, SOURCE_MAILDIR, SOURCE_MBOX, SOURCE_EML };

/* Looks at path. SOURCE_NONE: nothing that holds mail. */
enum source_kind source_detect(const char *path);
/* How many messages a walk will give. Errors: ERR_IO and what errno says. */
MUST_USE enum err source_count(const char *path, enum source_kind kind, uint64_t *count);
/* Gives every message, oldest first within a folder. Errors: the sink's, ERR_IO, ERR_NO_PERMISSION. */
MUST_USE enum err source_walk(const char *path, enum source_kind kind,
                              const struct source_sink *sink);

/* The back ends, one file each; count NULL means walk. */
MUST_USE enum err source_maildir_walk(const char *path, const struct source_sink *sink,
                                      uint64_t *count);
MUST_USE enum err source_mbox_walk(const char *path, const struct source_sink *sink,
                                   uint64_t *count);
MUST_USE enum err source_eml_walk(const char *path, const struct source_sink *sink,
                                  uint64_t *count);

/* A file's octets, mapped. */
struct source_file {
    struct str octets;
    int64_t mtime_s;
};
MUST_USE enum err source_file_open(const char *path, struct source_file *out);
void source_file_release(struct source_file *f);

struct buf;
/* Text as mail: when octets holds LF line ends and not one CRLF, CRLF ends are made in out; else octets itself. */
struct str source_canonical(struct str octets, struct buf *out);

/* Names in a folder, sorted; "." and ".." left out. */
struct source_names {
    char **at;
    size_t count;
};
MUST_USE enum err source_names_read(const char *dir, struct source_names *out);
void source_names_release(struct source_names *n);

#endif
