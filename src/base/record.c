// Option tables as json; see record.h.
#include "base/record.h"

#include <string.h>
#include "base/options_internal.h"

// ---- writing -------------------------------------------------------------------------------------------------

static json_t *field_to_json(const option *o, const void *target) {
  const char *field = (const char *)target + o->offset;
  bool yes;
  int choice;
  int64_t whole;
  double real;
  char name[OPTION_STRING];
  switch (o->type) {
  case OPT_BOOL:
    memcpy(&yes, field, sizeof yes);
    return json_boolean(yes);
  case OPT_INT:
  case OPT_BYTES:
    memcpy(&whole, field, sizeof whole);
    return json_integer(whole);
  case OPT_FLOAT:
    memcpy(&real, field, sizeof real);
    return json_real(real);
  case OPT_STRING:
    return json_string(field);
  case OPT_CHOICE:
    memcpy(&choice, field, sizeof choice);
    choice_name(o->choices, choice, name, sizeof name);
    return json_string(name);
  case OPT_ALIAS:
    break;
  }
  return NULL;
}

json_t *record_write(const option_section *parts, size_t n) {
  json_t *j = json_object();
  int bad = j == NULL;
  for (size_t s = 0; s < n; s++)
    for (size_t i = 0; bad == 0 && i < parts[s].count; i++)
      if (parts[s].options[i].type != OPT_ALIAS)
        bad = json_object_set_new(j, parts[s].options[i].name,
                                  field_to_json(&parts[s].options[i], parts[s].target));
  if (bad == 0) return j;
  json_decref(j);
  return NULL;
}

// ---- reading -------------------------------------------------------------------------------------------------

static bool is_among(const char *const *names, const char *name) {
  for (; names != NULL && *names != NULL; names++)
    if (strcmp(*names, name) == 0) return true;
  return false;
}

static bool is_field(const option_section *parts, size_t n, const char *name) {
  for (size_t s = 0; s < n; s++)
    for (size_t i = 0; i < parts[s].count; i++)
      if (strcmp(parts[s].options[i].name, name) == 0) return true;
  return false;
}

static status unknown_field(const record_source *from, const char *prefix, const char *name) {
  const char *dot = prefix[0] != '\0' ? "." : "";
  if (from->writer == NULL)
    return fail(ERR_UNSUPPORTED,
                "%s: field \"%s%s%.100s\" is unknown to souk " SOUK_VERSION
                ", and the file does not say which version wrote it",
                from->path, prefix, dot, name);
  return fail(ERR_UNSUPPORTED,
              "%s: field \"%s%s%.100s\" is unknown; %.60s wrote it, this is souk " SOUK_VERSION, from->path,
              prefix, dot, name, from->writer);
}

status record_check_names(const json_t *j, const char *prefix, const char *const *names,
                          const record_source *from) {
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)j, name, value) {
    if (!is_among(names, name)) return unknown_field(from, prefix, name);
  }
  return OK;
}

// By its name, or by one that it had before.
static const json_t *value_of(const option_section *s, const option *o, const json_t *j) {
  const json_t *value = json_object_get(j, o->name);
  for (size_t i = 0; value == NULL && i < s->count; i++)
    if (options_target(s, &s->options[i]) == o) value = json_object_get(j, s->options[i].name);
  return value;
}

static bool number_from_json(const option *o, const json_t *value, char *field) {
  const double number = json_number_value(value);
  const bool whole = o->type != OPT_FLOAT;
  if (whole ? !json_is_integer(value) : !json_is_number(value)) return false;
  if (o->min < o->max && !(number >= o->min && number <= o->max)) return false;
  const int64_t integer = json_integer_value(value);
  memcpy(field, whole ? (const void *)&integer : (const void *)&number, sizeof number);
  return true;
}

// A number counts in the order of the names, so a new name goes behind those that 0.1.0 had.
static bool choice_from_json(const option *o, const json_t *value, char *field) {
  int choice;
  if (json_is_integer(value)) {
    const json_int_t number = json_integer_value(value);
    if (number < 0 || number >= choice_count(o->choices)) return false;
    choice = (int)number;
  } else if (!json_is_string(value) || !parse_choice(o->choices, json_string_value(value), &choice)) {
    return false;
  }
  memcpy(field, &choice, sizeof choice);
  return true;
}

static bool field_from_json(const option *o, const json_t *value, void *target) {
  char *field = (char *)target + o->offset;
  switch (o->type) {
  case OPT_BOOL: {
    const bool yes = json_is_true(value);
    memcpy(field, &yes, sizeof yes);
    return json_is_boolean(value);
  }
  case OPT_INT:
  case OPT_BYTES:
  case OPT_FLOAT:
    return number_from_json(o, value, field);
  case OPT_STRING:
    if (!json_is_string(value) || json_string_length(value) >= OPTION_STRING) return false;
    strcpy(field, json_string_value(value));
    return true;
  case OPT_CHOICE:
    return choice_from_json(o, value, field);
  case OPT_ALIAS:
    break;
  }
  return false;
}

// A name that a later version may have: nothing is damaged, as with an unknown field.
static status unknown_choice(const record_source *from, const char *field, const json_t *value,
                             const option *o) {
  return fail(ERR_UNSUPPORTED,
              "%s: field \"%s\": \"%.100s\" is not one of %s; %.60s wrote it, this is souk " SOUK_VERSION,
              from->path, field, json_string_value(value), o->choices,
              from->writer != NULL ? from->writer : "an unknown version");
}

static status read_part(const option_section *s, const json_t *j, const record_rules *rules) {
  for (size_t i = 0; i < s->count; i++) {
    const option *o = &s->options[i];
    if (o->type == OPT_ALIAS) continue;
    const json_t *value = value_of(s, o, j);
    if (value == NULL && !is_among(rules->required, o->name)) continue; // has its default
    if (value != NULL && field_from_json(o, value, s->target)) continue;
    char name[OPTION_NAME];
    options_name(name, s, o);
    if (o->type == OPT_CHOICE && json_is_string(value)) return unknown_choice(rules->from, name, value, o);
    return fail(ERR_FORMAT, "%s: field \"%s\" is missing, of the wrong type or out of range",
                rules->from->path, name);
  }
  return OK;
}

status record_read(const option_section *parts, size_t n, const json_t *j, const record_rules *rules) {
  const char *name, *prefix = parts[0].prefix;
  json_t *value;
  if (!json_is_object(j))
    return fail(ERR_FORMAT, "%s: field \"%s\" is missing, or no object", rules->from->path, prefix);
  TRY(options_defaults(&(option_set){.sections = parts, .count = n}));
  for (size_t s = 0; s < n; s++) TRY(read_part(&parts[s], j, rules));
  json_object_foreach((json_t *)j, name, value) {
    if (!is_field(parts, n, name) && !is_among(rules->others, name))
      return unknown_field(rules->from, prefix, name);
  }
  return OK;
}
