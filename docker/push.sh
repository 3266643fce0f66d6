#!/bin/sh
# Builds the four images and pushes them. From the environment: REGISTRY (host and path), TAG, and for a registry that asks
# REGISTRY_USER and REGISTRY_PASSWORD. Needs docker with buildx.
set -eu
cd "$(dirname "$0")/.."
: "${REGISTRY:?set REGISTRY to where the images go}" "${TAG:?set TAG to the tag of the images}"
case "$TAG" in latest | main | develop) echo "error: $TAG moves; take a commit or a version" >&2; exit 1 ;; esac
if [ -n "${REGISTRY_USER:-}" ]; then
  # Not within the pipe: an error there would not end the script.
  : "${REGISTRY_PASSWORD:?set REGISTRY_PASSWORD}"
  printf '%s' "$REGISTRY_PASSWORD" | docker login --username "$REGISTRY_USER" --password-stdin "${REGISTRY%%/*}"
fi
for image in control-plane code-location streaming spark; do
  docker buildx build --file docker/Dockerfile --target "$image" --tag "$REGISTRY/$image:$TAG" \
    --label "org.opencontainers.image.revision=$(git rev-parse HEAD)" --push .
done
