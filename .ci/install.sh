#!/bin/sh
# .ci/install.sh FOLDER ARGUMENT...: a virtual environment with what the arguments of `pip install` name, in the
# versions of constraints.txt. uv installs where it can be had (on the PATH, or from the package index), pip elsewhere.
set -eu
folder=$1
shift

"${PYTHON:-python3}" -c 'import sys; sys.exit("Python 3.11 or newer is needed; name it with PYTHON=..." if sys.version_info < (3, 11) else 0)'
"${PYTHON:-python3}" -m venv "$folder"
python=$folder/bin/python
pip() { "$python" -m pip --quiet --quiet --disable-pip-version-check "$@"; }

# uv does not read pip's settings: a mirror or a folder of wheels that pip knows is told to it, where it has none itself.
setting() { "$python" -m pip config list | sed -n "s/^[^=]*\.$1='\(.*\)'\$/\1/p" | sed 's/\\n/ /g' | sed -n '1p'; }
inherit() { # VARIABLE VALUE
    eval "set_already=\${$1:-}"
    [ -n "$set_already" ] || [ -z "$2" ] || export "$1=$2"
}
inherit UV_DEFAULT_INDEX "$(setting index-url)"
inherit UV_INDEX "$(setting extra-index-url)"
inherit UV_FIND_LINKS "$(setting find-links | tr -s ' ' ',')"
inherit SSL_CERT_FILE "$(setting cert)"
[ -z "${UV_INDEX:-}" ] || inherit UV_INDEX_STRATEGY unsafe-best-match # as pip does: the best of all indexes

uv=$(command -v uv) || { pip install --constraint constraints.txt uv 2>/dev/null && uv=$folder/bin/uv; } || uv=
if [ -n "$uv" ]; then
    echo "installing into $folder with uv (once; a minute or so)"
    "$uv" pip install --quiet --python "$python" --constraint constraints.txt "$@" && exit
    echo "uv could not: trying pip"
fi
echo "installing into $folder with pip (once; some minutes)"
pip install --constraint constraints.txt "$@"
