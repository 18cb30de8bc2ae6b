// The routines of LAPACK that the package uses, declared here because its header is a separate system package.
#pragma once

void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
