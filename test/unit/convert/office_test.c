/* Unit tests of convert/office and convert/zip (X-CONVERT): documents that are none, archives that lie. */
#include "convert/office.h"

#include "convert/zip.h"

#include "unit.h"

enum { OUT_MOST = 1024 * 1024, ARCHIVE_MOST = 64 * 1024 };

static const struct str DOCX = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document", 71};
static const struct str ODT = {"application/vnd.oasis.opendocument.text", 39};
static const struct str XLSX = {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                                65};

/* Files stored as they are, at places that are known. */
struct archive {
    struct buf octets;
    struct buf directory;
    unsigned count;
};

static void add_file(struct archive *a, const char *name, const char *text)
{
    struct str n = str_from_c(name);
    struct str t = str_from_c(text);
    uint32_t at = (uint32_t)a->octets.len;
    buf_add(&a->octets, STR("PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    buf_add_le32(&a->octets, (uint32_t)t.n);
    buf_add_le32(&a->octets, (uint32_t)t.n);
    buf_add_le16(&a->octets, (uint16_t)n.n);
    buf_add_le16(&a->octets, 0);
    buf_add(&a->octets, n);
    buf_add(&a->octets, t);
    buf_add(&a->directory, STR("PK\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    buf_add_le32(&a->directory, (uint32_t)t.n);
    buf_add_le32(&a->directory, (uint32_t)t.n);
    buf_add_le16(&a->directory, (uint16_t)n.n);
    buf_add(&a->directory, STR("\0\0\0\0\0\0\0\0\0\0\0\0"));
    buf_add_le32(&a->directory, at);
    buf_add(&a->directory, n);
    a->count++;
}

static struct str finish(struct archive *a)
{
    uint32_t at = (uint32_t)a->octets.len;
    buf_add(&a->octets, buf_str(&a->directory));
    buf_add(&a->octets, STR("PK\5\6\0\0\0\0\0\0"));
    buf_add_le16(&a->octets, (uint16_t)a->count);
    buf_add_le32(&a->octets, (uint32_t)a->directory.len);
    buf_add_le32(&a->octets, at);
    buf_add_le16(&a->octets, 0);
    return buf_str(&a->octets);
}

static void check(struct str type, const char *name, const char *xml, const char *want)
{
    struct archive a = {.octets = BUF_INIT(ARCHIVE_MOST), .directory = BUF_INIT(ARCHIVE_MOST)};
    struct buf out = BUF_INIT(OUT_MOST);
    add_file(&a, "mimetype", "x");
    add_file(&a, name, xml);
    assert_int_equal(office_to_text(type, finish(&a), &out), ERR_OK);
    assert_str(buf_str(&out), str_from_c(want));
    buf_release(&out);
    buf_release(&a.octets);
    buf_release(&a.directory);
}

static void test_xml(void **state)
{
    static const struct {
        const char *xml;
        const char *want;
    } CASES[] = {
        {"", ""},
        {"<", ""},
        {"<w:t>a", "a"},
        {"<w:t>a</w:t>b<w:t>c</w:t>", "ac"},
        {"<w:t/>x<w:t>&amp;&lt;&gt;&quot;&apos;&#65;&#x42;&#x110000;&nbsp;&none</w:t>",
         "&<>\"'AB\xef\xbf\xbd&none"},
        {"<!-- <w:t>no</w:t> --><w:t><![CDATA[<yes>]]></w:t><?x <w:t>?>", "<yes>"},
        {"<w:p><w:t>a</w:t></w:p><w:tabs><w:tab w:val='x'/></w:tabs><w:t>b</w:t><w:tab/><w:br/>",
         "a\nb\t\n"},
        {"<w:p", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        check(DOCX, "word/document.xml", CASES[i].xml, CASES[i].want);
    }
    check(ODT, "content.xml", "<text:p>a<text:s text:c=\"3\"/>b<text:s text:c=\"9999\"/>c</text:p>",
          "a   b c\n");
    check(ODT, "content.xml",
          "<table:table-row><table:table-cell><text:p>1</text:p></table:table-cell>"
          "<table:table-cell/></table:table-row>",
          "1 \t\n");
    check(XLSX, "xl/worksheets/sheet1.xml", "<row><c t=\"s\"><v>7</v></c><c><v>1</v></c></row>",
          "\t1\n\n");
}

static void test_bad_archives(void **state)
{
    static const struct str BAD[] = {
        {"", 0},
        {"PK", 2},
        {"PK\5\6", 4},
        {"x", 1},
        /* a directory that begins behind the end */
        {"PK\5\6\0\0\0\0\0\0\1\0\0\0\0\0\xff\0\0\0\0\0", 22},
        /* an entry where there is none */
        {"xxxxPK\5\6\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 26},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct buf out = BUF_INIT(OUT_MOST);
        assert_int_equal(office_to_text(DOCX, BAD[i], &out), ERR_SYNTAX);
        buf_release(&out);
    }
}

/* Every octet of a good archive changed: an answer, whatever it is, and nothing that a sanitizer would see. */
static void test_damaged(void **state)
{
    struct archive a = {.octets = BUF_INIT(ARCHIVE_MOST), .directory = BUF_INIT(ARCHIVE_MOST)};
    (void)state;
    add_file(&a, "word/document.xml", "<w:p><w:t>text</w:t></w:p>");
    struct str good = finish(&a);
    for (size_t i = 0; i < good.n; i++) {
        struct buf out = BUF_INIT(OUT_MOST);
        a.octets.p[i] = (char)~a.octets.p[i];
        enum err e = office_to_text(DOCX, good, &out);
        assert_true(e == ERR_OK || e == ERR_SYNTAX || e == ERR_LIMIT);
        a.octets.p[i] = (char)~a.octets.p[i];
        buf_release(&out);
    }
    buf_release(&a.octets);
    buf_release(&a.directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml),
        cmocka_unit_test(test_bad_archives),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
