#!/usr/bin/env bash
# The forms of further public logs, a few rows of each by hand: what comes out of them, in order.
. "$(dirname "$0")/lib.sh"
# prepare NAME ARGS...: a data set at $work/NAME, what it says in $work/NAME.err.
prepare() { local name=$1; shift; "$souk" prepare --out "$work/$name" --force --split none "$@" >"$work/$name.report" 2>"$work/$name.err"; }
says() { grep -qF -- "$2" "$work/$1.err"; }
quiet() { [ ! -s "$work/$1.err" ] || { cat "$work/$1.err"; false; }; }
reports() { grep -qF -- "$2" "$work/$1.report"; }
counts() { grep -q "\"$2\": $3\b" "$work/$1/report.json"; }
# history NAME USER: the user's items in order, as inspect shows them.
history() { "$souk" inspect --rows 20 "$work/$1" | awk -v user="$2" '/^sequences_shown/ {on = 1} on && $1 == user {$1 = $2 = $3 = $4 = ""; sub(/^ +/, ""); print}'; }
has() { [ "$(history "$1" "$2")" = "$3" ] || { echo "the history of $2 is: $(history "$1" "$2")"; false; }; }
span() { grep -qE "^times +from $2 to $3," "$work/$1.report" || { grep '^times' "$work/$1.report"; false; }; }

# Book-Crossing (CSV.jl 357): latin-1, and quotes behind backslashes.
printf '"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n"276726";"0155061224";"5"\n"276725";"0446520802";"0"\n' >"$work/bx.csv"
printf '"ISBN";"Book-Title";"Book-Author"\n"034545104X";"Tres Mosqueteros, Los: Adaptaci\xf3\\"n";"D. \\"A\\""\n"0446520802";"The Notebook";"N. Sparks"\n' >"$work/books.csv"
check "Book-Crossing is read in latin-1 with its semicolons" prepare bx --log "$work/bx.csv" --user User-ID --fields.item ISBN --encoding latin-1 --catalogue "$work/books.csv" --catalogue.item ISBN --catalogue.title Book-Title
check "a title of Book-Crossing keeps the quote behind its backslash" grep -qF '"title":"Tres Mosqueteros, Los: Adaptació\"n"' "$work/bx/catalogue.jsonl"
check "the books of a user of Book-Crossing are those of the file" has bx 276725 "034545104X 0446520802"

# KuaiRand (NVIDIA/recsys-examples 140): files that are not in the order of time.
printf 'user_id,video_id,time_ms\n1,c,1649347000003\n2,y,1649347000009\n' >"$work/kuai_2.csv"
printf 'user_id,video_id,time_ms\n2,x,1649347000001\n1,b,1649347000002\n1,a,1649347000001\n' >"$work/kuai_1.csv"
check "files whose times go backwards are read together" prepare kuai --log "$work/kuai_2.csv,$work/kuai_1.csv" --fields.item video_id --fields.time time_ms --time_format milliseconds
check "events of all files of a user come in the order of time" has kuai 1 "a b c"
check "the second user's events of two files come in the order of time" has kuai 2 "x y"

# RecBole 2204 and 1653: as 32-bit floats these three times are one.
for order in 1,3,2 2,1,3 3,2,1; do
  { printf 'user_id:token\titem_id:token\ttimestamp:float\n'; for row in ${order//,/ }; do printf '1\titem%d\t88125094%d\n' "$row" $((row + 7)); done; } >"$work/ten.inter"
  check "times of ten digits keep their order, rows $order" prepare "ten$order" --log "$work/ten.inter" --format tsv --fields.time timestamp
  check "the items of ten-digit times are in order, rows $order" has "ten$order" 1 "item1 item2 item3"
done

# LRURec 1: events of one second stay in the order of the file, whatever their items are called.
printf 'user_id,item_id,t\n1,z,100\n1,y,100\n1,x,100\n1,a,99\n2,b,5\n2,a,6\n2,c,7\n' >"$work/ties.csv"
check "a log with several events a second is read" prepare ties --log "$work/ties.csv" --fields.time t --split leave_one_out
check "events of one second keep the order of the file" has ties 1 "a z y x"
check "users whose targets are tied in time are counted" reports ties "tied targets    1 at the same time as the event before"

# Tianchi's mobile log: the date and the hour.
printf 'user_id,item_id,behavior_type,user_geohash,item_category,time\n98047837,232431562,1,,4245,2014-12-06 02\n98047837,383583590,1,,5894,2014-12-05 23\n98047837,64749712,1,,2883,2014-12-18 11\n' >"$work/tianchi.csv"
check "times of a date and an hour are read" prepare tianchi --log "$work/tianchi.csv" --fields.time time --event behavior_type --time_format iso
check "times of a date and an hour order the events" has tianchi 98047837 "383583590(1) 232431562(1) 64749712(1)"
check "the hour of a date and an hour counts" span tianchi "2014-12-05 23:00:00 UTC" "2014-12-18 11:00:00 UTC"

# Foursquare TSMC2014, Goodreads, Gowalla.
printf '470\t49bbd6c0f964a520f4531fe3\tArts\t40.71\t-74.00\t-240\tTue Apr 03 18:00:09 +0000 2012\n470\t4a43c0aef964a520c6a61fe3\tBridge\t40.60\t-74.04\t-240\tTue Apr 03 18:00:08 +0000 2012\n' >"$work/tsmc.txt"
check "the times of Foursquare TSMC2014 are read" prepare tsmc --log "$work/tsmc.txt" --format tsv --header false --user 1 --fields.item 2 --fields.time 7 --time_format iso
check "the times of Foursquare TSMC2014 order the events" has tsmc 470 "4a43c0aef964a520c6a61fe3 49bbd6c0f964a520f4531fe3"
printf '{"user_id":"u","book_id":"1","date_added":"Fri Aug 25 13:55:02 -0700 2017"}\n{"user_id":"u","book_id":"2","date_added":"Fri Aug 25 20:55:01 +0000 2017"}\n' >"$work/goodreads.json"
check "the times of Goodreads are read" prepare goodreads --log "$work/goodreads.json" --format jsonl --fields.item book_id --fields.time date_added --time_format iso
check "the zone of Goodreads' times counts" has goodreads u "2 1"
printf '0\t2010-10-19T23:55:27Z\t30.23\t-97.79\t22847\n0\t2010-10-18T22:17:43Z\t30.26\t-97.76\t420315\n' >"$work/gowalla.txt"
check "the check-ins of Gowalla are read" prepare gowalla --log "$work/gowalla.txt" --format tsv --header false --user 1 --fields.item 5 --fields.time 2 --time_format iso
check "the check-ins of Gowalla come in the order of time" has gowalla 0 "420315 22847"

# Last.fm-1K: a quote that stands alone in a title is text in tsv.
printf 'user_000001\t2009-05-04T23:08:57Z\tm1\tDeep Dish\t\t"Smells Like\nuser_000001\t2009-05-04T13:54:10Z\tm2\tRadiohead\tx\tCreep\n' >"$work/lastfm.tsv"
check "a lone quote in a title of Last.fm-1K hides no row" prepare lastfm --log "$work/lastfm.tsv" --format tsv --header false --user 1 --fields.item 6 --fields.time 2 --time_format iso
check "no row of Last.fm-1K is rejected" counts lastfm rejected 0
check "a title of Last.fm-1K keeps its lone quote" has lastfm user_000001 'Creep "Smells Like'

finish
