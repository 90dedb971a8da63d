/* cli/options.c - from argv to values, by the commands' tables. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const cli_option cli_common_options[] = {
    {"json", 0, CLI_FLAG, NULL, "machine-readable output"},
    {"jobs", 'j', CLI_NUMBER, "N", "work on N things at once; default: the cores of this process (MESETA_THREADS)"},
    {"memory", 0, CLI_SIZE, "SIZE", "memory budget for buffers and caches; default 64 MiB (MESETA_MEMORY)"},
    {"storage", 0, CLI_PAIRS, "KEY=VALUE",
     "a storage option such as endpoint_url=http://… or anon=true; may be repeated"},
    {"quiet", 'q', CLI_FLAG, NULL, "no progress bar, no notes"},
    {"help", 'h', CLI_FLAG, NULL, "show this help"},
    {NULL, 0, CLI_FLAG, NULL, NULL},
};

static const cli_option *find_in(const cli_option *options, const char *name, size_t n, char letter) {
  for (; options != NULL && options->name != NULL; options++) {
    if (name != NULL && strlen(options->name) == n && strncmp(options->name, name, n) == 0) return options;
    if (name == NULL && options->letter == letter && letter != 0) return options;
  }
  return NULL;
}

static const cli_option *find_option(const cli *c, const char *name, size_t n, char letter) {
  const cli_option *o = find_in(c->command->options, name, n, letter);
  return o != NULL ? o : find_in(cli_common_options, name, n, letter);
}

static bool parse_number(const char *text, uint64_t *out) {
  if (*text < '0' || *text > '9') return false;
  char *end = NULL;
  errno = 0;
  const unsigned long long v = strtoull(text, &end, 10);
  *out = v;
  return errno == 0 && *end == '\0';
}

static bool parse_size(const char *text, uint64_t *out) {
  static const struct {
    const char *name;
    double factor;
  } units[] = {{"", 1},
               {"k", 1e3},
               {"K", 1e3},
               {"M", 1e6},
               {"G", 1e9},
               {"T", 1e12},
               {"Ki", 1024.0},
               {"ki", 1024.0},
               {"Mi", 1048576.0},
               {"Gi", 1073741824.0},
               {"Ti", 1099511627776.0}};
  char *end = NULL;
  if (*text < '0' || *text > '9') return false;
  const double v = strtod(text, &end);
  size_t n = strlen(end);
  if (n > 0 && end[n - 1] == 'B') n--;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (strlen(units[i].name) != n || strncmp(units[i].name, end, n) != 0) continue;
    if (v * units[i].factor > 9e18) return false;
    *out = (uint64_t)(v * units[i].factor + 0.5);
    return true;
  }
  return false;
}

/* A value that reads as true, false, null or a number is one; anything else is text. */
static json_t *guess_json(const char *text) {
  json_t *v = NULL;
  if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "null") == 0)
    v = json_loads(text, JSON_DECODE_ANY, NULL);
  return v != NULL ? v : json_string(text);
}

/* JSON where it parses as JSON, else text. */
static json_t *any_json(const char *text) {
  json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
  return v != NULL ? v : json_string(text);
}

static int put_pair(cli *c, const cli_option *o, char *text) {
  char *equals = strchr(text, '=');
  if (equals == NULL || equals == text) return cli_usage(c->command, "--%s takes KEY=VALUE, not \"%s\"", o->name, text);
  *equals = '\0';
  if (strcmp(o->name, "storage") != 0) {
    const bool any = strcmp(o->name, "set") == 0;
    if (c->dialect == NULL) c->dialect = json_object();
    if (json_object_set_new(c->dialect, text, any ? any_json(equals + 1) : guess_json(equals + 1)) != 0)
      return cli_usage(c->command, "--%s %s: not valid UTF-8", o->name, text);
    return 0;
  }
  if (c->n_storage == CLI_PAIRS_MAX) return cli_usage(c->command, "too many --storage options");
  c->storage[c->n_storage++] = (mst_pair){.key = text, .value = equals + 1};
  return 0;
}

static int join_value(cli *c, cli_value *v, const char *text) {
  char *joined = NULL;
  if (asprintf(&joined, "%s %s", v->text, text) < 0)
    return cli_usage(c->command, "--%s: not enough memory", v->option->name);
  free(v->joined);
  v->text = v->joined = joined;
  return 0;
}

void cli_free_values(cli *c) {
  for (size_t i = 0; i < c->n_values; i++) free(c->values[i].joined);
}

static int put_value(cli *c, const cli_option *o, char *text) {
  cli_value *v = NULL;
  if (o->type == CLI_PAIRS) return put_pair(c, o, text);
  for (size_t i = 0; i < c->n_values; i++)
    if (c->values[i].option == o) v = &c->values[i];
  if (v == NULL) {
    if (c->n_values == sizeof c->values / sizeof *c->values) return cli_usage(c->command, "too many options");
    v = &c->values[c->n_values++];
  }
  if (o->type == CLI_LIST && v->text != NULL) return join_value(c, v, text);
  *v = (cli_value){.option = o, .text = text == NULL ? "" : text};
  if (o->type == CLI_NUMBER && (!parse_number(text, &v->number) || v->number == 0))
    return cli_usage(c->command, "--%s takes a whole number above 0, not \"%s\"", o->name, text);
  if (o->type == CLI_COUNT && !parse_number(text, &v->number))
    return cli_usage(c->command, "--%s takes a whole number, not \"%s\"", o->name, text);
  if (o->type == CLI_SIZE && !parse_size(text, &v->number))
    return cli_usage(c->command, "--%s takes a size such as 64MiB, not \"%s\"", o->name, text);
  return 0;
}

static int unknown(const cli *c, const char *what) { return cli_usage(c->command, "there is no option %s", what); }

static int parse_long(cli *c, int argc, char **argv, int *i) {
  char *name = argv[*i] + 2, *value = strchr(name, '=');
  const size_t n = value != NULL ? (size_t)(value - name) : strlen(name);
  const cli_option *o = find_option(c, name, n, 0);
  if (o == NULL) return unknown(c, argv[*i]);
  if (o->type == CLI_FLAG)
    return value != NULL ? cli_usage(c->command, "--%s takes no value", o->name) : put_value(c, o, NULL);
  if (value != NULL) return put_value(c, o, value + 1);
  if (*i + 1 >= argc) return cli_usage(c->command, "--%s needs %s", o->name, o->value);
  return put_value(c, o, argv[++*i]);
}

static int parse_letters(cli *c, int argc, char **argv, int *i) {
  for (char *at = argv[*i] + 1; *at != '\0'; at++) {
    const cli_option *o = find_option(c, NULL, 0, *at);
    if (o == NULL) return unknown(c, argv[*i]);
    if (o->type == CLI_FLAG) {
      const int code = put_value(c, o, NULL);
      if (code != 0) return code;
      continue;
    }
    if (at[1] != '\0') return put_value(c, o, at + 1);
    if (*i + 1 >= argc) return cli_usage(c->command, "-%c needs %s", *at, o->value);
    return put_value(c, o, argv[++*i]);
  }
  return 0;
}

int cli_parse(cli *c, int argc, char **argv) {
  c->args = argv; /* positional arguments are moved to the front */
  c->n_args = 0;
  for (int i = 0; i < argc; i++) {
    int code = 0;
    if (strcmp(argv[i], "--") == 0) {
      if (c->command->rest_is_command) {
        c->rest = argv + i + 1;
        c->n_rest = argc - i - 1;
      } else {
        while (++i < argc) argv[c->n_args++] = argv[i];
      }
      break;
    }
    if (argv[i][0] != '-' || argv[i][1] == '\0') argv[c->n_args++] = argv[i];
    else if (argv[i][1] == '-') code = parse_long(c, argc, argv, &i);
    else code = parse_letters(c, argc, argv, &i);
    if (code != 0) return code;
  }
  return 0;
}

static const cli_value *find_value(const cli *c, const char *option) {
  for (size_t i = 0; i < c->n_values; i++)
    if (strcmp(c->values[i].option->name, option) == 0) return &c->values[i];
  return NULL;
}

bool cli_has(const cli *c, const char *option) { return find_value(c, option) != NULL; }

const char *cli_text(const cli *c, const char *option) {
  const cli_value *v = find_value(c, option);
  return v == NULL ? NULL : v->text;
}

uint64_t cli_number(const cli *c, const char *option) {
  const cli_value *v = find_value(c, option);
  return v == NULL ? 0 : v->number;
}
