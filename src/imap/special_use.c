/* Special uses, as LIST writes them and as CREATE and SETMETADATA read them (RFC 6154, 2, 3 and 4). */
#include "imap/special_use.h"

#include "store/store.h"
#include "wire/imap_scan.h"

static const struct {
    struct str name;
    enum special_use use;
} USES[] = {
    {{"\\All", 4}, USE_ALL},         {{"\\Archive", 8}, USE_ARCHIVE}, {{"\\Drafts", 7}, USE_DRAFTS},
    {{"\\Flagged", 8}, USE_FLAGGED}, {{"\\Junk", 5}, USE_JUNK},       {{"\\Sent", 5}, USE_SENT},
    {{"\\Trash", 6}, USE_TRASH},
};

enum { USE_COUNT = sizeof(USES) / sizeof(USES[0]) };

void special_use_write(struct buf *out, unsigned uses, bool is_first)
{
    for (size_t i = 0; i < USE_COUNT; i++) {
        if ((uses & USES[i].use) == 0) {
            continue;
        }
        if (!is_first) {
            buf_add_char(out, ' ');
        }
        is_first = false;
        buf_add(out, USES[i].name);
    }
}

/* use-attr = "\" atom */
void scan_special_use(struct scan *c, unsigned *uses)
{
    size_t start = c->at;
    scan_require(c, '\\', "a special use");
    (void)scan_atom(c);
    struct str name = str_sub(c->s, start, c->at - start);
    for (size_t i = 0; scan_is_ok(c) && i < USE_COUNT; i++) {
        if (str_eq_nocase(name, USES[i].name)) {
            *uses |= USES[i].use;
            return;
        }
    }
    scan_fail(c, ERR_USE_ATTR, "a special use that is known here");
}
