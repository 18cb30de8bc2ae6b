#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

// The handler may run on any thread (BLAS and MPI have threads of their own) while the main thread reads. `volatile
// sig_atomic_t` orders nothing between threads; a lock-free atomic does, and is as safe in a handler.
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler may only touch lock-free atomics");
static atomic_int pending;

static void remember(int signal_number) { atomic_store(&pending, signal_number); }

static int catch_signal(int signal_number, int flags) {
  struct sigaction action = {.sa_handler = remember, .sa_flags = flags | SA_RESTART};
  sigfillset(&action.sa_mask);
  if (sigaction(signal_number, &action, NULL) != 0) return errno;

  // A blocked signal would wait forever, and a parent that starts programs from a worker thread passes on its mask.
  sigset_t caught;
  sigemptyset(&caught);
  sigaddset(&caught, signal_number);
  return pthread_sigmask(SIG_UNBLOCK, &caught, NULL);
}

int fgn_signals_install(void) {
  int failure = catch_signal(SIGTERM, 0);
  if (failure == 0) failure = catch_signal(SIGUSR1, 0);
  if (failure != 0) return failure;

  // `nohup` makes the process ignore SIGHUP: the program is to outlive its terminal.
  struct sigaction current;
  if (sigaction(SIGHUP, NULL, &current) != 0) return errno;
  if (current.sa_handler != SIG_IGN) failure = catch_signal(SIGHUP, 0);
  if (failure != 0) return failure;

  // A shell starts background jobs with SIGINT ignored, so that ^C for another program does not reach them.
  if (sigaction(SIGINT, NULL, &current) != 0) return errno;
  // SA_RESETHAND: the first SIGINT requests an orderly end, and the second one kills, for a user who does not want to
  // wait.
  if (current.sa_handler != SIG_IGN) failure = catch_signal(SIGINT, SA_RESETHAND);
  if (failure != 0) return failure;

  // Writing to a closed pipe (`fgn-dist inspect … | head`), or beyond the limit on file sizes, is then an error of
  // write, which names itself.
  if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR) return errno;
  return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? errno : 0;
}

int fgn_signals_pending(void) { return atomic_load(&pending); }

void fgn_signals_reset(void) { atomic_store(&pending, 0); }
