#!/bin/sh
#SBATCH --job-name=cowmodel
#SBATCH --ntasks=4
#SBATCH --time=01:00:00
#
# A sweep in one job: a scheduler, a worker a task, and the sweep beside them.
#
#     sbatch --ntasks=64 configs/cluster/slurm.sh fork-latency
#
# All that follows the script is for `cowmodel sweep`; `cowmodel` and `dask` must be on the PATH, and this folder
# one that all nodes share. A job that ends before the sweep does is sent again: the sweep goes on.
#
# Without certificates in ./tls (docs/howto/cluster.md says how to make them) whoever reaches the scheduler's port runs code
# as you: several nodes want them, one node does without, on the loopback interface.
set -eu

scratch=$(mktemp -d "$PWD/.cluster-XXXXXX")
file=$scratch/scheduler.json
dask="--scheduler-file $file --no-dashboard"
tls=
if [ -d tls ]; then
    dask="$dask --protocol tls --tls-ca-file tls/ca.pem --tls-cert tls/cert.pem --tls-key tls/key.pem"
    tls="--tls tls"
elif [ "${SLURM_JOB_NUM_NODES:-1}" -gt 1 ]; then
    echo "slurm.sh: expected certificates in $PWD/tls for more than one node; see docs/howto/cluster.md" >&2
    exit 2
else
    dask="$dask --host 127.0.0.1"
fi

end() {
    # workers first, or they would look for their scheduler; a killed srun would wait for half a minute
    [ -z "$workers" ] || { scancel --signal=TERM "$SLURM_JOB_ID.0" && wait "$workers"; } || true
    [ -z "$scheduler" ] || { kill "$scheduler" && wait "$scheduler"; } 2>/dev/null || true
    rm -rf "$scratch"
}
scheduler='' workers=''
trap end EXIT
trap 'exit 143' TERM INT

# shellcheck disable=SC2086  # they are lists of words
dask scheduler --port 0 $dask 2>"$scratch/scheduler.log" &
scheduler=$!
# shellcheck disable=SC2086
srun --output="$scratch/workers.log" dask worker --nthreads 1 --preload cowmodel.campaign.warm \
    --local-directory "${TMPDIR:-/tmp}" $dask &
workers=$!
until [ -s "$file" ]; do
    kill -0 $scheduler || { cat "$scratch/scheduler.log" >&2; exit 1; }
    sleep 0.2
done
# shellcheck disable=SC2086
cowmodel sweep --scheduler-file "$file" $tls "$@"
