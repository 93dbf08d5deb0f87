#ifndef LIMETTA_CONVERT_OFFICE_H
#define LIMETTA_CONVERT_OFFICE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* The text of an office document that is a zip archive of XML: Office Open XML and OpenDocument, each as text, sheet or slides.
 * Lines end with LF, cells of a row are parted by tabs. type: the media type, in lower case.
 * Errors: ERR_SYNTAX (it is none), ERR_LIMIT (a part of it is larger than OFFICE_PART_MOST unpacked, or out's cap). */
MUST_USE enum err office_to_text(struct str type, struct str octets, struct buf *out);

enum { OFFICE_PART_MOST = 128 * 1024 * 1024, OFFICE_PARTS_MOST = 1000 };

#endif
