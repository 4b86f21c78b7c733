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
printf '470\t49bbd6c0f964a520f4531fe3\t4bf58dd8d48988d127951735\tArts & Crafts Store\t40.71\t-74.00\t-240\tTue Apr 03 18:00:09 +0000 2012\n470\t4a43c0aef964a520c6a61fe3\t4bf58dd8d48988d1df941735\tBridge\t40.60\t-74.04\t-240\tTue Apr 03 18:00:08 +0000 2012\n' >"$work/tsmc.txt"
check "the times of Foursquare TSMC2014 are read" prepare tsmc --log "$work/tsmc.txt" --format tsv --header false --user 1 --fields.item 2 --fields.time 8 --time_format iso
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

# MIND: a cell of items, none for new users, and times with spaces.
printf '1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782 N34694\tN55689-1 N35729-0\n2\tU91836\t11/12/2019 6:11:30 PM\tN31739 N42782\tN20678-0\n3\tU73700\t11/14/2019 7:01:48 AM\t\tN50014-0\n' >"$work/behaviors.tsv"
mind() { local name=$1; shift; prepare "$name" --log "$work/behaviors.tsv" --format tsv --header false --user 2 --fields.item 4 --fields.time 3 --time_format month_first --max_rejects 0.5 "$@"; }
check "MIND's lists are read as single items without the option" mind whole
check "a column that looks like lists is warned of, with the option" says whole 'fields.item: 2 of the first 2 items look like lists ("N55189 N42782 N34694"); input.list_separator space makes an event of each value'
check "MIND is read with a separator of lists" mind mind --list_separator ' ' --max_rejects 0
check "each value of a list of MIND is an event, in order" has mind U13740 "N55189 N42782 N34694"
check "a user of MIND without a history is counted" says mind "rows with an empty list, which gave none: 1, the first on line 3"
check "a user of MIND without a history is not rejected" counts mind rejected 0
check "lists that are read are counted" says mind "rows with lists, of which each value became a row: 2, the first on line 1"
check "the events of a list have the time of its row" span mind "2019-11-11 09:05:58 UTC" "2019-11-12 18:11:30 UTC"
check "nothing looks like lists any more when they are read" bash -c "! grep -q 'look like lists' '$work/mind.err'"
printf 'u,i\n1,Toy Story 2\n1,Die Hard 2\n1,Rocky 4\n2,Rocky 4\n2,Toy Story 2\n' >"$work/titles.csv"
check "titles of several words are read" prepare titles --log "$work/titles.csv" --user u --fields.item i
check "titles of several words do not look like lists" quiet titles

printf "u;i\n1;[11, 12]\n2;[12, 13]\n3;[11]\n" >"$work/brackets.csv"
check "lists in brackets are read as single items without the option" prepare brackets --log "$work/brackets.csv" --user u --fields.item i
check "lists in brackets are warned of, with the comma between their values" says brackets 'look like lists ("[11, 12]"); input.list_separator comma'
check "lists in brackets are read with a comma" prepare values --log "$work/brackets.csv" --user u --fields.item i --list_separator ,
check "brackets and spaces of a list are no part of its values" has values 2 "12 13"

# Blocks of the file, which threads read, do not come between the values of a list.
awk 'BEGIN { print "u;i"; for (u = 0; u < 30000; u++) { printf "%d;", u % 5000; for (k = 0; k < 20; k++) printf "%s%d", (k ? " " : ""), (u * 7 + k) % 997; print "" } }' >"$work/many.csv"
many() { prepare "many$1" --log "$work/many.csv" --user u --fields.item i --list_separator space --threads "$1"; }
check "many lists are read on one thread" many 1
check "many lists are read on three threads" many 3
check "every value of many lists is an event" counts many1 events 600000
check "lists are the same on one thread and on three" diff -r "$work/many1" "$work/many3"

# Lists side by side: as many times and event types as items, or one for all.
printf 'u;i;t;e;p\n1;a|b;1577836802|1577836801;view|buy;2,50|3\n2;c|d;1577836803;view;1.5\n3;e|f;1577836801|1577836802|1577836803;view;1\n' >"$work/beside.csv"
check "lists in several columns are read side by side" prepare beside --log "$work/beside.csv" --user u --fields.item i --fields.time t --event e --fields.price p --list_separator pipe --max_rejects 0.5
check "times beside a list go value by value" has beside 1 "b(buy) a(view)"
check "a single time beside a list counts for all of it" has beside 2 "c(view) d(view)"
check "lists of other lengths are rejected with the reason" grep -q '"reason": "lists of different lengths"' "$work/beside/report.json"
check "columns that hold lists beside the items are named" says beside 'rows with a list in "t" too, read value by value: 1, the first on line 2'
printf 'u;i;e\n1;a b c;add to cart\n' >"$work/types.csv"
check "a type of input.events stays whole beside a list" prepare types --log "$work/types.csv" --user u --fields.item i --event e --events "add to cart" --list_separator space
check "the whole type is that of each event of the list" has types 1 "a(add to cart) b(add to cart) c(add to cart)"

# RecBole's token_seq says itself that it is a list.
printf 'session_id:token\titem_id_list:token_seq\titem_id:token\n1\t11 12 13\t14\n2\t12\t15\n' >"$work/seq.inter"
check "RecBole's token_seq is read as a list" prepare seq --log "$work/seq.inter" --format tsv --user session_id --fields.item item_id_list
check "a token_seq that is read as a list is told" says seq '"item_id_list:token_seq" is a list with spaces between its values, as its type says'
check "the values of a token_seq are events in order" has seq 1 "11 12 13"

# LightGCN: a user and its items a line, or the user alone.
printf '0 10 11 12\n1 13\n2 \n3 14 10 \n' >"$work/train.txt"
check "LightGCN's lines are read with a range of columns" prepare gcn --log "$work/train.txt" --format space --header false --user 1 --fields.item 2..
check "each column of a range is an event, in order" has gcn 0 "10 11 12"
check "blanks at the end of a line of LightGCN are no item" has gcn 3 "14 10"
check "a user of LightGCN without items is counted" says gcn "rows with an empty list, which gave none: 1, the first on line 3"
check "no row of LightGCN is rejected" counts gcn rejected 0
check "LightGCN's lines are read without a range" prepare short --log "$work/train.txt" --format space --header false --user 1 --fields.item 2 --max_rejects 0.5
check "columns that rows have more or fewer of are told, with the range" says short "a list, named 2..?): 2, the first on line 2"
check_error "a separator of lists that the columns have too is refused" "fields.item 2.. makes a list of all columns" "$souk" prepare --log "$work/train.txt" --format space --header false --user 1 --fields.item 2 --list_separator ' ' --out "$work/x"

# The Netflix Prize: blocks of a film's ratings.
printf '1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n885013,4,2005-10-19\n' >"$work/netflix.txt"
check_error "Netflix's blocks are named where they are refused" "as where Netflix's files name the film of the lines that follow" "$souk" prepare --log "$work/netflix.txt" --header false --user 1 --fields.item 2 --out "$work/x"
awk -F, '/:$/ {film = substr($0, 1, length($0) - 1); next} {print $1 "," film "," $3}' "$work/netflix.txt" >"$work/netflix.csv"
check "Netflix's blocks are read when the film is a column" prepare netflix --log "$work/netflix.csv" --header false --user 1 --fields.item 2 --fields.time 3 --time_format iso

finish
