#!/usr/bin/env bash
# souk vocab: vocabularies out of tables, json and plain text, packed or not; what was read and left out is told.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
vocab() { "$souk" vocab "$@" 2>&1; }
printf 'item,title,price\n1,"The red dress, the red shoes",3\n2,Red dresses,4\n3,,5\n' >goods.csv
printf '{"query":"red dress","n":1}\n{"query":["blue","shoes"]}\n{"n":2}\n{broken\n' >queries.jsonl
printf 'The shoes are red.\nred \xff\xfe shoes\n%s\n' "$(printf 'x%.0s' $(seq 150))" >review.txt
gzip -k review.txt
check "a vocabulary of a table, json and packed text" vocab --input "goods.csv, queries.jsonl, review.txt.gz" --columns title,query --out v --size 200
vocab --input "goods.csv, queries.jsonl, review.txt.gz" --columns title,query --out v --size 200 --force >told
for said in "read: 3 files, 10 rows, 7 texts" "rows that could not be read: 1, line 4 first" "lines that are not UTF-8: 1" \
  "words of more than 100 characters, which are not counted: 1" "values that are empty or not there: 5"; do
  if grep -qF -- "$said" told; then ok "told: $said"; else not_ok "told: $said" told; fi
done
check "its first tokens are BERT's special ones" cmp <(head -n 5 v/vocab.txt) <(printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]')
for piece in red shoes dress '##e'; do check "$piece is a piece" grep -qxF -- "$piece" v/vocab.txt; done
check "no piece has a capital" bash -c "! tail -n +6 v/vocab.txt | grep -q '[A-Z]'"
check "no piece is there twice" bash -c "[ \$(sort v/vocab.txt | uniq -d | wc -l) = 0 ]"
vocab --input "goods.csv, queries.jsonl, review.txt" --columns title,query --out again --size 200 >/dev/null
check "packed or not, the vocabulary is the same" cmp v/vocab.txt again/vocab.txt
vocab --input review.txt,goods.csv --columns title --out cased --no-lower_case --size 200 >/dev/null
check "capitals stay without lower_case" bash -c "grep -q The cased/vocab.txt && grep -q '\"do_lower_case\": false' cased/tokenizer_config.json"
vocab --input review.txt --out plain --format text --size 100 --alphabet 5 >told
check "characters beyond the alphabet are told" grep -qE "characters beyond the alphabet: [0-9]+ of [0-9]+; words with one of them" told
check "the standard input is read" bash -c "'$souk' vocab --input - --out stdin --size 120 <review.txt && grep -qx red stdin/vocab.txt"
# Much text in little memory: rare words are let go, and what is frequent is there.
awk 'BEGIN { for (i = 0; i < 120000; i++) print "frequent w" i " word" }' >much.txt
check "a file with many different words is read in little memory" bash -c "'$souk' vocab --input much.txt --out much --memory 1M --size 300 >told 2>&1"
check "words let go are told" grep -q "rare words let go for lack of room" told
check "frequent words are pieces nevertheless" bash -c "grep -qx frequent much/vocab.txt && grep -qx word much/vocab.txt"
check_error "a vocabulary is not replaced without --force" "replaced with --force" "$souk" vocab --input goods.csv --columns title --out v
check_error "a column that no table has is named" 'goods.csv has no column "name"' "$souk" vocab --input goods.csv --columns name --out x
check_error "a table needs columns" "--columns says which of them are texts" "$souk" vocab --input goods.csv --out x
{ printf '\n '; head -c 3000000 /dev/zero | tr '\0' x; printf ' red'; } >endless.txt
check "three million letters without a space do not matter" bash -c "'$souk' vocab --input endless.txt --out endless --size 100 && grep -q . endless/vocab.txt"
check_error "a file that is not there is named" "nothing.txt" "$souk" vocab --input nothing.txt --out x
check_error "texts without words are no vocabulary" "there is no word in these texts" bash -c "printf ' \n' | '$souk' vocab --input - --out x"
check_error "an output is needed" "--out is needed" "$souk" vocab --input goods.csv
check "what failed has left nothing" bash -c "! test -e x"
check "souk vocab --help succeeds" "$souk" vocab --help
finish
