#!/usr/bin/env bash
# Logs and catalogues in the forms that public data sets have: what comes out, and what is said.
. "$(dirname "$0")/lib.sh"
# prepare NAME ARGS...: a data set at $work/NAME, what it says in $work/NAME.err.
prepare() { local name=$1; shift; "$souk" prepare --out "$work/$name" --force "$@" >"$work/$name.report" 2>"$work/$name.err"; }
rejected() { grep -q "\"rejected\": $2\b" "$work/$1/report.json"; }
says() { grep -qF -- "$2" "$work/$1.err"; } # on stderr
items() { tail -n +6 "$work/$1/vocab.tsv" | grep -v "^event=\|^category=\|^price=" | cut -f 1 | sort | paste -sd ' '; }
have() { [ "$(items "$1")" = "$2" ] || { echo "items: $(items "$1")"; false; }; }

printf 'sessionId;userId;itemId;timeframe\n1;NA;81766;526309\n1;NA;31331;1031018\n2;NA;32118;243569\n' >"$work/diginetica.csv"
check "Diginetica's semicolons are recognised without an option" prepare digi --log "$work/diginetica.csv" --user sessionId --fields.item itemId --fields.time timeframe --time_format milliseconds
check "a guessed separator is told on one line" says digi "';' between the columns was guessed from the header"
check "what was told is in the report too" grep -q "guessed from the header" "$work/digi/report.json"
check "the items of Diginetica are all there" have digi "31331 32118 81766"
check_error "a separator that does not fit is answered with the one that does" "if ';' is between its columns, set input.format csv and input.separator ';'" "$souk" prepare --log "$work/diginetica.csv" --separator , --user sessionId --fields.item itemId --out "$work/x"
check "a column full of NA is told when it is read" prepare na --log "$work/diginetica.csv" --user userId --fields.item itemId
check "users that are called NA are told, with the option for them" says na 'rows with NA, NULL or the like in "userId", taken as it is (input.missing names texts that mean no value): 3'
check_error "with --missing NA is no user" "no user" "$souk" prepare --log "$work/diginetica.csv" --user userId --fields.item itemId --missing NA --out "$work/x"
printf 'u,i\n1,a\n2;b\n' >"$work/mixed.csv"
check "a file with mixed separators is read as far as it can be" prepare mixed --log "$work/mixed.csv" --user u --fields.item i --max_rejects 0.5
check "a row with another separator is rejected with a hint" grep -q "too few columns; is ';' the separator" "$work/mixed/report.json"
printf '1::1193::5::978300760\n1::661::3::978302109\n' >"$work/ratings.dat"
check "MovieLens 1M is read with its double colons" prepare ml --log "$work/ratings.dat" --header false --user 1 --fields.item 2 --fields.time 4
check "the items of MovieLens 1M are its second column" have ml "1193 661"
printf '7\x01a\n7\x01b\n' >"$work/hive.txt"
check "Hive's separator can be given as an escape" prepare hive --log "$work/hive.txt" --separator '\x01' --header false --user 1 --fields.item 2
check "the items of a Hive table are its second column" have hive "a b"

printf 'item;user;t\nx;1;3\n' >"$work/second.csv"
printf 'user,item\n1,y\n' >"$work/first.csv"
check "files with other columns and separators are read together" prepare two --log "$work/first.csv,$work/second.csv" --user user --fields.item item
check "columns are found anew by name in each file" have two "x y"
printf 'user,product\n1,y\n' >"$work/third.csv"
check_error "the file that lacks a column is named" 'third.csv has no column "item"; its columns are: user, product' "$souk" prepare --log "$work/first.csv,$work/third.csv" --user user --fields.item item --out "$work/x"
printf '{"session":11,"events":[{"aid":101,"ts":1659304800025,"type":"clicks"},{"aid":102,"ts":1659304904511,"type":"carts"}]}\n{"session":12,"events":[{"aid":103,"ts":1659304800025,"type":"orders"}]}\n' >"$work/otto.jsonl"
check "OTTO's lists of events are rows" prepare otto --log "$work/otto.jsonl" --input.format jsonl --user session --fields.item events.aid --fields.time events.ts --event events.type --time_format milliseconds
check "each event of OTTO is in the data set" grep -q '"events": 3,' "$work/otto/report.json"
check "the items of OTTO are the aids of its events" have otto "101 102 103"
printf '{"user_id":9223372036854775808,"item_id":18446744073709551616}\n{"user_id":9223372036854775808,"item_id":1.0}\n{"user_id":1,"item_id":NaN}\n' >"$work/big.jsonl"
check "json with huge integers and NaN is read" prepare big --log "$work/big.jsonl" --input.format jsonl --max_rejects 0.5
check "json integers of 2^63 and more keep their digits, and 1.0 its point" have big "1.0 18446744073709551616"
check "users with integers of 2^63 keep their digits" grep -qx 9223372036854775808 "$work/big/users.tsv"
check "NaN for an item is told as an unknown value" says big "rows with NaN or an infinity, which are unknown values: 1, the first on line 3"

printf 'u,i\n1,a\n2,b\0c\n3,d\n' >"$work/nul.csv"
check "a NUL byte in one row does not fail the file" prepare nul --log "$work/nul.csv" --user u --fields.item i --max_rejects 1
check "the row with a NUL byte alone is rejected" rejected nul 1
check "the report shows the row with the NUL byte" grep -q 'b?c' "$work/nul/report.json"
{ printf 'u,i\n1,a\n2,'; head -c 17000000 /dev/zero | tr '\0' x; printf '\n3,b\n'; } >"$work/long.csv"
check "a line over 16 MiB does not fail the file" prepare long --log "$work/long.csv" --user u --fields.item i --max_rejects 1
check "the line over 16 MiB alone is rejected" rejected long 1
check "the reason of the long line names the limit" grep -q "a line of more than 16 MiB" "$work/long/report.json"
{ printf 'u,i\n1,a\n2,'; head -c 1025 /dev/zero | tr '\0' x; printf '\n3,'; head -c 1024 /dev/zero | tr '\0' y; printf '\n'; head -c 2000 /dev/zero | tr '\0' u; printf ',a\n'; } >"$work/names.csv"
check "a log with names that are too long is read" prepare names --log "$work/names.csv" --user u --fields.item i --max_rejects 1
check "names of more than 1,024 bytes are rejected and those of 1,024 stay" rejected names 2
check "the reasons say which name was too long" grep -q "a user name of more than 1024 bytes" "$work/names/report.json"

printf 't,u,i\n"15\\" sleeve, black",1,a\n"x",1,b\n' >"$work/spark.csv"
check "Spark's quotes behind backslashes are read" prepare spark --log "$work/spark.csv" --user u --fields.item i
check "rows with quotes behind backslashes are counted" says spark "rows with quotes behind backslashes, read as quotes: 1, the first on line 2"
check_error "with --quotes double such a row is rejected as before" "broken quotes" "$souk" prepare --log "$work/spark.csv" --user u --fields.item i --quotes double --out "$work/x"
printf 'u\e[31m,i\n1,a\n' >"$work/escape.csv"
check_error "escape sequences of a header are printed escaped" '\x1b[31m' "$souk" prepare --log "$work/escape.csv" --user who --fields.item i --out "$work/x"

printf 'user_id,item_id\n1,a\n1,b\n1,c\n1,d\n' >"$work/log.csv"
cat >"$work/meta.jsonl" <<'E'
{"item_id":"a","category":["Beauty","Combs"],"description":["One.","Two."],"price":19.99,"details":{"brand":"B"}}
{"item_id":"b","category":{"main":"Toys"},"price":1e1}
E
check "a catalogue with lists and objects is read" prepare meta --log "$work/log.csv" --catalogue "$work/meta.jsonl" --catalogue_format jsonl --catalogue.category category --catalogue.description description --catalogue.price price --catalogue.brand details.brand
entries=$work/meta/catalogue.jsonl
check "a category that is a list becomes a path" grep -q '"category":"Beauty > Combs"' "$entries"
check "a description that is a list becomes one text" grep -q '"description":"One. Two."' "$entries"
check "a price keeps the text of the catalogue" grep -q '"price":"19.99"' "$entries"
check "a path reaches into objects of the catalogue" grep -q '"brand":"B"' "$entries"
check "an object where a value is expected is told with its column" says meta 'rows with an object for "category", which is no value'
cat >"$work/meta.txt" <<'E'
{'asin': 'a', 'title': "Girls' Ballet", 'price': 3.17, 'categories': [['Sports', 'Dance'], ['Toys']], 'x': None}
{'asin': 'b', 'title': u'caf\xe9', 'price': 5, 'categories': [['Sports']]}
E
check "Amazon 2014's Python dicts are read as jsonl" prepare py --log "$work/log.csv" --catalogue "$work/meta.txt" --catalogue_format jsonl --catalogue.item asin --catalogue.title title --catalogue.category categories
check "strings of Python are decoded" grep -q '"title":"café"' "$work/py/catalogue.jsonl"
check "lists in a list of a catalogue stay apart" grep -q '"category":"Sports > Dance | Toys"' "$work/py/catalogue.jsonl"
check "Python dicts are told" says py "rows that are Python dicts, read like json: 2"
printf '[\n  {"user_id": 1,\n   "item_id": "a"},\n  {"user_id": 1, "item_id": "b"}\n]\n' >"$work/list.json"
check "a file that is one list of json is read" prepare list --log "$work/list.json" --input.format jsonl
check "the objects of a list of json are the rows" have list "a b"
check "a list of json is told as such" says list "it is one list of json"
finish
