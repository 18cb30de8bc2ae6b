// Memory that other processes can map, too.
#pragma once

// The descriptor of a new file that lies in memory and has no name, closed on exec; -1, with errno, where there is none.
int fgn_memory_file(const char *label);
