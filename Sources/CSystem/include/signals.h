#pragma once

// Catches SIGTERM, SIGUSR1, SIGHUP and SIGINT, which then only set a flag, and ignores SIGPIPE and SIGXFSZ. Call it before MPI_Init: the
// launcher forwards signals from the first moment, and a rank without a handler dies of them. Unblocks the four for the
// calling thread. Calling it again arms SIGINT again. Returns 0, or the errno of the call that failed.
int fgn_signals_install(void);

// The number of the signal that came last since the start or the last reset; 0 if none came.
int fgn_signals_pending(void);

// Forgets the signals that came so far.
void fgn_signals_reset(void);
