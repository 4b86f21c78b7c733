// A child process over a socket pair; see child.h.
#include "base/child.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/memory.h"

struct child {
  pid_t pid;
  int channel;
  bool ended;
  char what[512];
};

// ---- the child's side ----------------------------------------------------------------------------------------

bool channel_read(int channel, void *data, size_t bytes) {
  for (char *to = data; bytes > 0;) {
    const ssize_t n = recv(channel, to, bytes, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    bytes -= (size_t)n;
  }
  return true;
}

bool channel_write(int channel, const void *data, size_t bytes) {
  for (const char *from = data; bytes > 0;) {
    const ssize_t n = send(channel, from, bytes, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    from += n;
    bytes -= (size_t)n;
  }
  return true;
}

void child_time_limit(int seconds) {
  const struct itimerval limit = {.it_value = {.tv_sec = seconds}};
  setitimer(ITIMER_PROF, &limit, NULL);
}

static void close_span(int first, int last) {
  if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0) return;
  const long most = sysconf(_SC_OPEN_MAX); // for a kernel without close_range
  for (int fd = first; fd <= last && fd < most; fd++) close(fd);
}

// All but standard output, standard error and the channel.
static void close_others(int channel) {
  close(STDIN_FILENO);
  close_span(STDERR_FILENO + 1, channel - 1);
  close_span(channel + 1, INT_MAX);
}

static void run_child(int channel, void (*serve)(void *self, int channel), void *self) {
  // The terminal's Ctrl-C and a scheduler's SIGTERM go to the whole group; the parent decides when we end.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  // Signals kill the child as they kill any process: the parent's handlers must not run here.
  static const int fatal[] = {SIGPROF, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
  for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) signal(fatal[i], SIG_DFL);
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  close_others(channel);
  serve(self, channel);
#ifdef SOUK_COVERAGE // make coverage: what was run here counts, too
  void __gcov_dump(void);
  __gcov_dump();
#endif
  _exit(0); // not exit(): the parent's buffers must not be flushed a second time
}

// ---- the parent's side ---------------------------------------------------------------------------------------

status child_start(child **out, const char *what, void (*serve)(void *self, int channel), void *self) {
  *out = NULL;
  child *c;
  int pair[2];
  TRY(mem_new(&c, 1, sizeof *c, "a child process"));
  snprintf(c->what, sizeof c->what, "%s", what);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    const int error = errno;
    free(c);
    return fail(ERR_IO, "cannot make a channel to %s: %s", what, strerror(error));
  }
  c->channel = pair[0];
  c->pid = fork();
  if (c->pid == 0) run_child(pair[1], serve, self);
  close(pair[1]);
  if (c->pid < 0) {
    const int error = errno;
    close(pair[0]);
    free(c);
    return fail(ERR_MEMORY, "cannot start %s: %s", what, strerror(error));
  }
  *out = c;
  return OK;
}

// Clang's OpenMP library makes a file for every process, forked ones too, which a killed process leaves behind. If it
// was killed while making the file, a later process with the same number dies of SIGBUS when it opens it.
static void remove_traces(pid_t pid) {
#ifdef __clang__
  char file[80];
  snprintf(file, sizeof file, "/dev/shm/__KMP_REGISTERED_LIB_%ld_%ld", (long)pid, (long)getuid());
  unlink(file);
#else
  (void)pid;
#endif
}

void child_stop(child *c) {
  if (c == NULL) return;
  close(c->channel);
  if (!c->ended) {
#ifndef SOUK_COVERAGE // with coverage the child must end by itself, to write its counters
    kill(c->pid, SIGKILL);
#endif
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    remove_traces(c->pid);
  }
  free(c);
}

// The channel broke: the child has died, or is about to.
static status dead(child *c) {
  char name[32];
  if (c->ended) return fail(ERR_FORMAT, "%s has ended", c->what);
  int how = 0;
  pid_t pid = 0;
  for (int i = 0; i < 100 && pid == 0; i++) {
    pid = waitpid(c->pid, &how, WNOHANG);
    if (pid == 0) usleep(10000);
  }
  if (pid == 0) { // it has closed the channel and still runs, which our code never does
    kill(c->pid, SIGKILL);
    while ((pid = waitpid(c->pid, &how, 0)) < 0 && errno == EINTR) {
    }
  }
  c->ended = true;
  remove_traces(c->pid);
  if (pid == c->pid && WIFSIGNALED(how) && WTERMSIG(how) == SIGPROF)
    return fail(ERR_FORMAT, "%s did not finish", c->what);
  if (pid == c->pid && WIFSIGNALED(how))
    return fail(ERR_FORMAT, "%s was ended by %s (%s)", c->what, human_signal(name, WTERMSIG(how)),
                strsignal(WTERMSIG(how)));
  return fail(ERR_FORMAT, "%s ended before it answered", c->what);
}

status child_send(child *c, const void *data, size_t bytes) {
  return !c->ended && channel_write(c->channel, data, bytes) ? OK : dead(c);
}

status child_receive(child *c, void *data, size_t bytes) {
  return !c->ended && channel_read(c->channel, data, bytes) ? OK : dead(c);
}
