vacation (RFC 5230: MD-5), vacation-seconds (RFC 6131: X-SIEVE-VACATION-SECONDS), fcc (RFC 8580: X-SIEVE-FCC): what the actions hold.

=== message a
From: a@example.com
Subject: s

body
=== script the least
require "vacation";
vacation "I'm away";
=== actions a
vacation "I'm away" seconds 604800
implicit keep
=== script everything
require ["vacation", "variables"];
if header :matches "subject" "*" { set "s" "${1}"; }
vacation :days 23 :subject "Re: ${s}" :from "User <user@example.org>" :addresses ["u@example.org", "v@example.org"]
  :handle "h" :mime "Content-Type: text/plain

away";
discard;
=== actions a
vacation "Content-Type: text/plain\n\naway" seconds 1987200 mime subject "Re: s" from "User <user@example.org>" addresses(u@example.org v@example.org)
discard
=== script days: at least one, at most a year
require "vacation";
vacation :days 0 "a";
=== actions a
vacation "a" seconds 86400
implicit keep
=== script days: at most a year
require "vacation";
vacation :days 10000 "a";
=== actions a
vacation "a" seconds 31622400
implicit keep
=== script seconds; vacation comes with them
require "vacation-seconds";
vacation :seconds 0 "a";
=== actions a
vacation "a" seconds 0
implicit keep
=== script seconds must be required
require "vacation";
vacation :seconds 10 "a";
=== wrong
2: "seconds" needs "require "vacation-seconds";" at the top
=== script days or seconds
require "vacation-seconds";
vacation :seconds 10 :days 1 "a";
=== wrong
2: ":seconds" and ":days" exclude each other
=== script one answer only (4.7)
require "vacation";
vacation "a";
vacation "b";
=== actions a
error 3: A script answers a message once only
implicit keep
=== script no address
require "vacation";
vacation :from "me" "a";
=== wrong
2: "me" is no address to write from
=== script no address, from a variable
require ["vacation", "variables"];
vacation :from "${x}" "a";
=== actions a
error 2: "" is no address to write from
implicit keep
=== script a subject is one line
require ["vacation", "encoded-character"];
vacation :subject "a${hex: 0d 0a}Bcc: b" "a";
=== actions a
vacation "a" seconds 604800 subject "a  Bcc: b"
implicit keep
=== script a copy of the answer (RFC 8580)
require ["vacation", "fcc", "mailbox", "special-use", "imap4flags"];
vacation :fcc "Sent" :create :specialuse "\\Sent" :flags ["\\Seen", "$A"] "a";
=== actions a
vacation "a" seconds 604800 fcc "Sent" flags(\Seen $A) create special-use "\Sent"
implicit keep
=== script how a copy is filed goes with :fcc
require ["vacation", "fcc", "mailbox"];
vacation :create "a";
=== wrong
2: :flags, :create, :specialuse and :mailboxid go with ":fcc"
=== script fcc must be required
require ["vacation"];
vacation :fcc "Sent" "a";
=== wrong
2: "fcc" needs "require "fcc";" at the top
