/* SMTP command lines, and the arguments of the commands that have simple ones (RFC 5321, 4.1; RFC 3030; RFC 4468; RFC 4954).
 *
 * The verb is whatever stands before the first space; spaces around the arguments are passed over, as common practice has
 * it (RFC 5321, 4.1.1). Paths are in smtp_path.c, parameters of MAIL and RCPT in smtp_param.c. */
#include "wire/smtp_scan.h"

#include "wire/chars.h"

enum { HELO_MOST = 255, MECHANISM_MOST = 20 };

static const struct {
    struct str name;
    enum smtp_verb verb;
} VERBS[] = {
    {{"MAIL", 4}, SMTP_MAIL},         {{"RCPT", 4}, SMTP_RCPT},   {{"DATA", 4}, SMTP_DATA},
    {{"BDAT", 4}, SMTP_BDAT},         {{"BURL", 4}, SMTP_BURL},   {{"RSET", 4}, SMTP_RSET},
    {{"EHLO", 4}, SMTP_EHLO},         {{"HELO", 4}, SMTP_HELO},   {{"LHLO", 4}, SMTP_LHLO},
    {{"AUTH", 4}, SMTP_AUTH},         {{"NOOP", 4}, SMTP_NOOP},   {{"QUIT", 4}, SMTP_QUIT},
    {{"VRFY", 4}, SMTP_VRFY},         {{"EXPN", 4}, SMTP_EXPN},   {{"HELP", 4}, SMTP_HELP},
    {{"STARTTLS", 8}, SMTP_STARTTLS}, {{"XHELD", 5}, SMTP_XHELD},
};

void smtp_command_parse(struct str line, struct smtp_command *out)
{
    struct str args = line;
    *out = (struct smtp_command){SMTP_UNKNOWN, STR_EMPTY, STR_EMPTY};
    out->name = str_trim(str_split(&args, ' '));
    out->args = str_trim(args);
    for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
        if (str_eq_nocase(out->name, VERBS[i].name)) {
            out->verb = VERBS[i].verb;
        }
    }
}

bool smtp_command_is_bare(const struct smtp_command *c)
{
    bool must_be = c->verb == SMTP_DATA || c->verb == SMTP_RSET || c->verb == SMTP_QUIT
                   || c->verb == SMTP_STARTTLS;
    return c->args.n == 0 || !must_be;
}

static bool is_visible(unsigned char octet)
{
    return octet > 0x20 && octet < 0x7F;
}

static bool is_all(struct str s, bool (*is_member)(unsigned char octet))
{
    struct scan c = scan_make(s);
    (void)scan_run(&c, is_member);
    return scan_is_end(&c);
}

enum err smtp_parse_helo(struct str args, struct str *out)
{
    if (args.n == 0 || args.n > HELO_MOST || !is_all(args, is_visible)) {
        return ERR_SYNTAX;
    }
    *out = args;
    return ERR_OK;
}

/* [SP "LAST"] to the end */
static enum err parse_last(struct str rest, bool *is_last)
{
    rest = str_trim(rest);
    *is_last = str_eq_nocase(rest, STR("LAST"));
    return rest.n == 0 || *is_last ? ERR_OK : ERR_SYNTAX;
}

/* bdat-cmd = "BDAT" SP chunk-size [SP end-marker] */
enum err smtp_bdat_parse(struct str args, struct smtp_bdat *out)
{
    struct smtp_bdat bdat = {0, false};
    if (!str_to_u64(str_split(&args, ' '), INT64_MAX, &bdat.size)) {
        return ERR_SYNTAX;
    }
    TRY(parse_last(args, &bdat.is_last));
    *out = bdat;
    return ERR_OK;
}

/* burl-cmd = "BURL" SP absolute-URI [SP end-marker] */
enum err smtp_burl_parse(struct str args, struct smtp_burl *out)
{
    struct smtp_burl burl = {str_split(&args, ' '), false};
    if (burl.url.n == 0 || !is_all(burl.url, is_visible)) {
        return ERR_SYNTAX;
    }
    TRY(parse_last(args, &burl.is_last));
    *out = burl;
    return ERR_OK;
}

/* sasl-mech = 1*20mech-char: upper case, digits, "-", "_" (RFC 4422, 3.1); taken in any case */
static bool is_mechanism(struct str s)
{
    return s.n > 0 && s.n <= MECHANISM_MOST && is_all(s, is_ldh);
}

/* auth-command = "AUTH" SP sasl-mech [SP initial-response] */
enum err smtp_auth_parse(struct str args, struct smtp_auth *out)
{
    struct smtp_auth auth = {str_split(&args, ' '), false, STR_EMPTY};
    auth.initial = str_trim(args);
    auth.has_initial = auth.initial.n > 0;
    if (!is_mechanism(auth.mechanism) || !is_all(auth.initial, is_base64_char)) {
        return ERR_SYNTAX;
    }
    *out = auth;
    return ERR_OK;
}

/* xheld-cmd = "XHELD" SP ("LIST" [SP id] / "CANCEL" SP id) */
enum err smtp_xheld_parse(struct str args, struct smtp_xheld *out)
{
    struct str verb = str_split(&args, ' ');
    struct smtp_xheld x = {.is_cancel = str_eq_nocase(verb, STR("CANCEL"))};
    bool has_id = str_to_u64(args, INT64_MAX, &x.id);
    bool is_list = str_eq_nocase(verb, STR("LIST")) && (args.n == 0 || has_id);
    if (!is_list && !(x.is_cancel && has_id)) {
        return ERR_SYNTAX;
    }
    *out = x;
    return ERR_OK;
}
