// Titles, descriptions and searches of the generated marketplace, in English and Chinese.
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "synth/synth_internal.h"

enum { WORD = 96 };

static char *capital(char *text) {
  text[0] = (char)toupper((unsigned char)text[0]);
  return text;
}

// The words of an item in one language.
typedef struct item_words {
  char brand[WORD], adjective[WORD], material[WORD], noun[WORD], feature[WORD], second[WORD], colour[WORD],
      use[WORD], style_note[2 * WORD], tier_note[2 * WORD];
} item_words;

static void choose_words(const synth_world *w, int32_t item, bool chinese, item_words *t) {
  const synth_item *x = &w->items[item];
  const department_words *d = &synth_departments[x->category / DEPARTMENT_CATEGORIES];
  const category_words *c = category_at(x->category);
  rng r = synth_rng(w->c.seed, DRAW_TEXT, item); // both languages draw the same words
  pair_at(t->brand, WORD, d->brands, (uint64_t)x->brand, chinese);
  pair_at(t->adjective, WORD, synth_styles[x->style], rng_u32(&r), chinese);
  pair_at(t->material, WORD, c->materials, rng_u32(&r), chinese);
  const uint32_t feature = rng_u32(&r) % 1024;
  pair_at(t->feature, WORD, c->features, feature, chinese);
  pair_at(t->second, WORD, c->features, feature + 1 + rng_u32(&r) % 3, chinese);
  pair_at(t->colour, WORD, synth_colours, rng_u32(&r), chinese);
  pair_at(t->use, WORD, d->uses, rng_u32(&r), chinese);
  pair_at(t->style_note, 2 * WORD, synth_style_notes[x->style], rng_u32(&r), chinese);
  pair_at(t->tier_note, 2 * WORD, synth_tier_notes[x->tier], rng_u32(&r), chinese);
  snprintf(t->noun, WORD, "%s", chinese ? c->zh : c->noun);
}

static void english(const item_words *t, uint32_t form, synth_text *out) {
  const size_t n = sizeof out->title_en, m = sizeof out->description_en;
  char adjective[WORD], material[WORD], colour[WORD];
  snprintf(adjective, WORD, "%s", t->adjective);
  snprintf(material, WORD, "%s", t->material);
  snprintf(colour, WORD, "%s", t->colour);
  capital(adjective);
  capital(colour);
  switch (form % 4) {
  case 0:
    snprintf(out->title_en, n, "%s %s %s %s, %s", t->brand, t->adjective, t->material, t->noun, t->feature);
    break;
  case 1:
    snprintf(out->title_en, n, "%s %s %s with %s (%s)", t->brand, t->material, t->noun, t->feature,
             t->colour);
    break;
  case 2:
    snprintf(out->title_en, n, "%s %s by %s: %s, %s, %s", adjective, t->noun, t->brand, t->material,
             t->feature, t->colour);
    break;
  default:
    snprintf(out->title_en, n, "%s %s %s, %s and %s", t->brand, t->colour, t->noun, t->feature, t->second);
  }
  switch (form / 4 % 3) {
  case 0:
    snprintf(out->description_en, m, "%s The %s %s comes with %s and %s, made for %s. %s", t->style_note,
             t->material, t->noun, t->feature, t->second, t->use, t->tier_note);
    break;
  case 1:
    snprintf(out->description_en, m, "Made for %s: %s, %s. %s %s in %s, by %s.", t->use, t->feature,
             t->second, t->tier_note, capital(material), t->colour, t->brand);
    break;
  default:
    snprintf(out->description_en, m, "%s in %s. %s You get %s as well as %s. %s", capital(material),
             t->colour, t->style_note, t->feature, t->second, t->tier_note);
  }
}

static void chinese(const item_words *t, uint32_t form, synth_text *out) {
  const size_t n = sizeof out->title_zh, m = sizeof out->description_zh;
  switch (form % 4) {
  case 0:
    snprintf(out->title_zh, n, "%s%s%s%s %s %s", t->brand, t->adjective, t->material, t->noun, t->feature,
             t->colour);
    break;
  case 1:
    snprintf(out->title_zh, n, "%s %s%s %s %s 新款", t->brand, t->material, t->noun, t->feature, t->colour);
    break;
  case 2:
    snprintf(out->title_zh, n, "【%s】%s%s %s %s", t->feature, t->brand, t->noun, t->adjective, t->material);
    break;
  default:
    snprintf(out->title_zh, n, "%s%s%s %s %s", t->brand, t->colour, t->noun, t->feature, t->second);
  }
  switch (form / 4 % 3) {
  case 0:
    snprintf(out->description_zh, m, "%s%s%s，%s，%s，适合%s。%s", t->style_note, t->material, t->noun,
             t->feature, t->second, t->use, t->tier_note);
    break;
  case 1:
    snprintf(out->description_zh, m, "为%s而做：%s，%s。%s%s%s，%s出品。", t->use, t->feature, t->second,
             t->tier_note, t->colour, t->material, t->brand);
    break;
  default:
    snprintf(out->description_zh, m, "%s配%s，%s不仅%s，还%s，%s都用得上。%s", t->material, t->colour,
             t->style_note, t->feature, t->second, t->use, t->tier_note);
  }
}

void item_text(const synth_world *w, int32_t item, synth_text *t) {
  const synth_item *x = &w->items[item];
  const department_words *d = &synth_departments[x->category / DEPARTMENT_CATEGORIES];
  const category_words *c = category_at(x->category);
  item_words en, zh;
  choose_words(w, item, false, &en);
  choose_words(w, item, true, &zh);
  rng r = synth_rng(w->c.seed, DRAW_TEXT, item);
  r.block = 1 << 20; // beyond the words' draws
  const uint32_t form_en = rng_u32(&r), form_zh = rng_u32(&r);
  english(&en, form_en, t);
  chinese(&zh, form_zh, t);
  const struct {
    char *to;
    const char *from;
  } copies[] = {{t->brand_en, en.brand},       {t->brand_zh, zh.brand},   {t->material_en, en.material},
                {t->material_zh, zh.material}, {t->colour_en, en.colour}, {t->colour_zh, zh.colour}};
  for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
    snprintf(copies[i].to, 64, "%.60s", copies[i].from);
  pair_at(t->style_en, sizeof t->style_en, synth_styles[x->style], 0,
          false); // the first word names the style
  pair_at(t->style_zh, sizeof t->style_zh, synth_styles[x->style], 0, true);
  snprintf(t->category_en, sizeof t->category_en, "%s > %s", d->en, c->en);
  snprintf(t->category_zh, sizeof t->category_zh, "%s > %s", d->zh, c->zh);
}

void search_text(const synth_world *w, int32_t item, uint64_t draw, char *buf, size_t bytes) {
  item_words t;
  const bool zh = draw % 4 != 0; // three searches of four are in Chinese
  choose_words(w, item, zh, &t);
  const char *space = zh ? "" : " ";
  switch (draw / 4 % 4) {
  case 0:
    snprintf(buf, bytes, "%s", t.noun);
    break;
  case 1:
    snprintf(buf, bytes, "%s%s%s", t.brand, space, t.noun);
    break;
  case 2:
    snprintf(buf, bytes, "%s%s%s", t.material, space, t.noun);
    break;
  default:
    snprintf(buf, bytes, "%s %s", t.noun, t.adjective);
  }
}
