Actions and how they meet (RFC 5228, 2.10 and 4; RFC 3894: copy; RFC 5429: reject, ereject). MD-1 X-SIEVE-COPY X-SIEVE-REJECT X-SIEVE-EREJECT

=== message a
From: a@example.com
Subject: x

body
=== script redirect cancels the implicit keep; one message for an address
redirect "b@example.com"; redirect "b@Example.COM"; redirect "B@example.com"; redirect "Bob <c@example.com>";
=== actions a
redirect "b@example.com"
redirect "B@example.com"
redirect "c@example.com"
=== script redirect to what is no address
redirect "nobody";
=== wrong
1: "nobody" is no address to redirect to
=== script redirect to a group
redirect "g: a@example.com;";
=== wrong
1: "g: a@example.com;" is no address to redirect to
=== script redirect to two
redirect "a@example.com, b@example.com";
=== wrong
1: "a@example.com, b@example.com" is no address to redirect to
=== script :copy keeps the implicit keep (RFC 3894)
require ["copy", "fileinto"];
redirect :copy "b@example.com"; fileinto :copy "a";
=== actions a
redirect "b@example.com"
fileinto "a"
implicit keep
=== script :copy must be required
redirect :copy "b@example.com";
=== wrong
1: "copy" needs "require "copy";" at the top
=== script names of mailboxes
require ["fileinto", "variables"];
set "x" "";
fileinto "${x}";
=== actions a
error 3: "" is no name of a mailbox
implicit keep
=== script reject
require "reject";
reject "Go away";
=== actions a
reject "Go away"
=== script what is no text does not leave a script
require ["ereject", "encoded-character"];
ereject "a${hex: ff 00 c3}é";
=== actions a
ereject "a���é"
=== script ereject
require "ereject";
ereject "Go away";
=== actions a
ereject "Go away"
=== script one rejection only (RFC 5429, 2.4)
require ["reject", "ereject"];
reject "a"; ereject "b";
=== actions a
error 2: A message is rejected once only
implicit keep
=== script nothing is delivered that is rejected
require ["reject"];
keep; reject "a";
=== actions a
error 2: "keep" and a rejection exclude each other
implicit keep
=== script nor answered
require ["ereject", "vacation"];
ereject "a";
vacation "b";
=== actions a
error 3: "vacation" and a rejection exclude each other
implicit keep
=== script nor filed
require ["reject", "fileinto", "copy"];
reject "a";
fileinto :copy "x";
=== actions a
error 3: "fileinto" and a rejection exclude each other
implicit keep
=== world
limit redirects 1
limit actions 3
=== script a limit of redirects
redirect "a@example.com"; redirect "a@example.com";
redirect "b@example.com";
=== actions a
error 2: A script redirects to at most 1 addresses
implicit keep
=== script a limit of actions
require "fileinto";
fileinto "a"; fileinto "b"; fileinto "c"; fileinto "c";
fileinto "d";
=== actions a
error 3: A script takes at most 3 actions
implicit keep
