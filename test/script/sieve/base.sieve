The base language: lexer, grammar, control, base actions (RFC 5228). MD-1

=== message a
From: Anna Ex <anna@example.com>
To: user@example.org
Subject: Hello  World
X-Twice: one
X-Twice: two
X-Word: =?utf-8?q?Gr=C3=BC=C3=9Fe?=

body
=== script nothing: the implicit keep (2.10.2)

=== actions a
implicit keep
=== script keep, discard
keep; discard;
=== actions a
keep
discard
=== script discard alone
discard;
=== actions a
discard
=== script stop ends it
if true { stop; } discard;
=== actions a
implicit keep
=== script if, elsif, else (3.1)
require "fileinto";
if false { fileinto "a"; } elsif true { fileinto "b"; } elsif true { fileinto "c"; } else { fileinto "d"; }
if false { fileinto "e"; } else { fileinto "f"; }
if true { } else { fileinto "g"; }
=== actions a
fileinto "b"
fileinto "f"
=== script else without if
keep; else { discard; }
=== wrong
1: "else" stands without an "if" before it
=== script elsif behind else
if true { keep; } else { keep; } elsif true { discard; }
=== wrong
1: "elsif" stands without an "if" before it
=== script one copy for a mailbox (2.10.3)
require "fileinto";
fileinto "a"; fileinto "a"; keep; fileinto "inbox"; fileinto "b";
=== actions a
fileinto "a"
keep
fileinto "b"
=== script unknown command, with a hint
require "fileinto";
filento "a";
=== wrong
2: There is no command "filento"; did you mean "fileinto"?
=== script unknown test
if heder "a" "b" { keep; }
=== wrong
1: There is no test "heder"; did you mean "header"?
=== script a test is no command
header "a" "b";
=== wrong
1: "header" is a test, and here stands a command
=== script missing require
fileinto "a";
=== wrong
1: "fileinto" needs "require "fileinto";" at the top
=== script unknown extension
require ["fileinto", "quux"];
=== wrong
1: There is no extension "quux" here
=== script capability words are case-sensitive (6)
require "FileInto";
=== wrong
1: There is no extension "FileInto" here
=== script require only at the top (3.2)
keep;
require "fileinto";
=== wrong
2: "require" stands before all other commands
=== script require in a block
if true { require "fileinto"; }
=== wrong
1: "require" stands before all other commands
=== script what is required
require ["fileinto", "envelope"];
=== extensions
envelope fileinto
=== script case does not count for identifiers and tags
REQUIRE "fileinto"; IF Header :IS "subject" "hello  world" { FileInto "a"; }
=== actions a
fileinto "a"
