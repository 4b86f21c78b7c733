// A trial's process; see sweep_internal.h.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/memory.h"
#include "sweep/sweep_internal.h"
#include "train/run_outcome.h"
#include "train/signals.h"

static const char *const unit_options[] = {"steps", "epochs", "minutes"};

// ---- its command ---------------------------------------------------------------------------------------------

typedef struct word_list {
  char **words;
  size_t n, cap;
} word_list;

void words_free(char **words) {
  for (size_t i = 0; words != NULL && words[i] != NULL; i++) free(words[i]);
  free(words);
}

static status add_word(word_list *l, const char *text) {
  TRY(mem_grow(&l->words, &l->cap, l->n + 2, sizeof *l->words, "a command"));
  l->words[l->n + 1] = NULL;
  TRY(mem_strdup(&l->words[l->n], text));
  l->n++;
  return OK;
}

// --NAME VALUE
static status add_option(word_list *l, const char *name, const char *value) {
  char dashed[OPTION_NAME + 8];
  snprintf(dashed, sizeof dashed, "--%s", name);
  TRY(add_word(l, dashed));
  return add_word(l, value);
}

static status add_number(word_list *l, const char *name, double value) {
  char text[32];
  snprintf(text, sizeof text, "%.10g", value);
  return add_option(l, name, text);
}

// How long a run is, where the clock has ended it: the same number of steps, and the learning rates that it had.
typedef struct run_length {
  const char *name;
  char value[32];
} run_length;
enum { LENGTHS = 4 };

static void find_length(run_length length[LENGTHS], const trial_result *r) {
  for (int unit = 0; unit < 3; unit++) {
    static const char *const names[] = {"train.steps", "train.epochs", "train.minutes"};
    length[unit] = (run_length){.name = names[unit], .value = "0"};
  }
  snprintf(length[0].value, sizeof length[0].value, "%lld", (long long)r->step);
  // Without a last step that is known beforehand the rate has not decayed.
  length[3] =
      (run_length){.name = r->decay_steps > 0 ? "optim.decay_steps" : "optim.schedule", .value = "constant"};
  if (r->decay_steps > 0)
    snprintf(length[3].value, sizeof length[3].value, "%lld", (long long)r->decay_steps);
}

// length: what stands for the options of the same names; NULL: nothing.
static status add_value(word_list *l, const run_length *length, const char *name, const char *value) {
  for (int i = 0; length != NULL && i < LENGTHS; i++)
    if (strcmp(length[i].name, name) == 0) return OK;
  return add_option(l, name, value);
}

static status add_values(word_list *l, const sweep *s, int64_t trial, const run_length *length) {
  char text[OPTION_STRING];
  for (size_t i = 0; i < s->plan.n_fixed; i++)
    TRY(add_value(l, length, s->plan.fixed[i].name, s->plan.fixed[i].value));
  for (size_t i = 0; i < s->plan.n_ranges; i++) {
    sweep_value(text, &s->plan, i, trial);
    TRY(add_value(l, length, s->plan.ranges[i].name, text));
  }
  for (int i = 0; length != NULL && i < LENGTHS; i++) TRY(add_option(l, length[i].name, length[i].value));
  return OK;
}

// With halving the last rung is the run's own end, and nothing else ends it.
static status add_length(word_list *l, const sweep *s) {
  char name[32];
  for (int unit = 0; s->plan.halving && unit < 3; unit++) {
    snprintf(name, sizeof name, "train.%s", unit_options[unit]);
    TRY(add_number(l, name, unit == s->plan.settings.by ? s->plan.rungs[s->plan.n_rungs - 1] : 0));
  }
  return OK;
}

static status add_pause(word_list *l, const sweep *s, int32_t rung) {
  char name[32];
  if (rung + 1 >= s->plan.n_rungs) return OK;
  snprintf(name, sizeof name, "pause_%s", unit_options[s->plan.settings.by]);
  return add_number(l, name, s->plan.rungs[rung]);
}

static status add_all(word_list *l, const sweep *s, int64_t trial, int32_t rung, const char *out,
                      bool whole) {
  char base[PATH_MAX];
  run_length length[LENGTHS];
  const trial_result *r = &s->trials[trial - 1].rungs[rung];
  const bool paused = strcmp(r->reason, "paused") == 0;
  const bool by_clock = whole && s->timed && !paused;
  if (by_clock) find_length(length, r);
  TRY(path_join(base, sizeof base, s->dir, "base.yaml"));
  TRY(add_word(l, base));
  TRY(add_values(l, s, trial, by_clock ? length : NULL));
  if (!by_clock) TRY(add_length(l, s));
  if (!s->threads_given) TRY(add_number(l, "train.threads", (double)s->threads));
  TRY(add_number(l, "train.tried", (double)s->n_trials));
  if (whole && paused) TRY(add_number(l, "pause_steps", (double)r->step));
  if (!whole) TRY(add_pause(l, s, rung));
  TRY(add_option(l, "train.out", out));
  return whole ? OK : add_word(l, "--resume");
}

status trial_words(const sweep *s, int64_t trial, int32_t rung, const char *out, bool whole, char ***words) {
  word_list l = {.words = NULL};
  const status rc = add_all(&l, s, trial, rung, out, whole);
  *words = l.words;
  if (rc == OK) return OK;
  words_free(l.words);
  *words = NULL;
  return rc;
}

static status add_shared(word_list *l, const sweep_plan *p, const char *base_path) {
  TRY(add_word(l, base_path));
  for (size_t i = 0; i < p->n_fixed; i++) TRY(add_option(l, p->fixed[i].name, p->fixed[i].value));
  return OK;
}

status sweep_words(const sweep_plan *p, const char *base_path, char ***words) {
  word_list l = {.words = NULL};
  const status rc = add_shared(&l, p, base_path);
  *words = l.words;
  if (rc == OK) return OK;
  words_free(l.words);
  *words = NULL;
  return rc;
}

static status in_dir(const sweep *s, int64_t trial, const char *end, char path[PATH_MAX]) {
  char name[64];
  snprintf(name, sizeof name, "trial-%04lld%s", (long long)trial, end);
  return path_join(path, PATH_MAX, s->dir, name);
}

status trial_dir(const sweep *s, int64_t trial, char dir[PATH_MAX]) {
  return in_dir(s, trial, "", dir);
}

static status trial_log(const sweep *s, int64_t trial, char path[PATH_MAX]) {
  return in_dir(s, trial, ".log", path);
}

// ---- its process ---------------------------------------------------------------------------------------------

// A trial of a sweep that was killed may still be about to write its last checkpoint.
static status wait_until_free(const char *dir) {
  int lock;
  for (int i = 0; dir_exists(dir); i++) {
    const status rc = dir_lock(&lock, dir, "another process trains there");
    if (rc == OK && lock >= 0) close(lock);
    if (rc == OK || signals_asked() != 0) return OK;
    if (rc != ERR_ARGUMENT || i == 600) return rc;
    usleep(100000);
  }
  return OK;
}

// In a process group of its own, so that Ctrl-C reaches the sweep alone, which tells its trials once.
static void run_child(char **words, pid_t parent, int log, const sigset_t *mask) {
  signal(SIGTERM, SIG_DFL); // the sweep's handler would swallow what comes before the program is replaced
  signal(SIGINT, SIG_DFL);
  sigprocmask(SIG_SETMASK, mask, NULL);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  const int none = open("/dev/null", O_RDONLY);
  if (none < 0 || dup2(none, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(1);
  execv("/proc/self/exe", words); // this very program, also if its file has been replaced meanwhile
  _exit(1);
}

static status spawn(char **words, const char *log_path, pid_t *pid) {
  const pid_t parent = getpid();
  const int log = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (log < 0) return fail(ERR_IO, "cannot open %s: %s", log_path, strerror(errno));
  sigset_t ours, before;
  sigemptyset(&ours);
  sigaddset(&ours, SIGTERM);
  sigaddset(&ours, SIGINT);
  sigprocmask(SIG_BLOCK, &ours, &before);
  *pid = fork();
  const int error = errno;
  if (*pid == 0) run_child(words, parent, log, &before);
  sigprocmask(SIG_SETMASK, &before, NULL);
  close(log);
  return *pid > 0 ? OK : fail(ERR_MEMORY, "cannot start a trial: %s", strerror(error));
}

// souk pretrain WORDS...
static status whole_command(const sweep *s, const sweep_job *job, const char *dir, char ***command) {
  word_list l = {.words = NULL};
  status rc = add_word(&l, "souk");
  if (rc == OK) rc = add_word(&l, "pretrain");
  if (rc == OK) rc = add_all(&l, s, job->trial, job->rung, dir, false);
  *command = l.words;
  return rc;
}

status trial_start(const sweep *s, sweep_job *job) {
  char dir[PATH_MAX], log[PATH_MAX], **command;
  TRY(trial_dir(s, job->trial, dir));
  TRY(trial_log(s, job->trial, log));
  TRY(wait_until_free(dir));
  status rc = whole_command(s, job, dir, &command);
  if (rc == OK) rc = spawn(command, log, &job->pid);
  words_free(command);
  job->starts++;
  return rc;
}

// ---- what it has come to -------------------------------------------------------------------------------------

// The last error that a trial's log tells; "" if it tells none.
static status last_error(const sweep *s, int64_t trial, char **message) {
  static const char mark[] = "souk: error: ";
  char path[PATH_MAX], *found = NULL;
  line_reader *lines;
  *message = NULL;
  TRY(trial_log(s, trial, path));
  TRY(lines_open(&lines, path, 1 << 20));
  status rc = OK;
  for (;;) {
    char *line;
    size_t bytes;
    bool end;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc != OK || end) break;
    const char *at = strstr(line, mark);
    if (at == NULL) continue;
    free(found);
    rc = mem_strdup(&found, at + strlen(mark));
    if (rc != OK) break;
  }
  lines_close(lines);
  if (rc == ERR_FORMAT) rc = OK; // what the log holds decides nothing
  if (rc == OK && found == NULL) rc = mem_strdup(&found, "");
  *message = found;
  return rc;
}

static status failed(const sweep *s, const sweep_job *job, int how, trial_result *r) {
  char name[32], text[128];
  r->state = RESULT_FAILED;
  if (WIFSIGNALED(how)) {
    snprintf(text, sizeof text, "ended by %s, %d times", human_signal(name, WTERMSIG(how)), job->starts);
    return mem_strdup(&r->message, text);
  }
  TRY(last_error(s, job->trial, &r->message));
  if (r->message[0] != '\0') return OK;
  free(r->message);
  snprintf(text, sizeof text, "ended with status %d and no message", WEXITSTATUS(how));
  return mem_strdup(&r->message, text);
}

status trial_outcome(const sweep *s, const sweep_job *job, int how, trial_result *r, bool *again) {
  char dir[PATH_MAX];
  run_outcome o;
  *r = (trial_result){.state = RESULT_DONE, .metric = NAN};
  *again = (WIFSIGNALED(how) || WEXITSTATUS(how) > 128) && job->starts < TRIAL_STARTS;
  if (*again) return OK;
  TRY(trial_dir(s, job->trial, dir));
  status rc = OK;
  if (dir_exists(dir)) rc = run_outcome_read(&o, dir, s->metric, s->smaller_is_better);
  if (dir_exists(dir) && rc == OK) {
    r->metric = o.metric;
    r->best_step = o.best_step;
    r->step = o.step;
    r->seconds = o.seconds;
    r->decay_steps = o.decay_steps;
    r->figures = json_incref(o.best);
    snprintf(r->reason, sizeof r->reason, "%s", o.reason);
    run_outcome_free(&o);
  }
  if (!WIFEXITED(how) || WEXITSTATUS(how) != 0) return failed(s, job, how, r);
  return rc;
}

// ---- what is left of it --------------------------------------------------------------------------------------

// Checkpoints, what names them, and what a step that was not finite has left.
static int is_heavy(const struct dirent *e) {
  static const char *const beginnings[] = {"step-", "damaged-step-", "nonfinite-"};
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
    if (strncmp(e->d_name, beginnings[i], strlen(beginnings[i])) == 0) return 1;
  return strcmp(e->d_name, "best") == 0 || strcmp(e->d_name, "last") == 0;
}

static status discard(const char *run, const char *name) {
  char path[PATH_MAX];
  TRY(path_join(path, sizeof path, run, name));
  if (dir_exists(path)) return dir_discard(path);
  return unlink(path) == 0 || errno == ENOENT ? OK
                                              : fail(ERR_IO, "cannot remove %s: %s", path, strerror(errno));
}

status trial_discard(const sweep *s, int64_t trial) {
  char run[PATH_MAX];
  struct dirent **found;
  TRY(trial_dir(s, trial, run));
  const int n = scandir(run, &found, is_heavy, NULL);
  if (n < 0) return errno == ENOENT ? OK : fail(ERR_IO, "cannot open directory %s: %s", run, strerror(errno));
  status rc = OK;
  for (int i = 0; i < n; i++) {
    if (rc == OK) rc = discard(run, found[i]->d_name);
    free(found[i]);
  }
  free(found);
  return rc;
}
