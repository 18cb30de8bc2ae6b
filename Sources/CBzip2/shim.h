#pragma once
// bzlib.h needs FILE.
#include <stdio.h>
#include <bzlib.h>
