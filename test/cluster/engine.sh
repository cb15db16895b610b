#!/bin/sh
# What the engines in Fluid's pods answer to Fluid: enough of it that Fluid goes on. Nothing is read or written, and
# only what the shell itself knows is used.
case "${0##*/} $*" in
  *"juicefs status"*) echo '    "UUID": "11111111-2222-3333-4444-555555555555",' ;;
  "bash -c ls -lR "*) echo 42 ;;
  "du -sb "*) echo "3221225472 $3" ;;
  "rm "*) ;;
  *) echo "engine.sh does not know: ${0##*/} $*" >&2; exit 1 ;;
esac
