# Sourced by scripts/run and scripts/test: find Python 3.11 or 3.12, make .venv once, install once.
# After the first success nothing here touches the network; a changed pyproject.toml, setup.py or C source installs again.

repo_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv_dir="${CHAINNODE_VENV:-$repo_root/.venv}"

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.12 python3.11 python3 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "chainnode needs Python 3.11 or 3.12; none was found. Install one, or name it: PYTHON=/path/to/python3.12 $0" >&2
    return 1
}

# ensure_installed EXTRAS: EXTRAS is "" or "[test]".
ensure_installed() {
    local extras="$1" python stamp want
    # `cksum` also covers the place, since an editable install points back at this folder; the C sources, which it
    # builds; and the compiler: one that was installed later is put to use.
    want="$( (cat "$repo_root"/pyproject.toml "$repo_root"/setup.py "$repo_root"/chainnode/native/*.[ch]
        echo "$repo_root $extras $(command -v "${CC:-cc}")") | cksum)"
    stamp="$venv_dir/.chainnode-installed$extras"
    if [ -n "${PYTHON:-}" ] && [ -x "$venv_dir/bin/python" ] && [ "$("$PYTHON" -V 2>&1)" != "$("$venv_dir/bin/python" -V 2>&1)" ]; then
        echo "PYTHON=$PYTHON is not used: $venv_dir has $("$venv_dir/bin/python" -V). Remove it, or name another one by CHAINNODE_VENV." >&2
    fi
    if [ -x "$venv_dir/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
        return 0
    fi
    python="$(find_python)" || return 1
    if [ ! -x "$venv_dir/bin/python" ]; then
        echo "Making a virtual environment in $venv_dir ..."
        if ! "$python" -m venv "$venv_dir"; then
            echo "Python's venv module failed; on Debian and Ubuntu: apt-get install python3-venv" >&2
            return 1
        fi
    fi
    echo "Installing chainnode$extras and its libraries (once) ..."
    if ! "$venv_dir/bin/python" -m pip install --quiet --disable-pip-version-check -e "$repo_root$extras"; then
        echo "The installation failed; see the lines above. A network is needed for the first run only." >&2
        return 1
    fi
    echo "$want" >"$stamp"
}
