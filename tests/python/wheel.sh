#!/bin/bash
# SPDX-License-Identifier: MIT
# The wheel of `make wheel`, as a user gets it: in fresh environments of every Python in $PYTHONS, without NumPy first;
# then tests and type checker; and `pip install .`. Needs a package index, as pip does.
set -u
. tests/cases.sh
tree=$PWD
image=$tree/examples/images/coffee.jpg
script='import e2str, sys; print(e2str.Reader().read(sys.argv[1]))'
quietly() { "$@" > "$work/log" 2>&1 || { sed 's/^/# /' "$work/log"; false; }; }

# in_venv PYTHON NAME WHAT...: makes an environment $work/NAME and installs WHAT
in_venv() {
    local python=$1 name=$2
    shift 2
    quietly "$python" -m venv "$work/$name" && quietly "$work/$name/bin/pip" install --disable-pip-version-check "$@"
}
# reads NAME: the installed package reads, from a folder that has nothing of ours
reads() { [ "$(cd / && "$work/$1/bin/python" -c "$script" "$image")" = Coffee ]; }
# command_works NAME: e2str reads, finds the model, and knows the others, though none is in PATH
command_works() {
    local e2str=$work/$1/bin/e2str
    [ "$(cd / && "$e2str" read "$image" | cut -f 2)" = Coffee ] &&
        (cd / && quietly "$e2str" report "$image" -o "$work/report.html") &&
        (cd / && "$e2str" help teach) | grep -q '^usage: e2str-teach'
}
# commands_work NAME: both programs, from a folder that has nothing of ours. Interrupted, teach saves its pool.
# --foreground: to the command alone; without it the signal comes twice, and the second says not to save.
commands_work() {
    mkdir -p "$work/crops" && cp "$image" "$work/crops" && rm -f "$work/crops/teach.pool"
    (cd / && quietly "$work/$1/bin/e2str-report" "$image" -o "$work/report.html") &&
        grep -qF 'class VirtualList' "$work/report.html" &&
        (cd / && quietly timeout --foreground --preserve-status -s INT 5 "$work/$1/bin/e2str-teach" "$work/crops") &&
        test -s "$work/crops/teach.pool"
}
# What the loader takes that is neither the C library nor in the wheel; manylinux has zlib.
loads_its_own() {
    local package file
    package=$("$work/$1/bin/python" -c 'import e2str; print(e2str.__path__[0])')
    for file in libe2str.so bin/e2str; do
        ldd "$package/$file" | grep -E 'png|jpeg' > "$work/ldd"
        [ "$(grep -c /e2str.libs/ "$work/ldd")" -eq 2 ] && [ "$(wc -l < "$work/ldd")" -eq 2 ] || return 1
    done
}

# What $PYTHONS does not say: python3, and the newest one beside it.
if [ -z "${PYTHONS:-}" ]; then
    PYTHONS=$PYTHON
    for python in python3.1{4,3,2,1,0} "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1?.*/bin/python; do
        if "$python" -c 'import venv' 2> /dev/null && [ "$("$python" -V)" != "$("$PYTHON" -V)" ]; then
            PYTHONS="$PYTHON $python"
            break
        fi
    done
fi

wheel=$(printf '%s\n' "$BUILD"/wheel/e2str-*.whl)
check 'one wheel for every Python 3, with a manylinux tag' \
    grep -qE '^[^ ]*/e2str-[0-9.]+-py3-none-manylinux_2_[0-9]+_[a-z0-9_]+\.whl$' <<< "$wheel"
# It says which systems can install it: a call that is new to the C library shuts some out.
if [ "$(uname -m)" = x86_64 ] && grep -q '^PRETTY_NAME="Debian GNU/Linux 12' /etc/os-release; then
    tag=${wheel##*-none-}
    check 'of the oldest C library that docs/python.md tells' grep -qF "\`${tag%.whl}\`" docs/python.md
fi

for python in $PYTHONS; do
    version=$("$python" -c 'import platform; print(platform.python_version())') || { check "$python" false; continue; }
    check "Python $version: the wheel installs" in_venv "$python" "$version" --no-index "$wheel"
    check "Python $version: and reads, without NumPy" reads "$version"
    check "Python $version: e2str is a command, with the model" command_works "$version"
    check "Python $version: e2str-teach and e2str-report are commands" commands_work "$version"
    check "Python $version: with libpng and libjpeg of its own" loads_its_own "$version"
    licences=("$work/$version"/lib/*/site-packages/e2str/licences/lib{png,jpeg}*)
    check "Python $version: and their licences" test -f "${licences[0]}" -a -f "${licences[1]:-}"
    pip=$work/$version/bin/pip
    check "Python $version: tools" quietly "$pip" install --disable-pip-version-check -r tests/python/requirements.txt
    (cd "$work" && "$work/$version/bin/python" "$tree/tests/python/run.py" "$tree") || failures=1
    mypy="$work/$version/bin/mypy --strict --cache-dir $work/mypy-$version"
    # shellcheck disable=SC2086 # several words
    {
        check "Python $version: the package under mypy --strict" quietly $mypy -p e2str
        check "Python $version: a user's program under mypy --strict" quietly $mypy tests/python/typed.py
    }
done

first=${PYTHONS%% *}
check 'pip install .' in_venv "$first" source "$tree"
check 'and it reads' reads source
finish
