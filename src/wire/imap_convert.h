#ifndef LIMETTA_WIRE_IMAP_CONVERT_H
#define LIMETTA_WIRE_IMAP_CONVERT_H

#include "base/arena.h"
#include "base/scan.h"
#include "base/str.h"
#include "wire/imap_scan.h"

#include <stdbool.h>
#include <stdint.h>

/* The words of CONVERT (RFC 5259, 10), over a whole command as the others (wire/imap_scan.h). */

struct imap_convert_param {
    struct str name;
    struct str value;
};

struct imap_convert_params {
    bool is_default;   /* NIL: the server chooses */
    struct str target; /* "type/subtype", its syntax not checked */
    const struct imap_convert_param *at;
    uint32_t count;
};

enum convert_att_kind {
    CONVERT_UID,
    CONVERT_BODYPARTSTRUCTURE,
    CONVERT_BINARY,
    CONVERT_BINARY_SIZE,
    CONVERT_HEADER,
    CONVERT_MIME,
    CONVERT_AVAILABLECONVERSIONS
};

struct convert_att {
    enum convert_att_kind kind;
    struct section section;
    bool has_partial; /* CONVERT_BINARY */
    struct partial partial;
};

struct convert_atts {
    const struct convert_att *at;
    uint32_t count; /* at least 1 */
};

enum { CONVERT_ATTS_MOST = 100, CONVERT_WIRE_PARAMS_MOST = 16 };

/* convert-params: "(" ("type/subtype" / NIL) [SP "(" name SP value *(SP name SP value) ")"] ")" */
void scan_convert_params(struct scan *c, struct arena *a, struct imap_convert_params *out);
/* convert-att / "(" convert-att *(SP convert-att) ")" */
void scan_convert_atts(struct scan *c, struct arena *a, struct convert_atts *out);
/* As it is named in a response: "BINARY[1.2]<100>". Appends. */
void convert_att_write(struct buf *out, const struct convert_att *att);

#endif
