/* Fuzzes mime/subject and mime/collate: the base subject is a part of the text with single spaces, has no leader or trailer
 * left, and collation keys never fail. */
#include "fuzz.h"

#include "mime/collate.h"
#include "mime/subject.h"

#include <assert.h>

enum { TEXT_CAP = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct buf first = BUF_INIT(TEXT_CAP);
    struct buf second = BUF_INIT(TEXT_CAP);
    struct buf key = BUF_INIT(TEXT_CAP);
    bool is_reply = true;
    struct str base = subject_find_base(text, &first, NULL);
    assert(base.n <= size);
    /* What was reduced once cannot be reduced again. */
    assert(str_eq(subject_find_base(base, &second, &is_reply), base) && !is_reply);
    struct collate c;
    collate_init(&c);
    collate_write(&c, text, &key);
    (void)collate_write_subject(&c, text, &key);
    assert(!key.is_full);
    collate_release(&c);
    buf_release(&first);
    buf_release(&second);
    buf_release(&key);
    return 0;
}
