#!/bin/bash
# entrypoint.sh SERVER …: starts a server of Alluxio as the entrypoint of its image does, from what Fluid's chart
# puts into the environment.
set -e
home=/opt/alluxio

# Fluid's values name other variables, so that a shell has to read them.
for name in ${!ALLUXIO_@}; do
  case $name in
    ALLUXIO_*JAVA_OPTS) echo "export $name=\"${!name}\"" >>$home/conf/alluxio-env.sh ;;
  esac
done

format() {
  [ "$2" = --no-format ] || $home/bin/alluxio "$1"
}

case $1 in
  master-only)
    format formatMaster "$2"
    exec $home/bin/alluxio master
    ;;
  worker-only)
    format formatWorker "$2"
    exec $home/bin/alluxio worker
    ;;
  job-master) exec $home/bin/alluxio job_master ;;
  job-worker) exec $home/bin/alluxio job_worker ;;
  fuse)
    shift
    options=
    case $1 in
      --fuse-opts=*)
        options=${1#*=}
        shift
        ;;
    esac
    point=${1:-${MOUNT_POINT:-/mnt/alluxio-fuse}}
    mkdir -p "$point" || true
    # A process that was killed leaves its mount.
    umount "$point" 2>/dev/null || true
    exec $home/bin/alluxio fuse "$options" "$point" "${2:-/}"
    ;;
  *)
    echo "entrypoint.sh: no server $1" >&2
    exit 1
    ;;
esac
