# Sourced by the entry points: the one thing that must be there already is Node, and new enough.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

if ! command -v node >/dev/null; then
  echo "Parlance needs Node.js 20.19 or later, up to 24: https://nodejs.org" >&2
  exit 1
fi
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
  echo "Parlance needs Node.js 20.19 or later, up to 24; this one is $(node --version)." >&2
  exit 1
fi
