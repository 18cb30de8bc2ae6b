#pragma once

// Catches SIGTERM, SIGUSR1, SIGHUP and SIGINT, which then only set a flag, and ignores SIGPIPE and SIGXFSZ. Must be
// called before MPI_Init: the launcher forwards signals from the first moment, and a rank without a handler dies of
// them. Unblocks the four for the calling thread. A further call arms SIGINT again. Returns 0, or the errno of the call
// that failed.
int fgn_signals_install(void);

// The number of the last signal since the start or the last reset; 0 if there was none.
int fgn_signals_pending(void);

// Forgets the signals so far.
void fgn_signals_reset(void);
