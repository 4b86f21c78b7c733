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
log 'u,i,t\nu,a,1450000000\nu,b,1650000000\n'
said "gaps of years are told" 'of two years or more: is it the time of the event' timed
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

# ---- prices ----
log 'u,i,p\nu,a,$4.50\nu,b,cheap\nu,c,3.00 - 9.99\n'
check "an event whose price cannot be read stays" bash -c '"$0" prepare --log "$1/log.csv" --user u --fields.item i --fields.price p --out "$1/d" --force >"$1/said"' "$souk" "$work"
check "a price that cannot be read is counted with its line" bash -c 'grep -A1 -F "price: text that is not an amount of money: 1 values" "$0" | grep -qF "line 3: cheap"' "$work/said"
check "a price that is a range is counted as guessed" bash -c 'grep -A1 -F "price: a range, of which the lower end counts: 1 values" "$0" | grep -qF "line 4: 3.00 - 9.99"' "$work/said"
check "all three events are in the data set" reported '"events": 3'
finish
