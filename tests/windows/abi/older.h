// The older half of mingw-w64's clusapi.h, and resapi.h.
#define _WIN32_WINNT 0x0502
#include <windows.h>
// resapi.h names this type of the newer half.
typedef struct _CLUSPROP_FILETIME *PCLUSPROP_FILETIME;
#include <clusapi.h>
#include <resapi.h>
