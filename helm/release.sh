#!/bin/sh
# What workflows do with an installation: `release.sh install`, `remove` or `data-quality`. Needs helm and kubectl. And
# `release.sh secrets`, which prints random values for the Secret of a new one and needs neither.
# From the environment: ENVIRONMENT, NAMESPACE (default analytics), TAG, SITE_VALUES (text of the installation's own
# values), KUBECONFIG_TEXT (else kubectl's own configuration). A namespace pr-... is that of a pull request: it is made with
# secrets of its own, and with stores of its own (helm/pr-environment.yaml). Any other one is there before, with its Secrets.
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
fail() {
  echo "error: $1" >&2
  exit 1
}

random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }

# Each secret that an installation must have, as a line NAME=value: random ones, in the shape that its setting asks for.
random_secrets() {
  for name in $(sed -n 's/^  \(MEDIA_ANALYTICS_[A-Z_]*\): true$/\1/p' helm/media-analytics/files/platform.yaml); do
    case "$name" in
    *_COLLECTOR__KEYS) value="[{\"key\": \"$(random)\", \"kind\": \"server\"}]" ;;
    *_VISITOR_KEYS) value="[{\"valid_from\": \"2000-01-01\", \"key\": \"$(random)\"}]" ;;
    *_SLACK_WEBHOOK) value=https://slack.invalid ;;
    *) value=$(random) ;;
    esac
    printf '%s=%s\n' "$name" "$value"
  done
}

# Makes the Secret $1 of the lines that come in. One that is there stays: the stores know its passwords.
make_secret() {
  cat > "$private/$1"
  [ -n "$(kubectl -n "$namespace" get secret "$1" --ignore-not-found -o name)" ] ||
    kubectl -n "$namespace" create secret generic "$1" --from-env-file="$private/$1"
}

case "${1:-}" in
install)
  : "${ENVIRONMENT:?set ENVIRONMENT to dev, qa, uat or prod}" "${TAG:?set TAG to the tag of the images}"
  printf '%s\n' "${SITE_VALUES:?set SITE_VALUES to the values of this installation (docs/deployment.md)}" > "$private/site.yaml"
  set -- -f "helm/media-analytics/values-$ENVIRONMENT.yaml" -f "$private/site.yaml" --set-string "images.tag=$TAG"
  case "$namespace" in
  pr-*)
    [ "$ENVIRONMENT" = dev ] || fail "$namespace is the namespace of a pull request: set ENVIRONMENT to dev"
    set -- "$@" -f helm/pr-environment.yaml
    # What is wrong with the values is said before anything is made.
    helm template media-analytics helm/media-analytics -n "$namespace" "$@" > "$private/rendered.yaml"
    [ -n "$(kubectl get namespace "$namespace" --ignore-not-found -o name)" ] || kubectl create namespace "$namespace"
    kubectl label namespace "$namespace" --overwrite pod-security.kubernetes.io/enforce=restricted
    random_secrets | make_secret platform-secrets
    printf 'AWS_ACCESS_KEY_ID=pull-request\nAWS_SECRET_ACCESS_KEY=%s\n' "$(random)" | make_secret object-store
    ;;
  *)
    enforced=$(kubectl get namespace "$namespace" --ignore-not-found -o 'jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}')
    [ "$enforced" = restricted ] || fail "the namespace $namespace is not there, or does not refuse unsafe pods; nothing was changed. Once, by an administrator: \
kubectl create namespace $namespace; kubectl label namespace $namespace pod-security.kubernetes.io/enforce=restricted; then its Secrets (docs/deployment.md)"
    ;;
  esac
  # The chart refuses when a Secret, or a key of one, is missing.
  helm upgrade --install media-analytics helm/media-analytics -n "$namespace" --timeout 30m "$@"
  # The streams become ready when the contracts are applied.
  kubectl -n "$namespace" rollout status deployment,statefulset -l app.kubernetes.io/instance=media-analytics --timeout 30m
  ;;
remove)
  # Never the namespace of an environment: `remove` is for installations of pull requests.
  case "$namespace" in pr-*) ;; *) fail "$namespace is no namespace of a pull request (pr-...)" ;; esac
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
secrets)
  random_secrets
  ;;
*)
  echo "error: expected install, remove, data-quality or secrets" >&2
  exit 2
  ;;
esac
