/* cli/help.c - help, man pages and shell completion, all out of the commands' tables. */
#include "cli.h"

#include <string.h>

#include "dataset.h"

const cli_command *const cli_commands[] = {
    &cli_command_index,   &cli_command_slices,  &cli_command_get,     &cli_command_map,  &cli_command_verify,
    &cli_command_show,    &cli_command_ls,      &cli_command_cat,     &cli_command_cp,   &cli_command_rm,
    &cli_command_dataset, &cli_command_formats, &cli_command_version, &cli_command_help, NULL};

const cli_command *const cli_dataset_commands[] = {&cli_dataset_create,  &cli_dataset_append, &cli_dataset_read,
                                                   &cli_dataset_count,   &cli_dataset_update, &cli_dataset_delete,
                                                   &cli_dataset_upsert,  &cli_dataset_index,  &cli_dataset_gc,
                                                   &cli_dataset_compact, &cli_dataset_log,    &cli_dataset_restore,
                                                   &cli_dataset_expire,  &cli_dataset_drop,   &cli_dataset_show_command,
                                                   &cli_dataset_write,   &cli_dataset_commit, NULL};

static const cli_command *find_in(const cli_command *const *commands, const char *name) {
  for (; *commands != NULL; commands++)
    if (strcmp((*commands)->name, name) == 0) return *commands;
  return NULL;
}

const cli_command *cli_find_command(const char *name) {
  const cli_command *found = find_in(cli_commands, name);
  return found != NULL ? found : find_in(cli_dataset_commands, name);
}

/* The part of a name behind "dataset ". */
static const char *last_word(const char *name) {
  const char *space = strrchr(name, ' ');
  return space == NULL ? name : space + 1;
}

static int run_dataset(cli *c) {
  char name[64];
  if (c->n_args == 0) return cli_usage(c->command, "which command? meseta help dataset lists them");
  snprintf(name, sizeof name, "dataset %s", c->args[0]);
  return cli_usage(c->command, "there is no command %s", name);
}

static const cli_option dataset_options[] = {{NULL, 0, CLI_FLAG, NULL, NULL}};
const cli_command cli_command_dataset = {
    "dataset",
    "tables of many Parquet files: create, read, change, keep",
    "COMMAND URL …",
    "A table's URL is its store's URL, \"/\" and its name. Each command that changes it makes one commit: it is done, "
    "or nothing has "
    "changed. Several writers at once never lose each other's work; those that collide get exit code 5.\n",
    "meseta dataset create s3://lake/sales sales.parquet --partition-on day\ta table partitioned by day\n"
    "meseta dataset read s3://lake/sales --where \"qty > 3\"\tits rows as JSON Lines\n",
    dataset_options,
    run_dataset,
    false};

static void print_option(const cli_option *o, FILE *to) {
  char left[64];
  if (o->letter != 0)
    snprintf(left, sizeof left, "-%c, --%s%s%s", o->letter, o->name, o->value != NULL ? " " : "",
             o->value != NULL ? o->value : "");
  else
    snprintf(left, sizeof left, "    --%s%s%s", o->name, o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
  fprintf(to, "  %-28s %s%s\n", left, strlen(left) > 28 ? "\n                               " : "", o->help);
}

static void print_options(const cli_option *options, FILE *to) {
  for (; options != NULL && options->name != NULL; options++) print_option(options, to);
}

/* "command\tmeaning" lines. */
static void print_examples(const char *text, FILE *to, const char *command_format, const char *meaning_format) {
  while (text != NULL && *text != '\0') {
    const char *tab = strchr(text, '\t'), *end = strchr(text, '\n');
    if (tab == NULL || end == NULL) return;
    fprintf(to, command_format, (int)(tab - text), text);
    fprintf(to, meaning_format, (int)(end - tab - 1), tab + 1);
    text = end + 1;
  }
}

void cli_print_help(const cli_command *command, FILE *to) {
  fprintf(to, "meseta %s - %s\n\nUsage: meseta %s %s\n\n%s\n", command->name, command->title, command->name,
          command->usage, command->text);
  if (command == &cli_command_dataset) {
    fputs("Commands (meseta help dataset COMMAND tells more):\n", to);
    for (size_t i = 0; cli_dataset_commands[i] != NULL; i++)
      fprintf(to, "  %-9s %s\n", last_word(cli_dataset_commands[i]->name), cli_dataset_commands[i]->title);
    fputc('\n', to);
  }
  if (command->options != NULL && command->options->name != NULL) {
    fputs("Options:\n", to);
    print_options(command->options, to);
    fputc('\n', to);
  }
  fputs("Common options:\n", to);
  print_options(cli_common_options, to);
  if (command->examples != NULL) {
    fputs("\nExamples:\n", to);
    print_examples(command->examples, to, "  %.*s\n", "      %.*s\n");
  }
}

void cli_print_usage(FILE *to) {
  fputs("meseta - cut raw files in object stores into lazy slices, without copying them\n\nUsage: meseta COMMAND …\n\n",
        to);
  for (size_t i = 0; cli_commands[i] != NULL; i++)
    fprintf(to, "  %-9s %s\n", cli_commands[i]->name, cli_commands[i]->title);
  fputs("\nURLs: a path, file:///path, s3://bucket/key, http(s)://host/path, memory://name/key.\n"
        "More: meseta help COMMAND, man meseta-COMMAND.\n",
        to);
}

/* ---- man pages ---- */

/* troff: a leading dot or quote and every backslash or minus would be taken for a command. */
static void roff(const char *text, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const bool first = i == 0 || text[i - 1] == '\n';
    if (first && (text[i] == '.' || text[i] == '\'')) fputs("\\&", stdout);
    if (text[i] == '\\') fputs("\\e", stdout);
    else if (text[i] == '-') fputs("\\-", stdout);
    else if (text[i] == '\n' && i + 1 < n) fputs("\n.PP\n", stdout);
    else fputc(text[i], stdout);
  }
}

static void roff_text(const char *text) { roff(text, strlen(text)); }

static void man_options(const cli_option *options) {
  for (; options != NULL && options->name != NULL; options++) {
    fputs(".TP\n", stdout);
    if (options->letter != 0) printf("\\fB\\-%c\\fR, ", options->letter);
    fputs("\\fB\\-\\-", stdout);
    roff_text(options->name);
    fputs("\\fR", stdout);
    if (options->value != NULL) printf(" \\fI%s\\fR", options->value);
    fputc('\n', stdout);
    roff_text(options->help);
    fputc('\n', stdout);
  }
}

static void man_head(const char *name, const char *title) {
  printf(".TH \"%s\" 1 \"\" \"meseta %s\" \"meseta\"\n.SH NAME\n", name, mst_version());
  roff_text(name);
  printf(" \\- ");
  roff_text(title);
  printf("\n.SH SYNOPSIS\n");
}

static void man_tail(void) {
  fputs(".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage, 3 not found, 4 changed source or stale index, 5 conflict, 6 "
        "corrupt input, "
        "130 interrupted.\n.SH ENVIRONMENT\n"
        "\\fBMESETA_THREADS\\fR, \\fBMESETA_MEMORY\\fR: defaults of \\-\\-jobs and \\-\\-memory. "
        "\\fBAWS_ENDPOINT_URL_S3\\fR, \\fBAWS_ACCESS_KEY_ID\\fR, \\fBAWS_SECRET_ACCESS_KEY\\fR, "
        "\\fBAWS_SESSION_TOKEN\\fR, "
        "\\fBAWS_REGION\\fR, \\fBAWS_PROFILE\\fR and the rest of the usual AWS chain. \\fBNO_COLOR\\fR is honoured.\n",
        stdout);
}

static int man_of_program(void) {
  man_head("meseta", "cut raw files in object stores into lazy slices, without copying them");
  fputs(".B meseta\n.I COMMAND\n…\n.SH DESCRIPTION\nA raw file (FASTQ, FASTA, VCF, CSV, text; plain, gzip, BGZF or "
        "zstd) is indexed once, "
        "read\\-only, with the index beside it; then it is cut again and again, at no cost, into slices that any "
        "worker reads with a few "
        "range requests.\n.SH COMMANDS\n",
        stdout);
  for (size_t i = 0; cli_commands[i] != NULL; i++) {
    printf(".TP\n\\fBmeseta\\-%s\\fR(1)\n", cli_commands[i]->name);
    roff_text(cli_commands[i]->title);
    fputc('\n', stdout);
  }
  man_tail();
  return cli_flush();
}

static void man_dataset(void) {
  fputs(".SH COMMANDS\n", stdout);
  for (size_t i = 0; cli_dataset_commands[i] != NULL; i++) {
    const cli_command *c = cli_dataset_commands[i];
    printf(".SS \"meseta %s ", c->name);
    for (const char *at = c->usage; *at != '\0'; at++) {
      if (*at == '"') fputs("\\(dq", stdout);
      else if (*at == '-') fputs("\\-", stdout);
      else fputc(*at, stdout);
    }
    fputs("\"\n", stdout);
    roff_text(c->title);
    fputs(".\n", stdout);
    roff_text(c->text);
    man_options(c->options);
  }
}

int cli_print_man(const char *name) {
  if (name == NULL || strcmp(name, "meseta") == 0) return man_of_program();
  const cli_command *c = cli_find_command(name);
  if (c == NULL) return cli_usage(NULL, "there is no command %s", name);
  char full[64];
  snprintf(full, sizeof full, "meseta-%s", c->name);
  man_head(full, c->title);
  printf("\\fBmeseta %s\\fR ", c->name);
  roff_text(c->usage);
  fputs("\n.SH DESCRIPTION\n", stdout);
  roff_text(c->text);
  if (c == &cli_command_dataset) man_dataset();
  fputs(".SH OPTIONS\n", stdout);
  man_options(c->options);
  man_options(cli_common_options);
  if (c->examples != NULL) {
    fputs(".SH EXAMPLES\n", stdout);
    print_examples(c->examples, stdout, ".TP\n\\fB%.*s\\fR\n", "%.*s\n");
  }
  man_tail();
  fputs(".SH SEE ALSO\n\\fBmeseta\\fR(1)\n", stdout);
  return cli_flush();
}

/* ---- completion ---- */

static void long_names(const cli_option *options, const char *separator) {
  for (; options != NULL && options->name != NULL; options++) printf("--%s%s", options->name, separator);
}

static int complete_bash(void) {
  fputs("# bash completion for meseta; generated from the command table\n_meseta() {\n"
        "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" options=\"\"\n"
        "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"",
        stdout);
  for (size_t i = 0; cli_commands[i] != NULL; i++) printf("%s ", cli_commands[i]->name);
  fputs("\" -- \"$cur\"))\n    return\n  fi\n  case \"${COMP_WORDS[1]}\" in\n", stdout);
  for (size_t i = 0; cli_commands[i] != NULL; i++) {
    if (cli_commands[i] == &cli_command_dataset) continue;
    printf("    %s) options=\"", cli_commands[i]->name);
    long_names(cli_commands[i]->options, " ");
    fputs("\" ;;\n", stdout);
  }
  fputs("    dataset)\n      if [ \"$COMP_CWORD\" -eq 2 ]; then\n        COMPREPLY=($(compgen -W \"", stdout);
  for (size_t i = 0; cli_dataset_commands[i] != NULL; i++) printf("%s ", last_word(cli_dataset_commands[i]->name));
  fputs("\" -- \"$cur\"))\n        return\n      fi\n      case \"${COMP_WORDS[2]}\" in\n", stdout);
  for (size_t i = 0; cli_dataset_commands[i] != NULL; i++) {
    printf("        %s) options=\"", last_word(cli_dataset_commands[i]->name));
    long_names(cli_dataset_commands[i]->options, " ");
    fputs("\" ;;\n", stdout);
  }
  fputs("      esac ;;\n", stdout);
  fputs("  esac\n  case \"$cur\" in\n    -*) COMPREPLY=($(compgen -W \"$options ", stdout);
  long_names(cli_common_options, " ");
  fputs("\" -- \"$cur\")) ;;\n    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n  esac\n}\ncomplete -o filenames -F "
        "_meseta meseta\n",
        stdout);
  return cli_flush();
}

/* Quotes and brackets mean something to zsh's _arguments. */
static void zsh_text(const char *text) {
  for (; *text != '\0'; text++) {
    if (*text == '\'') fputs("'\\''", stdout);
    else if (*text == '[' || *text == ']' || *text == ':') printf("\\%c", *text);
    else fputc(*text, stdout);
  }
}

static void zsh_options(const cli_option *options) {
  for (; options != NULL && options->name != NULL; options++) {
    printf(" \\\n        '--%s%s[", options->name, options->value != NULL ? "=" : "");
    zsh_text(options->help);
    fputs("]", stdout);
    if (options->value != NULL) {
      fputc(':', stdout);
      zsh_text(options->value);
      fputc(':', stdout);
    }
    fputc('\'', stdout);
  }
}

static int complete_zsh(void) {
  fputs("#compdef meseta\n# generated from the command table\n_meseta() {\n  if (( CURRENT == 2 )); then\n    local -a "
        "commands=(",
        stdout);
  for (size_t i = 0; cli_commands[i] != NULL; i++) {
    printf("\n      '%s:", cli_commands[i]->name);
    zsh_text(cli_commands[i]->title);
    fputs("'", stdout);
  }
  fputs(")\n    _describe command commands\n    return\n  fi\n  case $words[2] in\n", stdout);
  fputs("    dataset)\n      if (( CURRENT == 3 )); then\n        local -a commands=(", stdout);
  for (size_t i = 0; cli_dataset_commands[i] != NULL; i++) {
    printf("\n          '%s:", last_word(cli_dataset_commands[i]->name));
    zsh_text(cli_dataset_commands[i]->title);
    fputs("'", stdout);
  }
  fputs(")\n        _describe command commands\n        return\n      fi\n      case $words[3] in\n", stdout);
  for (size_t i = 0; cli_dataset_commands[i] != NULL; i++) {
    printf("        %s) _arguments", last_word(cli_dataset_commands[i]->name));
    zsh_options(cli_dataset_commands[i]->options);
    zsh_options(cli_common_options);
    fputs(" '*:file:_files' ;;\n", stdout);
  }
  fputs("      esac ;;\n", stdout);
  for (size_t i = 0; cli_commands[i] != NULL; i++) {
    if (cli_commands[i] == &cli_command_dataset) continue;
    printf("    %s) _arguments", cli_commands[i]->name);
    zsh_options(cli_commands[i]->options);
    zsh_options(cli_common_options);
    fputs(" '*:file:_files' ;;\n", stdout);
  }
  fputs("  esac\n}\n_meseta \"$@\"\n", stdout);
  return cli_flush();
}

static void fish_text(const char *text) {
  for (; *text != '\0'; text++) {
    if (*text == '\'' || *text == '\\') fputc('\\', stdout);
    fputc(*text, stdout);
  }
}

static void fish_options(const cli_option *options, const char *command) {
  for (; options != NULL && options->name != NULL; options++) {
    fputs("complete -c meseta", stdout);
    if (command != NULL) printf(" -n '__fish_seen_subcommand_from %s'", command);
    printf(" -l %s", options->name);
    if (options->letter != 0) printf(" -s %c", options->letter);
    if (options->value != NULL) fputs(" -r", stdout);
    fputs(" -d '", stdout);
    fish_text(options->help);
    fputs("'\n", stdout);
  }
}

static int complete_fish(void) {
  fputs("# fish completion for meseta; generated from the command table\n", stdout);
  for (size_t i = 0; cli_commands[i] != NULL; i++) {
    printf("complete -c meseta -n __fish_use_subcommand -a %s -d '", cli_commands[i]->name);
    fish_text(cli_commands[i]->title);
    fputs("'\n", stdout);
    fish_options(cli_commands[i]->options, cli_commands[i]->name);
  }
  for (size_t i = 0; cli_dataset_commands[i] != NULL; i++) {
    const char *name = last_word(cli_dataset_commands[i]->name);
    printf("complete -c meseta -n '__fish_seen_subcommand_from dataset' -a %s -d '", name);
    fish_text(cli_dataset_commands[i]->title);
    fputs("'\n", stdout);
    fish_options(cli_dataset_commands[i]->options, name);
  }
  fish_options(cli_common_options, NULL);
  return cli_flush();
}

int cli_print_completion(const char *shell) {
  if (strcmp(shell, "bash") == 0) return complete_bash();
  if (strcmp(shell, "zsh") == 0) return complete_zsh();
  if (strcmp(shell, "fish") == 0) return complete_fish();
  return cli_usage(NULL, "completion is made for bash, zsh and fish, not for %s", shell);
}
