#!/usr/bin/env bash
# Several shops with users in common: one data set of both logs, one encoder, evaluated by shop, and served as it was trained.
. "$(dirname "$0")/run_lib.sh"
awk -v east="$work/east.csv" -v west="$work/west.csv" -v map="$work/map.csv" 'BEGIN {
  srand(8); print "user,item,time" >east; print "user,item,time" >west; print "domain,user,person" >map
  for (u = 0; u < 300; u++) {
    n = 4 + int(rand() * 10); item = int(rand() * 30); shop = rand() < .5; line = ""
    for (i = 0; i < n; i++) {
      # In the west users have other names, of which the map says whose they are.
      if (shop) print "e" u "," item "," 1000 * u + i >east; else print "w" u "," item "," 1000 * u + i >west
      if (i < n - 1) line = line (line == "" ? "" : ", ") "\"" (shop ? "east/" : "west/") item "\""
      item = (item + 3) % 30
      if (rand() < .3) shop = !shop
    }
    print "west,w" u ",e" u >map
    print "{\"user\": \"e" u "\", \"history\": [" line "]}"
  }
}' >"$work/questions.jsonl"
shops() {
  "$souk" prepare --log "$work/east.csv,$work/west.csv" --domains east,west --user_map "$work/map.csv" --user user \
    --fields.item item --time time --out "$work/shops" --force "$@" >"$work/report"
}
check "two shops are prepared as one data set" shops
check "the report tells of domains" grep -qE '^domains +2; [1-9][0-9]* users of more than one; events in [0-9]+ runs; user map 300 rows' "$work/report"
check "all users of the map are one" grep -qE '^users +300$' "$work/report"
check "souk inspect finds the data set sound" "$souk" inspect "$work/shops"
check "the vocabulary has the domains" bash -c "[ \$(grep -cE '^domain=(east|west)' '$work/shops/vocab.tsv') = 2 ]"
check "an item of one number is one of each shop" bash -c "[ \$(grep -cE '^(east|west)/7	' '$work/shops/vocab.tsv') = 2 ]"
check "user vectors of the bundle are those of the trainer" vectors_agree masked "$work/shops" "$work/questions.jsonl" --cls_sep
check "user vectors of a causal bundle are those of the trainer" vectors_agree causal "$work/shops" "$work/questions.jsonl" --objectives next_item
check "a run is trained" train "$work/run" --data.dir "$work/shops" --steps 60 --lr 1e-2 --eval_every 60
detail() { "$souk" eval "$work/run" --device cpu --detail >"$work/eval" && grep -q 'domain of the target' "$work/eval" && sed -n '/domain of the target/,$p' "$work/eval" | grep -qE 'east +west|west +east'; }
check "souk eval --detail tells of each domain" detail
json() { "$souk" eval "$work/run" --device cpu --detail --json >"$work/json" && tr -d ' \n' <"$work/json" | grep -q '"domain":\[{"name":"\(east\|west\)"'; }
check "the json of souk eval tells of each domain" json
plain() { "$souk" eval --baselines-only --data "$data" --detail --json >"$work/json" && ! grep -q '"domain":' "$work/json"; }
check "without domains there is no such table" plain
check_error "a domain a file" 'input.domains names 1 domains, but there are 2 files' shops --domains east
finish
