#!/usr/bin/env bash
# Makes the Secrets that the manifests refer to, with random passwords: deploy/make-secrets.sh [NAMESPACE]
#
# The object store's keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; without them random ones are made, which is right
# for the store that overlays/local-cpu brings along. A Secret that exists stays as it is. Nothing is printed or written to a file,
# and no password is on a command line, where other users of this machine could read it.
set -euo pipefail

namespace=${1:-bansweep}

random() { openssl rand -hex 24; }

secret() {
  local name=$1
  if kubectl get secret "$name" --namespace "$namespace" >/dev/null 2>&1; then
    cat >/dev/null
    echo "secret/$name exists"
  else
    kubectl create secret generic "$name" --namespace "$namespace" --from-env-file=/dev/stdin
  fi
}

printf 'password=%s\n' "$(random)" | secret bansweep-postgres
printf 'username=bansweep\npassword=%s\nsession-key=%s\n' "$(random)" "$(random)" | secret bansweep-mlflow
printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' \
  "${AWS_ACCESS_KEY_ID:-$(random)}" "${AWS_SECRET_ACCESS_KEY:-$(random)}" | secret bansweep-s3
