#!/bin/sh
# SPDX-License-Identifier: MIT
# doc.sh FOLDER FILE...: copies these files of the repository into FOLDER, to be installed. Links of pages that would
# lead to none of them become plain words. The headers are installed elsewhere: links to them are kept.
set -eu
folder=$1
shift
files=" $* "
for file; do
    case $file in include/*) continue ;; esac
    mkdir -p "$folder/${file%"${file##*/}"}"
    cp "$file" "$folder/$file"
    case $file in *.md) ;; *) continue ;; esac
    grep -oE '\]\([^)[:blank:]]+\)' "$file" | sed -e 's/^](//' -e 's/)$//' -e 's/#.*//' | sort -u > "$folder/.links"
    while read -r target; do
        case $target in '' | http:* | https:* | mailto:*) continue ;; esac
        path=$(realpath -ms --relative-to=. "$(dirname "$file")/$target")
        case $files in *" $path "*) continue ;; esac
        pattern=$(printf '%s' "$target" | sed 's/[].[*^$|\\]/\\&/g')
        sed -i "s|\[\([^]]*\)\]($pattern\(#[^)]*\)\{0,1\})|\1|g" "$folder/$file"
    done < "$folder/.links"
done
rm -f "$folder/.links"
