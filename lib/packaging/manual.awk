# SPDX-License-Identifier: MIT
# The header as a manual page: the text of its first comment, then its declarations as they are.
function line(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    if (text ~ /^[.']/) text = "\\&" text
    print text
}
BEGIN {
    print ".\\\" SPDX-License-Identifier: MIT"
    printf ".TH E2STR 3 \"\" \"libe2str %s\"\n.SH NAME\n", version
    print "e2str \\- library that reads the text in cropped word images"
    print ".SH SYNOPSIS\n.B #include <e2str.h>\n.P\n.B cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs e2str)"
    print ".SH DESCRIPTION"
}
NR <= 2 || finished { next }
/SPDX-License-Identifier/ { next }
!part && /^ \*\/$/ { part = 1; print ".SH DECLARATIONS\n.nf"; next }
!part {
    sub(/^ \* ?/, "")
    if (/^    / != verbatim) print (verbatim = !verbatim) ? ".PP\n.nf" : ".fi"
    if (/^$/) print ".P"; else line($0)
    next
}
/^#(ifndef E2STR_H|define E2STR_H$|endif|ifdef|include|if|else)|^extern "C"|^}$|define E2STR_API/ { next }
{ sub(/^E2STR_API /, ""); line($0) }
END { print ".fi\n.SH SEE ALSO\n.BR e2str (1)" }
