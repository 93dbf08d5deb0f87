Limits (RFC 5228, 2.10.7 and 10): whatever a script does, it ends. MD-1

=== message a
Subject: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

body
=== world
limit nesting 15
=== script fifteen blocks in one another
if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { discard; } } } } } } } } } } } } } } }
=== actions a
discard
=== script sixteen
if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { if true { discard; } } } } } } } } } } } } } } } }
=== wrong
1: Blocks are nested more than 15 deep
=== script tests in tests: `if` is the first
if not not not not not not not not not not not not not not true { discard; }
=== actions a
discard
=== script too many tests in tests
if not not not not not not not not not not not not not not not true { discard; }
=== wrong
1: Tests are nested more than 15 deep
=== world
limit list_strings 3
=== script strings in a list
if header ["a", "b", "c"] ["a", "b", "c", "d"] { keep; }
=== wrong
1: A list has at most 3 strings
=== world
limit script_octets 10
=== script octets of a script
keep; keep;
=== wrong
0: A script has at most 10 octets
=== world
limit steps 80
=== script steps
if header :contains "subject" ["b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] { keep; }
if header :contains "subject" ["b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] { keep; }
=== actions a
error 2: The script takes too long with this message
implicit keep
=== world
limit steps 300
=== script wildcards cost what they compare
if header :matches "subject" "*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" { keep; }
=== actions a
error 1: The script takes too long with this message
implicit keep
=== world
limit memory_octets 30000
=== script memory
require "variables";
set "a" "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
set "b" "${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}";
set "c" "${b}${b}${b}${b}${b}";
set "d" "${c}${c}${c}${c}";
=== actions a
error 5: The script takes too much memory
implicit keep
=== world
limit steps 400
=== stored big
# A script that is included is compiled in each run: an octet of it is a step. These lines are just long enough for that to
# be more than the steps that there are, though none of them does anything at all.
keep;
=== script a script that is included costs what compiling it takes
require "include";
include "big";
=== actions a
error 2: The script takes too long with this message
implicit keep
