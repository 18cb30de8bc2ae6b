# Sourced by the scripts that test: steps with a name and their time, and a table of them at the end.
step_names=()
step_seconds=()

# step NAME COMMAND…: runs it; the script ends where it fails, and says which step that was.
step() {
  local name=$1 start=$SECONDS code=0
  shift
  echo "== $name"
  # Not a condition: in one, the steps of a function would go on after a failure.
  set +e
  (set -e; "$@")
  code=$?
  set -e
  step_names+=("$name")
  step_seconds+=($((SECONDS - start)))
  if [ $code -ne 0 ]; then
    echo "Failed: $name, after $((SECONDS - start)) s" >&2
    exit $code
  fi
}

# show_steps: how long each took.
show_steps() {
  local index
  echo "== times"
  for index in "${!step_names[@]}"; do printf '%6d s  %s\n' "${step_seconds[index]}" "${step_names[index]}"; done
  printf '%6d s  all\n' "$SECONDS"
}
