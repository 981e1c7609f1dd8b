// Reading a cluster in C, by the older half of mingw-w64's clusapi.h.
#include "older.h"
#include "check.h"
#include <stdlib.h>
#include <wchar.h>

// Walks a property list by the structs of the header; whether it holds a property, whose DWORD goes to `value` where
// there is one. A list that is not well formed fails a check.
static BOOL property(BYTE *list, DWORD bytes, const wchar_t *name, DWORD *value) {
    CLUSPROP_BUFFER_HELPER at = {.pb = list};
    BYTE *end = list + bytes;
    BOOL found = FALSE;
    for (DWORD left = *at.pdw++; left > 0; --left) {
        CHECK(at.pSyntax->dw == CLUSPROP_SYNTAX_NAME);
        BOOL wanted = _wcsicmp(at.pName->sz, name) == 0;
        found = found || wanted;
        at.pb += sizeof(CLUSPROP_VALUE) + ALIGN_CLUSPROP(at.pName->cbLength);
        while (at.pSyntax->dw != CLUSPROP_SYNTAX_ENDMARK) {
            if (wanted && value && at.pSyntax->wFormat == CLUSPROP_FORMAT_DWORD) *value = at.pDwordValue->dw;
            at.pb += sizeof(CLUSPROP_VALUE) + ALIGN_CLUSPROP(at.pValue->cbLength);
            if (at.pb + sizeof(DWORD) > end) {
                CHECK(!"the list ends within a property");
                return FALSE;
            }
        }
        at.pb += sizeof(CLUSPROP_SYNTAX);
    }
    CHECK(at.pb <= end);
    return found;
}

void read_cluster(void *opaque, const wchar_t *name, unsigned nodes) {
    HCLUSTER cluster = opaque;
    FUNCTION(GetClusterInformation);
    FUNCTION(ClusterOpenEnum);
    FUNCTION(ClusterGetEnumCount);
    FUNCTION(ClusterEnum);
    FUNCTION(ClusterCloseEnum);
    FUNCTION(ClusterControl);

    WCHAR found[64];
    DWORD units = 2;
    CLUSTERVERSIONINFO info = {.dwVersionInfoSize = sizeof info};
    // A short buffer is told its need, without the NUL.
    CHECK(GetClusterInformation_(cluster, found, &units, &info) == ERROR_MORE_DATA);
    CHECK(units == wcslen(name));
    units = 64;
    CHECK(GetClusterInformation_(cluster, found, &units, &info) == ERROR_SUCCESS);
    CHECK(wcscmp(found, name) == 0 && units == wcslen(name));
    CHECK(info.MajorVersion == 10 && info.BuildNumber > 0);
    CHECK(CLUSTER_GET_MAJOR_VERSION(info.dwClusterHighestVersion) >= 11);

    HCLUSENUM all = ClusterOpenEnum_(cluster, CLUSTER_ENUM_NODE);
    CHECK(all != NULL);
    CHECK(ClusterGetEnumCount_(all) == nodes);
    DWORD type, index = 0;
    for (;; ++index) {
        units = 64;
        DWORD code = ClusterEnum_(all, index, &type, found, &units);
        if (code == ERROR_NO_MORE_ITEMS) break;
        if (code != ERROR_SUCCESS) {
            CHECK(code == ERROR_SUCCESS);
            break;
        }
        CHECK(type == CLUSTER_ENUM_NODE && found[0] == L'n' && units == 2);
    }
    CHECK(index == nodes);
    CHECK(ClusterCloseEnum_(all) == ERROR_SUCCESS);
    FAILS(ClusterOpenEnum_(cluster, 0), NULL, ERROR_INVALID_PARAMETER);

    DWORD need = 0;
    CHECK(ClusterControl_(cluster, NULL, CLUSCTL_CLUSTER_GET_COMMON_PROPERTIES, NULL, 0, NULL, 0, &need) ==
          ERROR_MORE_DATA);
    BYTE *list = malloc(need);
    DWORD told = 0;
    CHECK(ClusterControl_(cluster, NULL, CLUSCTL_CLUSTER_GET_COMMON_PROPERTIES, NULL, 0, list, need, &told) ==
          ERROR_SUCCESS);
    CHECK(told == need);
    CHECK(property(list, told, L"AddEvictDelay", NULL));
    CHECK(!property(list, told, L"NoSuchProperty", NULL));
    free(list);
}

void read_node(void *opaque) {
    HNODE node = opaque;
    FUNCTION(GetClusterNodeState);
    FUNCTION(GetClusterNodeId);
    FUNCTION(ClusterNodeControl);
    CHECK(GetClusterNodeState_(node) == ClusterNodeUp);
    WCHAR id[16];
    DWORD units = 16;
    CHECK(GetClusterNodeId_(node, id, &units) == ERROR_SUCCESS);
    CHECK(wcscmp(id, L"2") == 0);
    BYTE list[4096];
    DWORD told = 0, version = 0;
    CHECK(ClusterNodeControl_(node, NULL, CLUSCTL_NODE_GET_RO_COMMON_PROPERTIES, NULL, 0, list, sizeof list, &told) ==
          ERROR_SUCCESS);
    CHECK(property(list, told, L"NodeHighestVersion", &version));
    CHECK(CLUSTER_GET_MAJOR_VERSION(version) >= 11);
    FAILS(GetClusterNodeState_(NULL), ClusterNodeStateUnknown, ERROR_INVALID_HANDLE);
}

void close_all(void *cluster, void *node) {
    FUNCTION(CloseCluster);
    FUNCTION(CloseClusterNode);
    if (node) {
        CHECK(CloseClusterNode_(node));
        FAILS(CloseClusterNode_(node), FALSE, ERROR_INVALID_HANDLE);
    }
    if (cluster) {
        CHECK(CloseCluster_(cluster));
        FAILS(CloseCluster_(cluster), FALSE, ERROR_INVALID_HANDLE);
    }
}

void read_after(void) {
    FUNCTION(OpenCluster);
    FUNCTION(GetNodeClusterState);
    FAILS(OpenCluster_(L"CL1"), NULL, RPC_S_SERVER_UNAVAILABLE);
    DWORD state = 0;
    CHECK(GetNodeClusterState_(L"n2", &state) == ERROR_SUCCESS);
    CHECK(state == ClusterStateNotConfigured);
}
