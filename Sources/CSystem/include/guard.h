// A process between a supervisor and the program that it runs, so that the death of either leaves nothing running.
#pragma once

#include <sys/types.h>

// What a guard runs.
struct fgn_guarded {
  const char *path;
  char *const *arguments;
  char *const *environment;
  // A descriptor that the guard keeps, such as one with a lock, or -1. It has no others of this process but the standard streams.
  int kept;
};

// The ends of pipes to a guard and its program.
struct fgn_guard_pipes {
  // A byte that is written to it is a signal for the program.
  int control;
  // The program's standard error, which ends with the last of its processes.
  int error_output;
};

// Starts a guard, in a session of its own, that runs a program without standard input.
//
// The guard exits as the program does, with 128 + the signal that ended it, once no descendant of the program is left: those
// that outlive it are given `grace` milliseconds, then they are killed, stopped or not. Where `control` is closed, as by the
// death of this process, the guard ends the program, by SIGTERM and some seconds later by SIGKILL. Where the guard dies, the
// program does, too.
//
// Returns the guard's process id, or -1 with errno.
pid_t fgn_guard_start(const struct fgn_guarded *program, int grace, struct fgn_guard_pipes *pipes);

// Makes this process the parent of descendants whose parents die. Returns 0, or -1 with errno.
int fgn_adopt_orphans(void);

// Waits for all children, and kills those that are left after `grace` milliseconds. Gives up ten seconds later.
void fgn_end_children(int grace);
