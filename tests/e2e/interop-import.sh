#!/usr/bin/env bash
# A bundle is a Hugging Face directory too: exported, imported again, it is the same model; and a run can start from it.
. "$(dirname "$0")/lib.sh"
{
  echo user,item,time
  for u in $(seq 60); do for i in $(seq 6); do echo "u$u,item$(((u * 3 + i) % 25)),$((u * 100 + i))"; done; done
} >"$work/log.csv"
pretrain() { "$souk" pretrain --data.dir "$work/data" --hidden 16 --max_positions 8 --steps 4 --eval_every 0 --threads 1 --train.peak_gflops 50 "$@"; }
check "souk prepare makes a data set" "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --out "$work/data"
check "a run with pooler and [CLS] ends well" pretrain --out "$work/run" --cls_sep --pooler
check "its checkpoint is exported" "$souk" export "$work/run" "$work/bundle"
cut -f1 "$work/bundle/vocab.tsv" >"$work/bundle/vocab.txt" # as if its items were words
rm "$work/bundle/tokenizer.json" "$work/bundle/tokenizer_config.json"
check "the bundle is imported" "$souk" import "$work/bundle" "$work/again"
check "the imported parameters have the same bytes" cmp "$work/run/step-00000004/model.h5" "$work/again/model.h5"
check "the imported tokens are the same" cmp <(cut -f1 "$work/run/step-00000004/vocab.tsv") <(cut -f1 "$work/again/vocab.tsv")
check "a model of words is exported with a vocab.txt" "$souk" export "$work/again" "$work/words"
check "its tensors are those of the first bundle" cmp "$work/words/model.safetensors" "$work/bundle/model.safetensors"
check "its vocab.txt is that of the first bundle" cmp "$work/words/vocab.txt" "$work/bundle/vocab.txt"
check "souk inspect shows a bundle of words, which has no items" bash -c "'$souk' inspect '$work/words' | grep -q word_embeddings"
tokens() { "$infer" embed "$1" --text <<<'item1 [MASK]' | sed 's/.*"tokens":\([0-9]*\).*/\1/'; }
check "a special token that is typed is text of three words" test "$(tokens "$work/words")" = 4
typed() { "$souk" import "$work/words" "$work/typed" --typed_specials && "$souk" export "$work/typed" "$work/typed.bundle" && [ "$(tokens "$work/typed.bundle")" = 2 ]; }
check "with --typed_specials it is the token, as with Hugging Face" typed
check "souk-infer opens a bundle without items" "$infer" info "$work/words"
check_error "souk-infer rank says that it has no items" "has words and no items" bash -c "echo '{\"history\":[]}' | '$infer' rank '$work/words'"
check_error "souk-infer bench says that it has no items" "has words and no items" "$infer" bench "$work/words"
# What an imported model says of itself beside its tensors.
last=$(tail -n 1 "$work/words/vocab.txt") words=$(wc -l <"$work/words/vocab.txt")
hf() { rm -rf "$work/hf" && mkdir "$work/hf" && cp "$work/words/config.json" "$work/words/model.safetensors" "$work/words/vocab.txt" "$work/hf"; }
import() { "$souk" import "$work/hf" "$work/from" --force >"$work/told" 2>&1; }
told() { local name=$1; shift; if import && grep -qF -- "$1" "$work/told"; then ok "$name"; else not_ok "$name (wanted: $1)" "$work/told"; fi; }
hf && sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 1/' "$work/hf/config.json"
told "layers beyond those of config.json are counted and named" "has 2 layers, config.json has num_hidden_layers 1: 16 tensors of the layers beyond are left out: bert.encoder.layer.1."
hf && sed -i '/"model_type"/d' "$work/hf/config.json"
told "a BERT without model_type is taken for one, with a word" 'field "model_type" is missing; the other fields are a BERT'
hf && sed -i '$d' "$work/hf/vocab.txt"
told "rows of the word table that no file names are told" "vocab_size is $words, the vocabulary has $((words - 1)) tokens: 1 rows behind them have no name"
hf && sed -i '$d' "$work/hf/vocab.txt" && printf '\n' >>"$work/hf/vocab.txt"
told "an empty line of vocab.txt is a token, and is told" "vocab.txt: empty lines: 1, line $words first"
check "the vocabulary has a token without text in its place" grep -qx "$(printf '\t0')" <(tail -n 1 "$work/from/vocab.tsv")
hf && sed -i '$d' "$work/hf/vocab.txt" && sed -n 6p "$work/hf/vocab.txt" >>"$work/hf/vocab.txt"
told "a line of vocab.txt that is there twice is told" "tokens that are there twice: 1, "
hf && sed -i '$d' "$work/hf/vocab.txt" && echo "{\"[SKU]\": $((words - 1))}" >"$work/hf/added_tokens.json"
told "a model with added_tokens.json is imported" "$words tokens"
check "a token of added_tokens.json is in the vocabulary" grep -qx "$(printf '\\[SKU\\]\t0')" <(tail -n 1 "$work/from/vocab.tsv")
echo '{"do_lower_case": false, "strip_accents": true, "model_max_length": 1000000000000000019884624838656}' >"$work/hf/tokenizer_config.json"
check "a cased model with an added token is imported" import
check "a cased model with an added token is exported" "$souk" export "$work/from" "$work/cased"
check "the bundle's tokenizer.json keeps capitals and strips accents as the model says" grep -q '"strip_accents":true,"lowercase":false' "$work/cased/tokenizer.json"
check "the bundle's tokenizer_config.json keeps do_lower_case" grep -q '"do_lower_case": false' "$work/cased/tokenizer_config.json"
check "the bundle's tokenizer.json has the added token with its id" grep -q "\"content\":\"\[SKU\]\".*\"id\":$((words - 1))" "$work/cased/tokenizer.json"
check "the bundle of the cased model is imported again" "$souk" import "$work/cased" "$work/twice"
check "imported and exported twice the tokenizer is the same" bash -c "'$souk' export '$work/twice' '$work/cased2' && cmp '$work/cased/tokenizer.json' '$work/cased2/tokenizer.json' && cmp '$work/cased/tokenizer_config.json' '$work/cased2/tokenizer_config.json'"
rm "$work/hf/added_tokens.json" && hf && { echo '{"version":"1.0","added_tokens":[],"normalizer":{"type":"BertNormalizer","lowercase":false},"model":{"type":"WordPiece","vocab":{"[PAD]":0}}}' >"$work/hf/tokenizer.json"; }
told "files that contradict each other about capitals are both named" '"do_lower_case": true, '
hf && echo "{\"$last\": 5}" >"$work/hf/added_tokens.json"
check_error "files that contradict each other about an id are both named" "one of them is not this model's" "$souk" import "$work/hf" "$work/from" --force
hf && LC_ALL=C sed -i 's/cls.seq_relationship.bias/classifier.somewhere.bias/' "$work/hf/model.safetensors"
told "tensors that the model has no place for are counted and named" "so they are left out (1): classifier.somewhere.bias"
check "what the file lacks is named as well" grep -q "initialised at random: cls.seq_relationship.bias" "$work/told"
hf && sed -i '$d' "$work/hf/vocab.txt" && echo Dress >>"$work/hf/vocab.txt"
told "a vocabulary with capitals but no word on do_lower_case is told" 'but tokens have capitals: 1, "Dress" first'
echo '{"do_lower_case": false, "torch_dtype": "bfloat16"}' >"$work/hf/tokenizer_config.json"
sed -i 's/"model_type"/"torch_dtype": "bfloat16", "use_cache": true, "model_type"/' "$work/hf/config.json"
check "a model whose files say so is imported" import
check "what is told with do_lower_case is nothing of capitals" bash -c "! grep -q capitals '$work/told'"
hf && sed -i '1,5s/.*//; 1s/^/<pad>/; 2s/^/<unk>/; 3s/^/<s>/; 4s/^/<\/s>/; 5s/^/<mask>/' "$work/hf/vocab.txt"
echo '{"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}' >"$work/hf/tokenizer_config.json"
check "special tokens of other names are known by tokenizer_config.json" import
printf '{"tokens": ["<s>", "%s", "</s>"]}\n' "$last" >"$work/theirs"
printf '{"tokens": ["[CLS]", "%s", "[SEP]"]}\n' "$last" >"$work/ours"
for whose in theirs ours; do "$souk" vectors "$work/from" --hidden "$work/$whose.npy" --input "$work/$whose" >"$work/.out" 2>&1; done
check "hidden states are asked for by the model's own names of special tokens, or Souk's" cmp "$work/theirs.npy" "$work/ours.npy"
check "it is exported with the names of its special tokens" "$souk" export "$work/from" "$work/named"
check "vocab.txt has the names of its special tokens" cmp "$work/hf/vocab.txt" "$work/named/vocab.txt"
# The hub's cache is a directory of links.
rm -rf "$work/hf"
hf && mv "$work/hf" "$work/blobs" && mkdir -p "$work/hf" && for f in "$work"/blobs/*; do ln -s "../blobs/$(basename "$f")" "$work/hf/"; done
check "a model in the hub's cache, whose files are links, is imported" import
check_error "an existing checkpoint is kept without --force" "--force replaces it" "$souk" import "$work/bundle" "$work/again"
grown() { pretrain --out "$work/grown" --train.init_from "$work/words" >"$work/told" 2>&1 && grep -q "^starting from $work/words (step 0" "$work/told" && ! grep -q souk-scratch "$work/told"; }
check "a run that begins from a Hugging Face model says so by its name" grown
check_error "another shape than the Hugging Face model has is refused by its name" "model.positions_from_end is not that of $work/words (train.init_from)" pretrain --out "$work/bad" --train.init_from "$work/words" --positions_from_end yes
told_of() { "$souk" export "$1" "$work/named.bundle" --force >"$work/told" 2>&1 && ! grep -qF "$work/again/" "$work/told"; }
check "a checkpoint is called as it was named" told_of "$work/again/"
check "a run starts from another run by --train.init" pretrain --out "$work/next" --train.init "$work/run"
check "it takes the model options of its start" grep -q 'pooler: true' "$work/next/config.yaml"
check_error "--train.init with another shape is an error" "the model needs" pretrain --out "$work/bad" --train.init "$work/run" --intermediate 20
check_error "--train.init with another activation is an error" "(train.init): left out, it is that model's" pretrain --out "$work/bad" --train.init "$work/run" --activation gelu
check_error "--train.init with another vocabulary is an error" "train.init:" pretrain --out "$work/bad" --train.init "$work/again" --no-item_classes
check "the run resumes when its start is gone" bash -c "mv '$work/run' '$work/gone' && '$souk' pretrain --data.dir '$work/data' --train.init '$work/run' --out '$work/next' --steps 6 --eval_every 0 --threads 1 --resume"
check "the resumed run reaches its last step" test -d "$work/next/step-00000006"
finish
