#!/usr/bin/env bash
# What logs come in: compressed files, pipes, other encodings, lists of files, and formats that are only named.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
{ echo user,item,time; for i in {1..400}; do echo "u$((i % 40)),i$((i * 7 % 23)),$((1600000000 + i))"; done; } >log.csv
prepare() { local out=$1; shift; "$souk" prepare --user user --fields.item item --fields.time time --out "$out" --force "$@"; }
# same NAME ARGS...: the data set of these arguments has the plain log's events.
same() { local name=$1; shift; check "$name" prepare other "$@"; check "$name, with the same events" cmp plain/shard-00000.h5 other/shard-00000.h5; }
quietly prepare plain --log log.csv

# ---- compression
tools="gzip:gz zstd:zst xz:xz bzip2:bz2"
for t in $tools; do
  tool=${t%:*} end=${t#*:}
  if ! command -v "$tool" >/dev/null; then skip "$tool: a log is read" "no $tool"; continue; fi
  "$tool" -c log.csv >"log.csv.$end"
  same "$tool: a log is read" --log "log.csv.$end"
  { head -n 100 log.csv | "$tool" -c; tail -n +101 log.csv | "$tool" -c; } >several
  same "$tool: several of them one behind the other are read" --log several
  head -c -5 "log.csv.$end" >cut
  check_error "$tool: a file that is cut short is an error that says where" "cannot read cut: the $tool stream is cut short at byte" prepare x --log cut
  check "$tool: nothing is left of a log that is cut short" bash -c '! ls | grep -q "^x"'
  same "$tool: a catalogue and a log are read through pipes" --log <(cat "log.csv.$end") --catalogue <(printf 'item_id,title\ni1,a\n' | "$tool" -c)
done
{ gzip -c log.csv; head -c 1024 /dev/zero; } >padded.gz
same "gzip: zeros that fill a block are passed over" --log padded.gz
{ gzip -c log.csv; echo rubbish; } >followed.gz
same "gzip: what follows is ignored" --log followed.gz
prepare other --log followed.gz >/dev/null 2>err
check "gzip: what follows is ignored with a warning" grep -q "the 8 bytes from byte .* are no gzip member and are ignored" err

# ---- pipes
same "a log is read from the standard input" --log - <log.csv
same "a log is read through a pipe" --log - < <(cat log.csv)
same "a log is read from /dev/stdin" --log /dev/stdin < <(cat log.csv)
check_error "a standard input that is closed is an error" "cannot read the standard input at byte 0: Bad file descriptor" prepare x --log - <&-
check_error "two lists cannot both be the standard input" "are both the standard input (-)" prepare x --log - --catalogue - <log.csv

# ---- lists
mkdir -p logs/empty
head -n 200 log.csv >logs/a.csv
{ head -n 1 log.csv; tail -n +201 log.csv; } | gzip -c >logs/b.csv.gz
touch logs/_SUCCESS logs/.a.csv.crc
cp logs/a.csv "e1, e2.csv"
same "a list of files with blanks is read" --log "logs/a.csv, logs/b.csv.gz"
same "a pattern stands for files in the order of their names" --log "logs/*.csv*"
same "a folder stands for the files in it" --log logs
prepare other --log logs >out 2>err
check "the report has the number of files" grep -q '"files": 2,' other/report.json
check "the report has what was passed over in folders" grep -q '"files_passed_over": 3' other/report.json
check "the number of files is printed" grep -q '^files  *2; 2 passed over .*; 1 folders in folders not read' out
check "a folder in a folder is warned of" grep -q 'warning: input.log: 1 folders in the folder logs are not read' err
check "a log of one file has no number of files in its report" bash -c '! grep -q "\"files" plain/report.json'
same "a name with a comma that exists is a file" --log "e1, e2.csv, logs/b.csv.gz"
check_error "a pattern that matches nothing is an error" 'input.log: no file matches "logs/*.tsv"' prepare x --log 'logs/*.tsv'
check_error "a file that is named twice is an error" "input.log names logs/a.csv twice" prepare x --log "logs/a.csv,logs/a.csv"
check_error "a catalogue that is missing is told before the log is read" "catalogue.csv does not exist" prepare x --log <(echo broken) --catalogue catalogue.csv
printf 'item_id,title\ni1,one\n' >c1.csv
printf 'item_id,title\ni2,two\ni1,again\n' >c2.csv
check "several catalogues are read" prepare other --log log.csv --catalogue "c1.csv, c2.csv" --catalogue.title title
check "several catalogues describe the items of each" grep -q '"catalogue_matched": 2' other/report.json
printf 'user,item,time\nu1,i1,oops\n' >logs/a.csv
check_error "a rejected row is named with its file" "logs/a.csv line 2" prepare x --log "logs/b.csv.gz, logs/a.csv" --max_rejects 0

# ---- encodings
printf 'user,item,time\nu1,毛衣,1\nu1,女士羊毛大衣,2\nu2,毛衣,3\nu2,水瓶 (大号),4\n' >utf8.csv
quietly prepare plain --log utf8.csv
for encoding in GBK gb18030 UTF-16 utf-16le UTF-16BE UTF-32; do
  iconv -f UTF-8 -t "$encoding" utf8.csv >coded.csv
  same "$encoding is read when it is named" --log coded.csv --encoding "$encoding"
done
iconv -f UTF-8 -t UTF-16 utf8.csv >marked.csv
same "UTF-16 is told by its byte order mark" --log marked.csv
prepare other --log marked.csv >/dev/null 2>err
check "an encoding told by its mark is said" grep -q "marked.csv: its byte order mark says that it is UTF-16LE" err
check "an encoding told by its mark is in the report" grep -q 'marked.csv: its byte order mark says that it is UTF-16LE' other/report.json
prepare other --log utf8.csv --encoding latin-1 >/dev/null 2>err
check "UTF-8 that is read as something else is warned of" grep -q "utf8.csv: its text is valid UTF-8 but is read as latin-1, as input.encoding says; is that right?" err
iconv -f UTF-8 -t GBK utf8.csv >gbk.csv
prepare x --log gbk.csv >/dev/null 2>err
check "rows that are not UTF-8 are rejected" grep -q "text that is not UTF-8, first on line 2" err
check "rows that are not UTF-8 come with a guess" grep -q "they may be GB18030: --input.encoding GB18030 reads them so" err
sed 's/item/物品/' utf8.csv | iconv -f UTF-8 -t GBK >header.csv
check_error "a header that is not UTF-8 comes with a guess" "may be GB18030: --input.encoding GB18030 reads it so" prepare x --log header.csv --fields.item 物品
{ cat gbk.csv; printf 'u3,\xff\xff,5\nu3,\xc3\xab\xd2\xc2,6\n'; } >some.csv
check "bytes that GBK does not have cost their own row alone" prepare other --log some.csv --encoding GBK --max_rejects 0.5
check "bytes that GBK does not have are counted" grep -q '"rejected": 1,' other/report.json
check_error "an encoding that is not known is named with its option" 'input.encoding: "klingon" is no encoding' prepare x --log utf8.csv --encoding klingon
check_error "an encoding of the catalogue that is not known is told first" 'input.catalogue_encoding: "klingon" is no encoding' prepare x --log /no/such --catalogue_encoding klingon
printf 'item_id,title\n毛衣,Größe\n' | iconv -f UTF-8 -t GB18030 >catalogue.csv
check "the catalogue has the log's encoding unless it has its own" prepare other --log gbk.csv --encoding GB18030 --catalogue catalogue.csv --catalogue.title title
check "a catalogue in GB18030 is read" grep -q '"title":"Größe"' other/catalogue.jsonl
printf 'item_id,title\nx,Größe\n' >catalogue.csv
check "a catalogue may have an encoding of its own" prepare other --log gbk.csv --encoding GB18030 --catalogue catalogue.csv --catalogue_encoding utf-8

# ---- formats that are only named
printf 'PAR1\x15\x04\x15\x10' >x.parquet
check_error "a Parquet file is named with a command that reads it" "x.parquet is a Parquet file, which Souk does not read; this makes csv of it, for --log - or --catalogue -: duckdb -c" prepare x --log x.parquet
tar -czf x.tar.gz log.csv 2>/dev/null
check_error "a tar archive under gzip is named" "x.tar.gz is a tar archive under gzip" prepare x --log x.tar.gz
same "what is suggested for a tar archive works" --log - < <(iconv -f UTF-8 -t UTF-8 utf8.csv >log.csv; tar -cf x.tar log.csv; tar -xOf x.tar)
check_error "inspect names a format as well" "is a Parquet file" "$souk" inspect x.parquet
finish
