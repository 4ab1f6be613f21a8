#!/usr/bin/env bash
# Installs a hashed lock into .venv. uv takes a fifth of pip's time; pip follows mirrors that only its own settings name.
set -euo pipefail
.venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode --require-hashes --requirement "$@" ||
  .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement "$@"
