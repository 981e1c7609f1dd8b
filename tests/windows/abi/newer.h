// The newer half of mingw-w64's clusapi.h, behind what it uses of the older half, and the lengths that no header has.
#define _WIN32_WINNT 0x0600
#include <windows.h>

typedef struct _HCLUSTER *HCLUSTER;
typedef struct _HNODE *HNODE;
typedef struct _HGROUP *HGROUP;
typedef struct _HRESOURCE *HRESOURCE;
typedef union CLUSPROP_SYNTAX {
    DWORD dw;
} CLUSPROP_SYNTAX;
#define MAX_CO_PASSWORD_LENGTH 16
#define MAX_CREATINGDC_LENGTH 256
#define MAX_OBJECTID 64

#include NEWER
