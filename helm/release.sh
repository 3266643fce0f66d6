#!/bin/sh
# What workflows do with an installation: `release.sh install`, `remove` or `data-quality`. Needs helm and kubectl.
# From the environment: ENVIRONMENT, NAMESPACE (default analytics), TAG, SITE_VALUES (text of the installation's own
# values), KUBECONFIG_TEXT (else kubectl's own configuration).
set -eu
cd "$(dirname "$0")/.."
namespace=${NAMESPACE:-analytics}
private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT
umask 077
if [ -n "${KUBECONFIG_TEXT:-}" ]; then
  printf '%s\n' "$KUBECONFIG_TEXT" > "$private/kubeconfig"
  export KUBECONFIG="$private/kubeconfig"
fi
case "${1:-}" in
install)
  : "${ENVIRONMENT:?set ENVIRONMENT to dev, qa, uat or prod}" "${TAG:?set TAG to the tag of the images}"
  printf '%s\n' "${SITE_VALUES:?set SITE_VALUES to the values of this installation (docs/deployment.md)}" > "$private/site.yaml"
  kubectl create namespace "$namespace" --dry-run=client -o yaml | kubectl apply -f -
  kubectl label namespace "$namespace" --overwrite pod-security.kubernetes.io/enforce=restricted
  helm upgrade --install media-analytics helm/media-analytics -n "$namespace" --timeout 30m \
    -f "helm/media-analytics/values-$ENVIRONMENT.yaml" -f "$private/site.yaml" --set-string "images.tag=$TAG"
  # The streams become ready when the contracts are applied.
  kubectl -n "$namespace" rollout status deployment,statefulset -l app.kubernetes.io/instance=media-analytics --timeout 30m
  ;;
remove)
  # Never the namespace of an environment: `remove` is for installations of pull requests.
  case "$namespace" in pr-*) ;; *) echo "error: $namespace is no namespace of a pull request (pr-...)" >&2; exit 1 ;; esac
  # Without --wait: pods of ended runs hold the volume of health files until the namespace goes.
  helm uninstall media-analytics -n "$namespace" --ignore-not-found --timeout 10m
  kubectl delete namespace "$namespace" --ignore-not-found --timeout 10m
  ;;
data-quality)
  mkdir -p .media-analytics/reports
  # Its exit code says whether anything is missing or twice; the report says where.
  kubectl -n "$namespace" exec deploy/media-analytics-dagster-code -- \
    media-analytics completeness --since 24h --json > .media-analytics/reports/data-quality.json
  ;;
*)
  echo "error: expected install, remove or data-quality" >&2
  exit 2
  ;;
esac
