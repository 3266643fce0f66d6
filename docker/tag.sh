#!/bin/sh
# The tag of images: the commit's own, or with TAG that commit, if it is one of a release branch: those go to uat, and nothing
# else goes on to production. Needs the history with its remote branches.
set -eu
if [ -z "${TAG:-}" ]; then
  echo "tag=$(git rev-parse HEAD)"
  exit 0
fi
commit=$(git rev-parse --verify --quiet "$TAG^{commit}") || {
  echo "error: TAG names no commit of this repository: give the whole hash that uat runs" >&2
  exit 1
}
if [ -z "$(git branch --remotes --list 'origin/release/*' --contains "$commit")" ]; then
  echo "error: $commit is on no branch release/*, so uat has not had it: push it there first" >&2
  exit 1
fi
echo "tag=$commit"
