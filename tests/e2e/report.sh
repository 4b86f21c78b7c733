#!/usr/bin/env bash
# souk eval --detail and --report: coverage, novelty, popularity and figures by group against numbers counted by hand; one log under
# two splits; pages of HTML that hold whatever names there are.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
export OMP_NUM_THREADS=1
flat() { tr -d ' \n' <"$1"; }
holds() { flat "$2" | grep -qE -- "$1" || { flat "$2"; return 1; }; } # REGEX JSON
count() { grep -o -- "$1" "$2" | wc -l; }

# Train until the 10th, validation until the 20th. Before the test part a occurs four times, b three times, c twice, d once; so in
# users. cat has no event before the test part and dan none before validation.
dated_log >log.csv
prepare() { # OUT OPTION...
  local out=$1; shift
  "$souk" prepare --log log.csv --user u --fields.item i --fields.time t --time_format iso --out "$out" "$@"
}
quietly prepare time --split time --valid_from 2024-01-10 --test_from 2024-01-20
eval_time() { "$souk" eval --baselines-only --data time --protocols full "$@" 2>eval.err; }

eval_time --bootstrap 0 >plain.txt
eval_time --bootstrap 0 --report page.html >with.txt
check "tables stay as they are without --detail, with a report or not" diff <(grep -v '^time\|^  *baselines' plain.txt) <(grep -v '^time\|^  *baselines' with.txt)
eval_time --bootstrap 0 --detail >detail.txt
# Five questions; by popularity without the history: d e | d | c d e | a b c d e | a c d e: a twice, b once, c three, d five, e four times.
check "coverage, Gini index, self-information, ARP and percentile are those counted by hand" has '^popularity +1\.0000 +1\.0000 +1\.0000 +0\.2667 +1\.43 +1\.5 +39\.33$' detail.txt
check "the figures of the targets are those counted by hand" has '^targets +1\.28 +1\.8 +46\.00$' detail.txt
# Of a b c, of a b c e, of a b, of nothing, of b: means over the four with a history.
check "the figures of histories are those counted by hand" has '^histories +0\.49 +2\.9 +68\.75$' detail.txt
check "cold items are a group of their own" has '^training events of the target$' detail.txt
check "the groups of targets have the numbers counted by hand" bash -c "sed -n '/^training events of the target/,/^HR/p' detail.txt | grep -qE '^ +none \(cold\) +2 +3$' && sed -n '/^training events of the target/,/^HR/p' detail.txt | grep -qE '^targets +3 +1 +1$'"
check "users without a training event are a group of their own" bash -c "sed -n '/^training events of the user/,/^HR/p' detail.txt | grep -qE '^ +none \(new users\) +some$' && sed -n '/^training events of the user/,/^HR/p' detail.txt | grep -qE '^targets +3 +2$' && sed -n '/^training events of the user/,/^HR/p' detail.txt | grep -qE '^users +2 +1$'"
eval_time --bootstrap 50 --detail --json >detail.json
check "json has the lists' figures" holds '"detail":\{"lists":\[\{"name":"popularity","@5":\{"items":5,"coverage":1\.0,"gini":0\.26666' detail.json
check "json has those of targets" holds '"targets":\{"self_information_bits":1\.28' detail.json
check "json counts new users" holds '"new_users":2,' detail.json
check "json has groups with counts and intervals" holds '"target_frequency":\[\{"name":"none\(cold\)","low":0,"high":0,"targets":3,"users":2,"results":\[\{"name":"popularity","hr@10":\{"value":1\.0,"low":1\.0,"high":1\.0\},"ndcg@10":\{"value":0\.[0-9]+,"low":0\.' detail.json
eval_time --bootstrap 0 --json >plain.json
check "json has none of it without --detail" bash -c '! grep -q detail plain.json'
eval_time --bootstrap 0 --detail --targets all --json >all.json
check "in groups each target counts by itself, also with --targets all" bash -c 'tr -d " \n" <all.json | grep -qE "\"user\":\[\{\"name\":\"none\(newusers\)\",\"low\":0,\"high\":0,\"targets\":3,\"users\":2"'
check_error "details need the whole catalogue" "need full" "$souk" eval --baselines-only --data time --protocols uniform --detail
check_error "a report that cannot be written is an error before any work" "no/such" "$souk" eval --baselines-only --data time --report no/such/page.html

# One log under both splits, as docs/evaluation.md has it.
quietly prepare loo --split leave_one_out
check "the same log is evaluated under leave-one-out" "$souk" eval --baselines-only --data loo --bootstrap 20 --report loo.html
check "the same log is evaluated under a split by time" "$souk" eval --baselines-only --data time --bootstrap 20 --report time.html
awk 'BEGIN { srand(4); print "user,item,time"; for (u = 0; u < 120; u++) for (k = 0; k < 6 + u % 5; k++) print "u" u ",i" int(30 * rand()) "," 1704067200 + int(86400 * 60 * rand()) }' >dated.csv
two() { # SPLIT OPTION...: the commands of docs/evaluation.md, for one of the splits
  local split=$1; shift
  "$souk" prepare --log dated.csv --user user --fields.item item --fields.time time --out "dated-$split" --split "$split" "$@" &&
    "$souk" pretrain --data.dir "dated-$split" --out "run-$split" --hidden 16 --layers 1 --steps 6 --batch_tokens 128 --max_positions 12 --eval_every 3 &&
    "$souk" eval "run-$split" --report "dated-$split.html" --bootstrap 20 --negatives 5 >"dated-$split.txt"
}
check "a model is prepared, trained and reported on under leave-one-out" two leave_one_out
check "a model is prepared, trained and reported on under a split by time" two time --valid_from "last 14d" --test_from "last 7d"
check "its questions are several a user" awk '/^data/ { for (i = 1; i < NF; i++) { if ($(i + 1) == "questions") q = $i; if ($(i + 1) == "users") u = $i } } END { exit !(q > u && u > 0) }' dated-time.txt
check "its report has the paired differences of the model by group" test "$(count 'model - best baseline' dated-time.html)" -ge 5
check "the report on leave-one-out says what it cannot tell" has 'trained on what other users did after a user&#39;s target' loo.html
check "the report on a split by time says what it is" has 'nothing that was trained on is later than any question' time.html
check "the report on a split by time states its dates" has '<td>split</td><td>time, validation from 2024-01-10T00:00:00Z, test from 2024-01-20T00:00:00Z</td>' time.html
check "the report on a split by time counts new users, cold items and several targets" bash -c "grep -q 'without an event that was trained on</td><td>2</td>' time.html && grep -q 'cold items, in no train part</td><td>3</td>' time.html && grep -q '<td>questions</td><td>5</td>' time.html && grep -q '<td>of users</td><td>3</td>' time.html"

# A page is whole by itself, and names are text in it.
hostile='<script>alert(1)</script>&"'"'"'<img src=x onerror=y>'
quietly "$souk" prepare --log log.csv --user u --fields.item i --fields.time t --time_format iso --out 'a<b>&c' --split leave_one_out --name "$hostile"
quietly "$souk" pretrain --data.dir 'a<b>&c' --train.out "run'<i>" --hidden 16 --layers 1 --steps 2 --batch_tokens 64 --max_positions 8 --eval_every 0
"$souk" eval "run'<i>" --bootstrap 20 --negatives 3 --report page.html >/dev/null 2>page.err
check_error "a report and lists cannot be one file" "--report" "$souk" eval "run'<i>" --report one --lists one
check "a report of a model is written" test -s page.html
check "names do not become markup" bash -c "! grep -qE '<script|<img|<i>|<b>' page.html"
check "names can be read in a page" bash -c "grep -qF '&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;&lt;img src=x onerror=y&gt;' page.html && grep -qF 'run&#39;&lt;i&gt;' page.html"
check "a page loads nothing and runs nothing" bash -c "grep -q \"default-src 'none'; style-src 'unsafe-inline'\" page.html && ! grep -qiE '(src|href)=|@import|url\(|javascript:' <(sed 's/onerror=y//; s/img src=x//g' page.html)"
check "a page is readable on light and dark screens" has 'prefers-color-scheme:dark' page.html
check "a page has the command that made it, quoted for a shell" bash -c "grep -qF \"souk eval &#39;run&#39;\\\\&#39;&#39;&lt;i&gt;&#39; --bootstrap 20 --negatives 3 --report page.html\" page.html"
check "a page has the checkpoint's configuration" has 'hidden: 16' page.html
check "tags that are opened are closed" awk '{ while (match($0, /<\/?(table|tr|td|svg|text|div|pre|p|h[1-3]|details|summary|small|body|html|head|title|style)[ >]/)) { t = substr($0, RSTART + 1, RLENGTH - 2); $0 = substr($0, RSTART + RLENGTH); if (t ~ /^\//) n[substr(t, 2)]--; else n[t]++ } } END { for (t in n) if (n[t] != 0) { print t, n[t]; bad = 1 } exit bad }' page.html
check "intervals are drawn in each chart of figures" test "$(count '<circle class="m"' page.html)" -ge 20
check "every protocol has its table" test "$(count '<h2>\(full\|uniform\|popularity\)</h2>' page.html)" = 3
finish
