#!/usr/bin/env bash
# Times, prices and catalogues: what is doubtful in them is said, with the line and the way out.
. "$(dirname "$0")/lib.sh"
log() { printf "$@" >"$work/log.csv"; }
run() { "$souk" prepare --log "$work/log.csv" --user u --fields.item i --out "$work/d" --force "$@"; }
timed() { run --fields.time t "$@"; }
# said NAME TEXT COMMAND...: the command succeeds and says TEXT on stderr.
said() {
  local name=$1 text=$2 rc; shift 2
  "$@" >"$work/.out" 2>"$work/.err"; rc=$?
  if [ $rc = 0 ] && grep -qF -- "$text" "$work/.err"; then ok "$name"; return; fi
  not_ok "$name (wanted: $text)"; show_failed $rc "$@"; show_ends "$work/.err"
}
silent() { "$@" >"$work/said" 2>"$work/.err" && ! grep -q warning "$work/.err"; }
reported() { grep -qF -- "$1" "$work/d/report.json"; }

# ---- times ----
log 'u,i,t\nu,c,1650000000900\nu,a,1650000000100\nu,b,1650000000500\n'
said "milliseconds that are read as seconds are told, with the format that fits" \
  '3 of 3 times in "t" lie after 2100: "1650000000900" on line 2 is read as 54256-06-02 05:35:00 UTC; --time_format milliseconds would give 2022-04-15 05:20:00.9 UTC' timed
check "the report holds the warning as well" reported '--time_format milliseconds would give'
check "milliseconds that are read as such cause no warning of units" bash -c '! "$0" prepare --log "$1/log.csv" --user u --fields.item i --fields.time t --time_format milliseconds --out "$1/d" --force 2>&1 | grep -q "lie"' "$souk" "$work"
log 'u,i,t\nu,c,1650000000\nu,a,1650000100\nu,b,1650000200\n'
said "seconds that are read as milliseconds are told, with the format that fits" \
  'lie before 1990: "1650000000" on line 2 is read as 1970-01-20 02:20:00 UTC; --time_format seconds would give 2022-04-15 05:20:00 UTC' timed --time_format milliseconds
log 'u,i,t\nu,a,20210304\nu,b,20210305\n'
said "dates without separators that are read as seconds are told" '--time_format iso would give 2021-03-04 00:00:00 UTC' timed
{ echo u,i,t; for k in $(seq 40); do echo "u,i$k,$((1650000000 + 60 * k))"; done; } >"$work/log.csv"
check "plausible times cause no warning" silent timed
check "a report without doubts has no list of warnings" bash -c '! grep -q warnings "$0"' "$work/d/report.json"
check "the report says from when to when, how many days, and the precision" reported '"from": "2022-04-15 05:21:00 UTC"'
check "the summary says from when to when" grep -qF 'times           from 2022-04-15 05:21:00 UTC to 2022-04-15 06:00:00 UTC, 39 min 00 s, in seconds' "$work/said"
echo "u,x,1650003000000" >>"$work/log.csv"
said "a column of mixed units is told with its first line" \
  '1 of 41 times in "t" lie after 2100: "1650003000000" on line 42 is read as 54256-07-06 22:40:00 UTC; --time_format milliseconds would give 2022-04-15 06:10:00 UTC (the column mixes units or forms)' timed
sed -i '$d' "$work/log.csv"; echo "u,x,0" >>"$work/log.csv"
said "a time of zero among others is told" '1 of 41 times in "t" lie before 1990: "0" on line 42 is read as 1970-01-01 00:00:00 UTC' timed
sed -i '$d' "$work/log.csv"; echo "u,x,1000000000" >>"$work/log.csv"
said "a time many years from all others is told" '1 of 41 times in "t" lie more than 5 years from all others: "1000000000" on line 42 is read as 2001-09-09 01:46:40 UTC' timed
log 'u,i,t\nu,a,%s\nu,b,%s\n' $(($(date +%s) + 3 * 31557600)) $(($(date +%s) + 3 * 31557600 + 5))
said "times after next year are told" 'lie after next year' timed
check "what depends on the clock is not in the report" bash -c '! grep -q "next year" "$0"' "$work/d/report.json"
log 'u,i,t\nu,a,1650000000\nu,b,1650000000\nv,a,1650000007\n'
said "users whose events all have one time are told" 'all events of each user have the same time' timed
{ echo u,i,t; for k in $(seq 11); do echo "u$k,a,$((1450000000 + k))"; echo "u$k,b,$((1650000000 + k))"; done; } >"$work/log.csv"
said "gaps of years are told" 'of two years or more: is it the time of the event' timed
{ echo u,i,t; for k in $(seq 11); do echo "u,i$k,$((1650000000 + 86400 * k))"; done; } >"$work/log.csv"
said "a log whose every event is a session of its own is told, with the option" 'no two events of a user are within 1800 s of each other, so each is a session of its own; --session_gap 0' timed
check "gaps cut no session where another column names them" bash -c '! "$0" prepare --log "$1/log.csv" --user u --fields.item i --fields.time t --session i --out "$1/d" --force 2>&1 | grep -q "session of its own"' "$souk" "$work"
log 'u,i,t\nu,a,2021-03-04 08:00:00 UTC\nu,b,2021-03-04T08:00:00.5+08:00\n'
check "dates of REES46 and of ISO 8601 are read" timed --time_format iso
check "a zone of a date is taken off" reported '"from": "2021-03-04 00:00:00.5 UTC"'
log 'u,i,t\nu,a,2021-03-04 08:00:00\nu,b,2021-03-04 09:00:00\n'
check "dates without a zone can be local time" timed --time_format iso --time_zone +08:00
check "local time is turned into UTC" reported '"from": "2021-03-04 00:00:00 UTC"'
check_error "a zone that is none is refused" 'it must be UTC, or an offset such as +08:00' timed --time_format iso --time_zone PST
log 'u,i,t\nu,a,03/04/2021\nu,b,05/04/2021\n'
check_error "the order of day and month is not guessed" 'the day may be first or the month: input.time_format day_first or month_first says which' timed --time_format iso
check "the order of day and month can be said" timed --time_format day_first
check "the day comes first where the format says so" reported '"from": "2021-04-03 00:00:00 UTC"'
log 'u,i,t\nu,a,2024-03-01T24:30:00\nu,b,2024-03-01 00:00:00+99:99\n'
check_error "a time beyond the end of its day is refused with the reason" '24:00:00 is the end of a day' timed --time_format iso
check "the report without a time column says that the file gives the order" bash -c '"$0" prepare --log "$1/log.csv" --user u --fields.item i --out "$1/d" --force | grep -F "times           none (fields.time is not set): events are in the order of the file"' "$souk" "$work"
check "without a time column the times in the report are null" reported '"times": null'

mkdir -p "$work/a" "$work/b/c"
printf 'u;i;t\nu;a;5\nv;b;7\n' | tee "$work/a/log.csv" >"$work/b/c/log.csv"
for folder in a b/c; do "$souk" prepare --log "$work/$folder/log.csv" --user u --fields.item i --fields.time t --out "$work/$folder/d" >"$work/.out" 2>&1; done
check "the report with its warnings is the same wherever the log lies" cmp "$work/a/d/report.json" "$work/b/c/d/report.json"
check "that report has warnings of the file and of its times" bash -c 'grep -q "log.csv: .*separator" "$0" && grep -q "lie before 1990" "$0"' "$work/a/d/report.json"

# ---- prices ----
log 'u,i,p\nu,a,$4.50\nu,b,cheap\nu,c,3.00 - 9.99\n'
check "an event whose price cannot be read stays" bash -c '"$0" prepare --log "$1/log.csv" --user u --fields.item i --fields.price p --out "$1/d" --force >"$1/said"' "$souk" "$work"
check "a price that cannot be read is counted with its line" bash -c 'grep -A1 -F "price: text that is not an amount of money: 1 values" "$0" | grep -qF "line 3: cheap"' "$work/said"
check "a price that is a range is counted as guessed" bash -c 'grep -A1 -F "price: a range, of which the lower end counts: 1 values" "$0" | grep -qF "line 4: 3.00 - 9.99"' "$work/said"
check "all three events are in the data set" reported '"events": 3'

log 'u,i,p
u,a,$4.50
u,b,€4.50
u,c,$1
'
said "prices in several currencies are told" 'fields.price: prices in several currencies are compared as they are: $ of 2 (the first on line 2), € of 1 (the first on line 3)' run --fields.price p
log 'u,i,e
u,a,view
u,b,cart
u,c,\033[31mbuy
'
said "an event type that was asked for and that no row has is told" 'input.events: no row that is used has the type "veiw"; 2 rows have other types' run --event e --events veiw,cart
check "event types are printed without control characters" bash -c '"$0" prepare --log "$1/log.csv" --user u --fields.item i --event e --out "$1/d" --force | grep -qF "\x1b[31mbuy"' "$souk" "$work"
log 'u,i,t
u,a,\033[2J
u,b,1650000000
u,c,1650000001
'
check "rejected rows are printed without control characters" bash -c '"$0" prepare --log "$1/log.csv" --user u --fields.item i --fields.time t --max_rejects 1 --out "$1/d" --force | grep -qF "line 2: u,a,\x1b[2J"' "$souk" "$work"
check "souk inspect shows the first of the rejected rows" bash -c '"$0" inspect "$1/d" | grep -qF "1  line 2, text \"u,a,\x1b[2J\""' "$souk" "$work"
check_error "an error that quotes a row holds no control characters" 'first on line 2: u,a,\x1b[2J)' timed
log 'u,i,\033[2J
u,a,5
'
check_error "a header is quoted without control characters" '\x1b[2J' timed

# ---- catalogues ----
catalogue() { printf "$@" >"$work/cat"; }
described() { run --catalogue "$work/cat" --catalogue.item id "$@"; }
jsonl() { described --catalogue_format jsonl "$@"; }
wrote() { grep -qxF -- "$1" "$work/d/catalogue.jsonl" || { cat "$work/d/catalogue.jsonl"; false; }; }
log 'u,i\nu,i1\nu,i2\nu,i3\nu,i4\n'
catalogue '{"id":"i1","price":19.99,"t":"A"}\n{"id":"i2","price":"$3.00 - $9.99","t":"B"}\n{"id":"i3","price":"N/A","t":"C"}\n{"id":"i4","price":null,"t":"D"}\n'
check "a catalogue with prices of all kinds is read" bash -c '"$0" prepare --log "$1/log.csv" --user u --fields.item i --catalogue "$1/cat" --catalogue_format jsonl --catalogue.item id --catalogue.price price --title t --out "$1/d" --force >"$1/said"' "$souk" "$work"
check "a number of the catalogue keeps its text" wrote '{"item":"i1","title":"A","price":"19.99"}'
check "a range of prices keeps its text" wrote '{"item":"i2","title":"B","price":"$3.00 - $9.99"}'
check "an entry whose price is none stays with its title" wrote '{"item":"i3","title":"C"}'
check "an entry whose price is json's null stays with its title" wrote '{"item":"i4","title":"D"}'
check "a price of N/A is counted with its line" bash -c 'grep -A1 -F "price: N/A, null or another word for none: 1 values" "$0" | grep -qF "line 3: N/A"' "$work/said"
check "the summary says how many items have a price" grep -qF "  price: of 2 items" "$work/said"
check "the report says how many items have a title" bash -c 'grep -A2 catalogue_known "$0" | grep -qF "\"title\": 4"' "$work/d/report.json"
catalogue '{"id":"i1","c":"%s"}\n{"id":"i2","c":"short"}\n' "$(head -c 1025 /dev/zero | tr '\0' x)"
check "an entry whose category is too long stays" bash -c '"$0" prepare --log "$1/log.csv" --user u --fields.item i --catalogue "$1/cat" --catalogue_format jsonl --catalogue.item id --category c --out "$1/d" --force >"$1/said"' "$souk" "$work"
check "a category that is too long is counted with its line" bash -c 'grep -A1 -F "a category of more than 1024 bytes: 1 values" "$0" | grep -qF "line 1: xxx"' "$work/said"
check "a category that is too long is not written" wrote '{"item":"i1"}'
catalogue '{"id":"i1","t":{"en":"A"}}\n{"id":"i2","t":"B"}\n'
said "an object where a text is expected is told" 'rows with an object for "t", which is no value (name what is in it: t.KEY)' jsonl --title t
catalogue 'id,t\n'
said "a catalogue without rows is told" 'catalogue: it has no rows' described --title t
catalogue 'id,t\nx1,A\nx2,B\n'
said "a foreign catalogue is told with ids of both sides" \
  'catalogue: none of its items are in the log: ids there are like "x1", in the log like "i1"' described --title t
catalogue 'id,t\ni1,A\n'
said "a catalogue of which only the ids are read is told" 'nothing but the items'"' names is read of it" described
catalogue '{"id":"i1","t":"A"}\n'
said "a column of the catalogue that holds nothing is told" 'no item of the log has a value in "titel" (catalogue.title)' jsonl --title titel
catalogue 'id,t\ni1,A\ni1,B\ni2,C\n'
check "the first of two entries counts, and the other is counted" bash -c '"$0" prepare --log "$1/log.csv" --user u --fields.item i --catalogue "$1/cat" --catalogue.item id --title t --out "$1/d" --force | grep -F "1 rows of items that were described before: the first counts"' "$souk" "$work"
check "the first entry is the one that is written" wrote '{"item":"i1","title":"A"}'

# matches LOG_ID CATALOGUE_ID RULE: told with the rule, not applied without it, and applied with it.
matches() {
  log 'u,i\nu,%s\nu,other\n' "$1"; printf 'id,t\n%s,A\n' "$2" >"$work/cat"
  said "ids that differ as \"$2\" and \"$1\" do are told" "item \"$4\" there and \"$1\" in the log are not the same" described --title t
  check "ids that differ as \"$2\" and \"$1\" do are told with the option" grep -qF "1 of 1 ids that match no item would match (--catalogue.match $3)" "$work/.err"
  check "ids that differ as \"$2\" and \"$1\" do do not match by themselves" test ! -s "$work/d/catalogue.jsonl"
  quietly described --title t --match "$3"
  check "ids that differ as \"$2\" and \"$1\" do match by $3" wrote "{\"item\":\"$1\",\"title\":\"A\"}"
}
matches 200100015 0200100015 zeros 0200100015
matches 101 101.0 number 101.0
matches abc ABC case ABC
matches i9 '" i9 "' spaces ' i9 '
matches 77 item_77 digits item_77
log 'timestamp,visitorid,event,itemid,transactionid\n1433221332117,1,view,355908,\n1433224214164,1,view,248676,\n1433221999827,2,view,318965,\n'
cat >"$work/cat" <<'Y2'
timestamp,itemid,property,value
1433041200000,355908,categoryid,1338
1433200000000,355908,categoryid,1400
1433100000000,355908,categoryid,1339
1439694000000,355908,categoryid,9999
1433041200000,355908,888,1116713 960601 n277.200
1433041200000,355908,790,n12.500
1433041200000,999999,categoryid,1
1433041200000,248676,categoryid,1338
soon,248676,categoryid,1338
Y2
properties() {
  "$souk" prepare --log "$work/log.csv" --user visitorid --fields.item itemid --event event --fields.time timestamp \
    --input.time_format milliseconds --catalogue "$work/cat" --catalogue.item itemid --property property --value value \
    --category categoryid --catalogue.price 790 --max_rejects 0.2 --out "$work/d" --force "$@" >"$work/said"
}
check "a catalogue with one property a row is read" properties --snapshot timestamp
check "the latest property before the end of the log counts" wrote '{"item":"355908","category":"1400","price":"12.500"}'
check "a property of an item that is not in the log is left out" bash -c '[ "$(wc -l <"$0")" = 2 ]' "$work/d/catalogue.jsonl"
check "properties that were not asked for are counted" grep -qF "1 rows of properties that were not asked for" "$work/said"
check "properties after the end of the log are counted" grep -qF "1 rows of values after the end of the log" "$work/said"
check "a property whose time cannot be read is rejected with its line" bash -c 'grep -A1 -F "time that cannot be read: not a number: 1 rows" "$0" | grep -qF "line 10: soon,248676"' "$work/said"
head -4 "$work/cat" >"$work/cat1"; { head -1 "$work/cat"; tail -n +5 "$work/cat"; } >"$work/cat2"
check "properties in two files are read" properties --snapshot timestamp --catalogue "$work/cat2, $work/cat1"
check "the latest property counts in whichever file it stands" wrote '{"item":"355908","category":"1400","price":"12.500"}'
check "a row of two files is named with its file" grep -qF "cat2 line 7: soon,248676" "$work/said"
check "without times the last property of a name counts" properties
check "the last row is what is written without times" wrote '{"item":"355908","category":"9999","price":"12.500"}'
check_error "a property's name needs the column of its value" 'catalogue.property needs catalogue.value' properties --value ''
log 'u,i,e\nu,a,\nu,b,\n'
said "a column of the log that holds nothing is told" 'fields.event: no row that is used has a value in "e"' run --event e
finish
