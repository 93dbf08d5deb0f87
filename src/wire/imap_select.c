/* Parameters of SELECT and EXAMINE (RFC 4466, 7162) and the items of STATUS (RFC 3501, 7162, 7889, 8438, 9051).
 *
 * QRESYNC's sets may not hold "*" (RFC 7162, 7: known-uids, known-sequence-set): a client that remembers UIDs knows
 * their numbers. They are checked here, so that nobody resolves a "*" against the wrong mailbox. */
#include "wire/imap_scan.h"

static const struct {
    struct str name;
    unsigned bit;
} STATUS_ATTS[] = {
    {{"MESSAGES", 8}, STATUS_MESSAGES},
    {{"RECENT", 6}, STATUS_RECENT},
    {{"UIDNEXT", 7}, STATUS_UIDNEXT},
    {{"UIDVALIDITY", 11}, STATUS_UIDVALIDITY},
    {{"UNSEEN", 6}, STATUS_UNSEEN},
    {{"HIGHESTMODSEQ", 13}, STATUS_HIGHESTMODSEQ},
    {{"SIZE", 4}, STATUS_SIZE},
    {{"DELETED", 7}, STATUS_DELETED},
    {{"MAILBOXID", 9}, STATUS_MAILBOXID},
    {{"APPENDLIMIT", 11}, STATUS_APPENDLIMIT},
    {{"DELETED-STORAGE", 15}, STATUS_DELETED_STORAGE},
};

/* A sequence set without "*". */
static void scan_known_set(struct scan *c, struct arena *a, struct seq_set *out)
{
    size_t start = c->at;
    scan_seq_set(c, a, out);
    for (uint32_t i = 0; i < out->count && scan_is_ok(c); i++) {
        if (out->at[i].first == 0 || out->at[i].last == 0) {
            c->at = start;
            scan_fail(c, ERR_SYNTAX, "a set without *");
        }
    }
}

/* seq-match-data = "(" known-sequence-set SP known-uid-set ")" */
static void scan_seq_match(struct scan *c, struct arena *a, struct select_params *out)
{
    scan_require(c, '(', "known sequence numbers and UIDs");
    scan_known_set(c, a, &out->match.seqs);
    scan_sp(c);
    scan_known_set(c, a, &out->match.uids);
    scan_require(c, ')', "the end of known sequence numbers and UIDs");
    out->has_match = scan_is_ok(c);
}

/* "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")" */
static void scan_qresync(struct scan *c, struct arena *a, struct select_params *out)
{
    scan_sp(c);
    scan_require(c, '(', "the parameters of QRESYNC");
    out->is_qresync = true;
    out->uidvalidity = scan_nz_number(c);
    scan_sp(c);
    out->modseq = scan_mod_sequence_value(c);
    bool has_more = scan_accept(c, ' ');
    if (has_more && scan_peek(c) != '(') {
        scan_known_set(c, a, &out->known_uids);
        out->has_known_uids = scan_is_ok(c);
        has_more = scan_accept(c, ' ');
    }
    if (has_more) {
        scan_seq_match(c, a, out);
    }
    scan_require(c, ')', "the end of the parameters of QRESYNC");
}

/* select-params = "(" select-param *(SP select-param) ")" */
void scan_select_params(struct scan *c, struct arena *a, struct select_params *out)
{
    *out = (struct select_params){.is_condstore = false};
    scan_require(c, '(', "a list of parameters");
    do {
        if (!out->is_condstore && scan_accept_word(c, STR("CONDSTORE"))) {
            out->is_condstore = true;
        } else if (!out->is_qresync && scan_accept_word(c, STR("QRESYNC"))) {
            scan_qresync(c, a, out);
        } else {
            scan_fail(c, ERR_SYNTAX, "CONDSTORE or QRESYNC");
        }
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of a list of parameters");
}

static unsigned scan_status_att(struct scan *c)
{
    for (size_t i = 0; i < sizeof(STATUS_ATTS) / sizeof(STATUS_ATTS[0]); i++) {
        bool is_removed = c->is_rev2 && STATUS_ATTS[i].bit == STATUS_RECENT;
        if (!is_removed && scan_accept_word(c, STATUS_ATTS[i].name)) {
            return STATUS_ATTS[i].bit;
        }
    }
    scan_fail(c, ERR_SYNTAX, "a STATUS item");
    return 0;
}

unsigned scan_status_atts(struct scan *c)
{
    unsigned atts = 0;
    scan_require(c, '(', "a list of STATUS items");
    do {
        atts |= scan_status_att(c);
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of a list of STATUS items");
    return atts;
}
