#!/usr/bin/env bash
# Copy from feedback where the right answer is known: what a user looked at decides alone which style is clicked, the log shows styles
# unevenly, and each style has several wordings of uneven frequency. Feedback has to find the style for each, and eval to say so.
. "$(dirname "$0")/run_lib.sh"
world=$work/known
mkdir "$world"
awk -v dir="$world" '
  function row(file, u, t, style, wording, rest) {
    printf "{\"user\":\"u%d\",\"time\":%d,\"item\":\"promoted\",\"language\":\"en\",\"market\":\"us\",\"type\":\"gift\",\"goal\":\"sales\",\"copy\":\"%s\",\"style\":\"%s\"%s}\n",
      u, t, text[style, wording], style, rest >file
  }
  BEGIN {
    text["plain", 0] = "as it is"; text["plain", 1] = "the plain facts of it, in a few words"
    text["lively", 0] = "hurry"; text["lively", 1] = "what are you waiting for, come and see"
    srand(5); print "user,item,time,event" >(dir "/log.csv"); print "id,plain,lively" >(dir "/truth.csv")
    for (u = 0; u < 400; u++) {
      likes = u % 2 ? "lively" : "plain"
      for (i = 0; i < 4; i++) printf "u%d,%s%d,%d,view\n", u, likes, int(rand() * 3), 1000 * u + 10 * i >(dir "/log.csv")
      printf "u%d,promoted,%d,view\n", u, 1000 * u + 900 >(dir "/log.csv")
      for (k = 0; k < 2; k++) { # plain copy is shown three times as often, and the short wording of a style nine times as often
        t = 1000 * u + 100 + k; style = rand() < .75 ? "plain" : "lively"; wording = rand() < .1
        p = style == likes ? .9 : .1
        said = sprintf(",\"click\":%d,\"propensity\":%.2f", rand() < p, style == "plain" ? .75 : .25)
        row(dir "/copy.jsonl", u, t, style, wording, said)
        for (s = 0; s < 2; s++) for (w = 0; w < 2; w++) {
          one = s ? "lively" : "plain"; mine = one == style && w == wording ? said : ""
          row(dir "/both.jsonl", u, t, one, w, mine)
          if (one != style ? w == 1 - wording : w == wording) row(dir "/single.jsonl", u, t, one, w, mine)
          if (!(s == 0 && w == 1 && mine == "")) row(dir "/uneven.jsonl", u, t, one, w, mine)
        }
        printf "k%d,%s\n", 2 * u + k, likes == "plain" ? "0.9,0.1" : "0.1,0.9" >(dir "/truth.csv")
      }
    }
  }'
quietly "$souk" vocab --input "$world/copy.jsonl" --columns copy --size 120 --out "$world/words"
prepare_known() {
  "$souk" prepare --log "$world/log.csv" --user user --fields.item item --fields.time time --event event --time_format seconds --copy_time_format seconds \
    --words "$world/words" --test_share 0.3 --copy "$world/$1.jsonl" --out "$world/data-$1"
}
for of in copy both single uneven; do quietly prepare_known $of; done
few=(--device cpu --threads 1 --peak_gflops 10 --batch_tokens 1024 --warmup_steps 5 --eval_every 0 --dropout 0 --attention_dropout 0)
quietly "$souk" pretrain --data.dir "$world/data-copy" --out "$work/base" --hidden 32 --heads 2 --layers 1 --max_positions 32 --item_classes false --cls_sep --steps 5 "${few[@]}"
quietly "$souk" finetune --task promo "$work/base" --epochs 12 --lr 0.01 --out "$work/copy" "${few[@]}"
quietly "$souk" finetune --task promo "$work/copy" --copy.feedback ips --epochs 30 --lr 0.005 --out "$work/ips" "${few[@]}"
quietly "$souk" finetune --task promo "$work/copy" --copy.feedback ips --copy.history false --epochs 12 --lr 0.005 --out "$work/none" "${few[@]}"
judge() { # RUN CANDIDATES
  "$souk" eval "$work/$1" --device cpu --threads 1 --copy_policy "$world/data-$2" --policy_truth "$world/truth.csv" --bootstrap 200 --figures "$work/$1-$2.json" >"$work/$1-$2.txt" 2>"$work/err"
}
# figure FILE NAME: the value of a line of the truth.
figure() { awk -v name="$2" '/^the truth/ { on = 1 } on && index($0, name "  ") == 1 { sub(name " +", ""); print $1 }' "$work/$1.txt"; }
check "the base is judged" judge copy both
check "feedback is judged" judge ips both
check "a model without histories is judged" judge none both
check "imitation earns no more than what was shown" awk -v v="$(figure copy-both drawn)" 'BEGIN { exit !(v > 0.4 && v < 0.6) }'
# A style in proportion to its clicks earns 0.9 x 0.9 + 0.1 x 0.1 = 0.82, the better one for each 0.9.
check "feedback draws styles in proportion to their clicks" awk -v v="$(figure ips-both drawn)" 'BEGIN { exit !(v > 0.72 && v < 0.9) }'
check "its most probable style is the right one for each" awk -v v="$(figure ips-both best)" 'BEGIN { exit !(v > 0.87) }'
check "that is the history's doing" awk -v v="$(figure ips-both 'personal best')" 'BEGIN { exit !(v > 0.3) }'
check "without histories there is nothing to gain" awk -v v="$(figure none-both best)" 'BEGIN { exit !(v > 0.4 && v < 0.6) }'
# One wording each, a rare one against a frequent one: its style looks as rare as it is.
check "candidates of one wording are judged" judge ips single
check "words beside the style drown it then" awk -v one="$(figure ips-single drawn)" -v all="$(figure ips-both drawn)" 'BEGIN { exit !(one < all - 0.1) }'
check_error "styles have as many wordings as each other" "the styles of its impression do not have the same number of candidates" "$souk" eval "$work/ips" --device cpu --copy_policy "$world/data-uneven"
finish
