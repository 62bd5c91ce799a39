#!/bin/sh
# SPDX-License-Identifier: MIT
# deb.sh VERSION SOVERSION ARCHIVE FOLDER: makes Debian's packages of a source archive in FOLDER/. MAINTAINER, or
# DEBFULLNAME and DEBEMAIL, say who; DEB_BUILD_OPTIONS=nocheck leaves the tests out.
set -eu
version=$1 soversion=$2 archive=$3 folder=$4
: "${MAINTAINER:=${DEBFULLNAME:-$(id -un)} <${DEBEMAIL:-$(id -un)@$(uname -n)}>}"
from=$PWD/lib/packaging tree=$folder/e2str-$version
rm -rf "$folder"
mkdir -p "$folder"
cp "$archive" "$folder/e2str_$version.orig.tar.gz"
tar -C "$folder" -xf "$archive"

cp -r "$from/debian" "$tree/debian"
cd "$tree/debian"
copyright=$(sed -n 's/^Copyright (c) //p' ../LICENSE)
licence=$(sed -n '/^Permission/,$p' ../LICENSE | sed -e 's/^$/./' -e 's/^/ /')
fill() {
    sed -e "s|@MAINTAINER@|$MAINTAINER|" -e "s|@SOVERSION@|$soversion|" -e "s|@COPYRIGHT@|$copyright|" "$1.in" > "$1"
}
fill control
fill copyright
printf '%s\n' "$licence" >> copyright
rm control.in copyright.in
mv libe2str.install "libe2str$soversion.install"
{
    echo "libe2str.so.$soversion libe2str$soversion #MINVER#"
    echo '* Build-Depends-Package: libe2str-dev'
    sed -n 's/^E2STR_\([0-9.]*\) {$/ (symver)E2STR_\1 \1/p' "$from/e2str.map"
} > "libe2str$soversion.symbols"
# Revision 0upstream1 is older than any of Debian's own.
cat > changelog << END
e2str ($version-0upstream1) unstable; urgency=medium

  * Version $version: see the log of changes.

 -- $MAINTAINER  $(date -uRd "@$(stat -c %Y ../CHANGELOG.md)")
END
cd ..
dpkg-buildpackage -us -uc
