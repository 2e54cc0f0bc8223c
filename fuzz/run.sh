#!/usr/bin/env bash
# Fuzzes: fuzz/run.sh [SECONDS] [TARGET...], by default each target for a minute. JOBS=2 runs two at a time;
# SANITIZER=address asks what the C libraries do (needs a nightly toolchain). Needs cargo-fuzz and a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(basename -s .rs fuzz_targets/*.rs)
fi
sanitizer=${SANITIZER:-none}
logs=${LOGS:-logs}
toolchain=()
[ "$sanitizer" = none ] || toolchain=(+nightly)
mkdir -p "$logs"

# The longest input: whole captures take more to say something than a message does.
longest() {
  case $1 in
    analyze | container) echo 16384 ;;
    ip | tcp | tls | script | websocket) echo 8192 ;;
    filter) echo 512 ;;
    *) echo 4096 ;;
  esac
}

fuzz() {
  local target=$1 dictionary=()
  mkdir -p "corpus/$target" "seeds/$target"
  [ ! -e "$target.dict" ] || dictionary=("-dict=$target.dict")
  cargo "${toolchain[@]}" fuzz run -s "$sanitizer" "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="$seconds" -max_len="$(longest "$target")" -timeout=5 -rss_limit_mb=1024 \
    -print_final_stats=1 "${dictionary[@]}" >"$logs/$target.log" 2>&1 || true
  # Coverage and features in the beginning and at the end, inputs run, and how it ended.
  printf '%s: %s -> %s; %s; %s\n' "$target" \
    "$(grep -m1 -o 'INITED .*corp' "$logs/$target.log" | tr -s ' ' | cut -d' ' -f2-5)" \
    "$(grep -o 'cov: [0-9]* ft: [0-9]*' "$logs/$target.log" | tail -1)" \
    "$(grep -o 'number_of_executed_units: [0-9]*' "$logs/$target.log" | tail -1)" \
    "$(grep -m1 -E 'SUMMARY|panicked at|ALARM|out-of-memory' "$logs/$target.log" || echo 'nothing found')"
}

# One by one: the other programs of the package cannot be linked with what libFuzzer asks for.
for target in "${targets[@]}"; do
  cargo "${toolchain[@]}" fuzz build -s "$sanitizer" "$target"
done
for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-1}" ]; do wait -n; done
  fuzz "$target" &
done
wait
