# awk -f agree.awk -v mode=json|text [-v relative=X] [-v absolute=X] [-v without=REGEX] OLD NEW
# What OLD says NEW must say too; prints what it does not, and then ends with 1.
# json: one value behind the other, or lines of them. Every field of OLD is in NEW, but for those whose path matches without;
# NEW may have more. text: the same lines of the same words. Numbers agree when they differ by at most
# absolute + relative x their size; in json whole numbers must be the same.
function number(s) { return s ~ /^-?[0-9]+(\.[0-9]*)?(e[-+]?[0-9]+)?$/ }
function agree(a, b, strict,  d, x, y) {
  if (a == b) return 1
  if (!number(a) || !number(b) || (strict && a !~ /[.e]/)) return 0
  x = a + 0; y = b + 0; d = x > y ? x - y : y - x
  x = x < 0 ? -x : x
  return d <= absolute + relative * x
}
function differ(where, a, b) {
  if (bad++ < 10) print where ": was " a ", is " b
}
function put(v,  i, path) {
  path = values
  for (i = 1; i <= depth; i++) path = path "/" (kind[i] == "{" ? key[i] : count[i])
  if (without != "" && path ~ without) return
  if (NR == FNR) { old[path] = v; order[++n] = path } else new[path] = v
}
function done() { if (depth == 0) values++ } # a whole value
function parse(line,  t) {
  while (match(line, /"([^"\\]|\\.)*"|[][{},:]|[^][{},: \t"]+/)) {
    t = substr(line, RSTART, RLENGTH); line = substr(line, RSTART + RLENGTH)
    if (t == "{" || t == "[") { kind[++depth] = t; count[depth] = 0; named = 0 }
    else if (t == "}" || t == "]") { depth--; named = 0; done() }
    else if (t == ",") { count[depth]++; named = 0 }
    else if (t == ":") named = 1
    else if (depth > 0 && kind[depth] == "{" && !named) key[depth] = substr(t, 2, length(t) - 2)
    else { put(t); done() }
  }
}
BEGIN { if (relative == "") relative = 0; if (absolute == "") absolute = 0 }
FNR == 1 { depth = 0; values = 0; files++ }
mode == "json" { parse($0); next }
NR == FNR { old[++n] = $0; next }
{
  lines = FNR
  words = split(FNR <= n ? old[FNR] : "", a, " "); same = words == NF
  for (i = 1; same && i <= words; i++) same = agree(a[i], $i, 0)
  if (!same) differ("line " FNR, FNR <= n ? old[FNR] : "nothing", $0)
}
END {
  if (mode == "json") {
    for (i = 1; i <= n; i++) {
      if (!(order[i] in new)) differ(order[i], old[order[i]], "missing")
      else if (!agree(old[order[i]], new[order[i]], 1)) differ(order[i], old[order[i]], new[order[i]])
    }
  } else if (lines != n) differ("lines", n, lines + 0)
  if (n == 0) { print "nothing to compare"; bad++ }
  exit bad > 0
}
