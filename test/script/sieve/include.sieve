include (RFC 6609: X-SIEVE-INCLUDE), ihave and error (RFC 5463: X-SIEVE-IHAVE)

=== message a
From: boss@example.com
Subject: $$ now

body
=== world
limit include_depth 3
=== stored filer
require "fileinto";
fileinto "filed";
=== stored keeper
require "include";
keep; return; discard;
=== stored stopper
stop;
=== stored circle
require "include";
include "circle";
=== stored once
require "include";
include :once "once"; keep;
=== stored deep1
require "include"; include "deep2";
=== stored deep2
require "include"; include "deep3";
=== stored deep3
require "include"; include "filer";
=== stored wrong
fileinto "x";
=== stored failing
require ["variables", "fileinto"];

fileinto "${x}";
=== stored subject_tests
require ["include", "variables"];
global ["test", "test_mailbox"];
if header :contains "Subject" "${test}" { set "test_mailbox" "spam-${test}"; }
=== stored private
require ["variables", "fileinto"];
fileinto "p${x}${1}."; set "x" "private";
if string :matches "abc" "a*" { }
=== stored header
require "editheader";
deleteheader "from"; addheader "X-Added" "x";
=== site filer
require "fileinto";
fileinto "of the site";
=== script scripts of the user and of the site
require ["include"];
include "filer"; include :global "filer"; include :personal "filer";
=== actions a
fileinto "filed"
fileinto "of the site"
=== script return leaves the script, stop ends all
require ["include", "fileinto"];
include "keeper"; fileinto "a"; include "stopper"; fileinto "b";
=== actions a
keep
fileinto "a"
=== script return in the main script is stop
require ["include"];
return; discard;
=== actions a
implicit keep
=== script a script that is not there
require "include";
include "nothing";
=== actions a
error 2: There is no script "nothing"
implicit keep
=== script unless it is optional
require "include";
include :optional "nothing"; discard;
=== actions a
discard
=== script circles
require "include";
include "circle";
=== actions a
error 2: In "circle": "circle" includes itself
implicit keep
=== script once
require "include";
include "once"; include :once "once"; include :once "keeper";
=== actions a
keep
=== script too deep
require "include";
include "deep1";
=== actions a
error 1: In "deep3": Too many scripts are included, or too deep in one another
implicit keep
=== script what one requires the other has not
require ["include", "fileinto"];
include "wrong";
=== actions a
error 2: "wrong" cannot be included; its line 1: "fileinto" needs "require "fileinto";" at the top
implicit keep
=== script an error in an included script
require ["include"];
include "failing";
=== actions a
error 3: In "failing": "" is no name of a mailbox
implicit keep
=== script global variables (3.4.1)
require ["fileinto", "include", "variables", "relational"];
global "test"; global "test_mailbox";
set "test" "make money"; include "subject_tests";
set "test" "$$"; include "subject_tests";
if string :count "eq" "${test_mailbox}" "1" { fileinto "${test_mailbox}"; fileinto "x${global.test}"; }
=== actions a
fileinto "spam-$$"
fileinto "x$$"
=== script other variables are private, match variables, too
require ["fileinto", "include", "variables"];
set "x" "mine"; if string :matches "xyz" "x*" { }
include "private"; fileinto "${x}${1}";
=== actions a
fileinto "p."
fileinto "mineyz"
=== script the namespace global (3.4.2)
require ["variables", "include", "fileinto"];
set "global.a" "1"; fileinto "${GLOBAL.A}${a}"; global "a"; fileinto "x${a}"; set "a" "2"; fileinto "y${global.a}";
=== actions a
fileinto "1"
fileinto "x1"
fileinto "y2"
=== script set before it is made global
require ["variables", "include"];
set "a" "1";
global "a";
=== actions a
error 3: "a" was set before it was made global
implicit keep
=== script no sub-namespaces
require ["variables", "include"];
set "global.a.b" "1";
=== wrong
2: "a.b" is no name of a global variable
=== script no numbers
require ["variables", "include"];
set "global.12" "1";
=== wrong
2: "12" is no name of a global variable
=== script global needs variables
require ["include"];
global "a";
=== wrong
2: "global" needs "require "variables";" at the top
=== script global names are identifiers
require ["include", "variables"];
global "a.b";
=== wrong
2: "a.b" is no name of a variable
=== script names of scripts
require "include";
include "../../etc/passwd";
=== wrong
2: "../../etc/passwd" is no name of a script
=== script names of scripts are constant
require ["include", "variables"];
include "${x}";
=== wrong
2: The name of an included script holds no variables
=== script the header is common (3.5)
require ["include", "fileinto"];
include "header";
if allof (not exists "from", exists "x-added") { fileinto "x"; }
=== actions a
fileinto "x"
| X-Added: x
| Subject: $$ now
|
=== script ihave enables what there is (RFC 5463, 4)
require ["ihave"];
if ihave "fileinto" { fileinto "a"; }
if ihave ["fileinto", "quux"] { quux "b"; } else { fileinto "c"; }
=== actions a
fileinto "a"
fileinto "c"
=== script what is not there is no error when it is not run
require ["ihave", "fileinto"];
if ihave "quux" { frobnicate :deep 3 "x" ["y"] { keep; } if quuxtest (true, false) { keep; } fileinto :quux "a" "b"; }
fileinto "fine";
=== actions a
fileinto "fine"
=== script and is one when it is
require ["ihave"];
frobnicate "x";
=== actions a
error 2: There is no command "frobnicate"
implicit keep
=== script an extension before its ihave
require ["ihave"];
if false { fileinto "a"; }
fileinto "b";
if ihave "fileinto" { keep; }
=== actions a
error 3: "fileinto" needs "fileinto", which was neither required nor found
implicit keep
=== script tags and comparators by ihave
require ["ihave"];
if ihave ["copy", "comparator-i;ascii-numeric", "relational"] {
  if header :value "gt" :comparator "i;ascii-numeric" "x" "1" { keep; } else { redirect :copy "a@example.com"; }
}
=== actions a
redirect "a@example.com"
implicit keep
=== script what changes how scripts are read cannot come late
require ["ihave", "fileinto"];
if ihave "variables" { fileinto "wrong"; } else { fileinto "${x}"; }
=== actions a
fileinto "${x}"
=== script but is there when it was required
require ["ihave", "fileinto", "variables"];
if ihave "variables" { fileinto "right${x}"; }
=== actions a
fileinto "right"
=== script words are constant
require ["ihave", "variables"];
if ihave "${x}" { keep; }
=== wrong
2: "ihave" asks for constant words
=== script errors of syntax are errors all the same
require "ihave";
if ihave "quux" { quux ; ; }
=== wrong
2: Expected a command, not ";"
=== script error (5)
require ["ihave", "variables"];
set "x" "why";
error "because ${x}
not";
=== actions a
error 3: because why not
implicit keep
=== world
disabled fileinto
=== script extensions that are not offered
require "fileinto";
=== wrong
1: There is no extension "fileinto" here
=== script nor by ihave
require "ihave";
if ihave "fileinto" { fileinto "a"; } else { keep; }
=== actions a
keep
