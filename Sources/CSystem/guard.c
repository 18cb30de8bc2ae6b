#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The guard is a fork of a process that may have threads, so that it calls nothing here that allocates or locks.

// Milliseconds that a program has between SIGTERM and SIGKILL. Open MPI's mpirun needs two seconds.
enum { patience = 4000, pace = 20 };

static long long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void rest(void) { nanosleep(&(struct timespec){.tv_nsec = pace * 1000000L}, NULL); }

int fgn_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

// Kills the children that this thread has now; theirs become its own.
static void kill_children(void) {
  char text[4096];
  int list = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (list < 0) return;
  ssize_t count = read(list, text, sizeof text - 1);
  close(list);
  if (count <= 0) return;
  text[count] = 0;
  for (char *next = text; *next;) {
    char *end;
    long child = strtol(next, &end, 10);
    if (end == next) break;
    // A number that the buffer has cut off would be that of another process.
    if (*end == ' ' && child > 1) kill((pid_t)child, SIGKILL);
    next = *end == ' ' ? end + 1 : end;
  }
}

void fgn_end_children(int grace) {
  long long begin = milliseconds();
  for (;;) {
    pid_t ended;
    while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) {}
    if (ended < 0 && errno == ECHILD) return;
    long long waited = milliseconds() - begin;
    if (waited >= grace) kill_children();
    if (waited >= grace + 10000) return;
    rest();
  }
}

static _Noreturn void run(const struct fgn_guarded *program, int error_output, pid_t guard) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != guard) _exit(127);
  setpgid(0, 0);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int input = open("/dev/null", O_RDONLY);
  if (input >= 0 && input != STDIN_FILENO) {
    dup2(input, STDIN_FILENO);
    close(input);
  }
  dup2(error_output, STDERR_FILENO);
  execve(program->path, program->arguments, program->environment);
  _exit(127);
}

// Collects children that have ended; whether `child` is one of them, with its status.
static bool collect(pid_t child, int *status) {
  bool has_ended = false;
  pid_t ended;
  int its_status;
  while ((ended = waitpid(-1, &its_status, WNOHANG)) > 0) {
    if (ended != child) continue;
    has_ended = true;
    *status = its_status;
  }
  return has_ended;
}

static void end(pid_t child, int *status) {
  kill(child, SIGTERM);
  // A stopped process would not see it.
  kill(child, SIGCONT);
  for (long long begin = milliseconds(); milliseconds() - begin < patience; rest()) {
    if (collect(child, status)) return;
  }
  kill(child, SIGKILL);
  while (!collect(child, status)) rest();
}

// Closes all descriptors but the standard streams and these: whoever reads from a pipe of this process would wait for the guard.
static void close_others(int kept[3]) {
  unsigned next = STDERR_FILENO + 1;
  for (int place = 0; place < 3; place++) {
    for (int other = place + 1; other < 3; other++) {
      if (kept[other] >= kept[place]) continue;
      int least = kept[other];
      kept[other] = kept[place];
      kept[place] = least;
    }
    if (kept[place] < (int)next) continue;
    if (kept[place] > (int)next) syscall(SYS_close_range, next, kept[place] - 1, 0);
    next = kept[place] + 1;
  }
  syscall(SYS_close_range, next, ~0U, 0);
}

static _Noreturn void guard(const struct fgn_guarded *program, int grace, int control, int error_output) {
  setsid();
  close_others((int[]){control, error_output, program->kept});
  prctl(PR_SET_NAME, "fgn-guard");
  fgn_adopt_orphans();
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGCHLD);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  int ended = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
  pid_t own = getpid();
  pid_t child = fork();
  if (child == 0) run(program, error_output, own);
  // Its other end tells the supervisor when the last process has gone.
  close(error_output);
  int status = 127 << 8;
  while (child > 0) {
    struct pollfd sources[] = {{.fd = control, .events = POLLIN}, {.fd = ended, .events = POLLIN}};
    poll(sources, 2, -1);
    struct signalfd_siginfo information;
    while (read(ended, &information, sizeof information) > 0) {}
    if (collect(child, &status)) break;
    if (sources[0].revents == 0) continue;
    unsigned char number;
    ssize_t count = read(control, &number, 1);
    if (count == 1) {
      kill(child, number);
    } else if (count == 0 || errno != EINTR) {
      end(child, &status);
      break;
    }
  }
  fgn_end_children(grace);
  _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

pid_t fgn_guard_start(const struct fgn_guarded *program, int grace, struct fgn_guard_pipes *pipes) {
  int control[2], errors[2];
  if (pipe2(control, O_CLOEXEC) != 0) return -1;
  if (pipe2(errors, O_CLOEXEC) != 0) {
    int failure = errno;
    close(control[0]);
    close(control[1]);
    errno = failure;
    return -1;
  }
  pid_t child = fork();
  if (child == 0) {
    close(control[1]);
    close(errors[0]);
    guard(program, grace, control[0], errors[1]);
  }
  int failure = errno;
  close(control[0]);
  close(errors[1]);
  if (child < 0) {
    close(control[1]);
    close(errors[0]);
    errno = failure;
    return -1;
  }
  *pipes = (struct fgn_guard_pipes){.control = control[1], .error_output = errors[0]};
  return child;
}
