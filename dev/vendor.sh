#!/bin/bash
# Puts the API reference of /docs together in build/docs: our page, and the
# viewer from npm, of a pinned version whose contents are checked. Nothing of
# it is fetched by the browser from elsewhere.
#
# usage: dev/vendor.sh
set -euo pipefail
cd "$(dirname "$0")/.."

VIEWER=swagger-ui-dist@5.29.0
DIGEST=gqs7Md3AxP4mbpXAq31o5QW+wGUZsUzVatg70yXpUR245dfIis5jAzufBd+UQM/w2xSfrhvA1eqsrgnl2PbezQ==

new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
(cd "$new" && timeout 60 npm pack --silent --fetch-retries=1 "$VIEWER" >/dev/null) || {
    echo "$VIEWER cannot be had from npm: no /docs" >&2
    exit 1
}
mv "$new"/*.tgz "$new/viewer.tgz"
if [ "$(openssl dgst -sha512 -binary "$new/viewer.tgz" | base64 -w 0)" != "$DIGEST" ]; then
    echo "$VIEWER is not what it was: its digest differs" >&2
    exit 1
fi
mkdir "$new/docs"
tar -xzf "$new/viewer.tgz" -C "$new/docs" --strip-components=1 \
    package/swagger-ui.css package/swagger-ui-bundle.js package/LICENSE
mv "$new/docs/LICENSE" "$new/docs/swagger-ui-license.txt"
cp web/* "$new/docs/"
mkdir -p build
rm -rf build/docs
cp -r "$new/docs" build/docs
