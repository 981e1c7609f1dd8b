// A cluster API that has few functions, as that of an old Windows has: no host belongs to a cluster.
#include "older.h"

__declspec(dllexport) DWORD WINAPI GetNodeClusterState(LPCWSTR name, DWORD *state) {
    (void)name;
    *state = ClusterStateNotConfigured;
    return ERROR_SUCCESS;
}

__declspec(dllexport) HCLUSTER WINAPI OpenCluster(LPCWSTR name) {
    (void)name;
    SetLastError(EPT_S_NOT_REGISTERED);
    return NULL;
}

__declspec(dllexport) WINBOOL WINAPI CloseCluster(HCLUSTER cluster) {
    (void)cluster;
    SetLastError(ERROR_INVALID_HANDLE);
    return FALSE;
}
