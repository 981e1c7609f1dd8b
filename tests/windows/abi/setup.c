// The life of a cluster in C, by the newer half of mingw-w64's clusapi.h: setup.exe caller|worker|cancel
//
//   caller, worker   creates a cluster with the struct of 2008, adds a node, reads both, destroys the cluster; the
//                    callbacks come on the calling thread, or on others
//   cancel           answers FALSE to the first report, which ends the call with 1223
#include "newer.h"
#include "check.h"
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

int failed;
#ifdef BY_NAME
HMODULE library;
#endif

typedef struct {
    CLUSTER_SETUP_PHASE phase;
    CLUSTER_SETUP_PHASE_TYPE type;
    CLUSTER_SETUP_PHASE_SEVERITY severity;
    DWORD percent;
    DWORD status;
    DWORD thread;
    BOOL named;
    wchar_t name[64];
} Report;

typedef struct {
    Report reports[256];
    unsigned count;
    BOOL answer;
} Reports;

static WINBOOL WINAPI progress(PVOID argument, CLUSTER_SETUP_PHASE phase, CLUSTER_SETUP_PHASE_TYPE type,
                               CLUSTER_SETUP_PHASE_SEVERITY severity, DWORD percent, PCWSTR name, DWORD status) {
    Reports *all = argument;
    if (all->count == 256) {
        ++failed;
        return FALSE;
    }
    Report *report = &all->reports[all->count++];
    *report = (Report){phase, type, severity, percent, status, GetCurrentThreadId(), name != NULL, L""};
    if (name) wcsncpy(report->name, name, 63);
    // What a callback does to the last error is its own affair.
    SetLastError(0xBEEF);
    return all->answer;
}

// The place of the first report of a kind, or the count of reports.
static unsigned find(const Reports *all, CLUSTER_SETUP_PHASE phase, CLUSTER_SETUP_PHASE_TYPE type, const wchar_t *name) {
    unsigned at = 0;
    while (at < all->count && !(all->reports[at].phase == phase && all->reports[at].type == type &&
                                (!name || wcscmp(all->reports[at].name, name) == 0)))
        ++at;
    return at;
}

// What holds for the reports of every call that works: each phase of an object starts before it ends, the percentage
// rises to 100, nothing is worse than a note, and the threads are as the world promises.
static void check_reports(const Reports *all, BOOL on_caller) {
    CHECK(all->count > 0);
    DWORD percent = 0;
    for (unsigned at = 0; at < all->count; ++at) {
        const Report *report = &all->reports[at];
        CHECK(report->percent >= percent && report->percent <= 100);
        percent = report->percent;
        CHECK(report->severity == ClusterSetupPhaseInformational);
        CHECK(report->status == 0);
        CHECK(report->named);
        CHECK((report->thread == GetCurrentThreadId()) == on_caller);
        if (report->type == ClusterSetupPhaseEnd)
            CHECK(find(all, report->phase, ClusterSetupPhaseStart, report->name) < at);
    }
    CHECK(percent == 100);
    CHECK(all->reports[0].phase == ClusterSetupPhaseInitialize);
    CHECK(all->reports[0].type == ClusterSetupPhaseStart);
    CHECK(all->reports[all->count - 1].type == ClusterSetupPhaseEnd);
}

// A struct at the very end of the memory that can be read: reading on is a crash.
static CREATE_CLUSTER_CONFIG *at_the_end(const CREATE_CLUSTER_CONFIG *config) {
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    size_t page = system.dwPageSize;
    BYTE *pages = VirtualAlloc(NULL, 2 * page, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    DWORD before;
    if (!pages || !VirtualProtect(pages + page, page, PAGE_NOACCESS, &before)) exit(250);
    return memcpy(pages + page - sizeof *config, config, sizeof *config);
}

int main(int count, char **arguments) {
    if (count < 2) return 251;
    BOOL on_caller = strcmp(arguments[1], "worker") != 0;
    BOOL cancel = strcmp(arguments[1], "cancel") == 0;
#ifdef BY_NAME
    library = count > 2 ? LoadLibraryA(arguments[2]) : NULL;
    if (!library) return 252;
#endif
    FUNCTION(CreateCluster);
    FUNCTION(AddClusterNode);
    FUNCTION(DestroyCluster);

    PCWSTR nodes[] = {L"n1"};
    CLUSTER_IP_ENTRY addresses[] = {{L"10.0.0.200", 24}};
    CREATE_CLUSTER_CONFIG config = {0x600, L"CL1", 1, nodes, 1, addresses, FALSE};
    CREATE_CLUSTER_CONFIG *last = at_the_end(&config);
    CHECK(sizeof config == 56);
    Reports *all = calloc(1, sizeof *all);
    if (!all) return 253;
    all->answer = !cancel;

    if (cancel) {
        FAILS(CreateCluster_(last, progress, all), NULL, 1223);
        CHECK(find(all, ClusterSetupPhaseFailureCleanup, ClusterSetupPhaseEnd, NULL) < all->count);
        printf("%d failed\n", failed);
        return failed;
    }

    // What cannot be created says why, and reports nothing.
    FAILS(CreateCluster_(NULL, progress, all), NULL, ERROR_INVALID_PARAMETER);
    last->dwVersion = 0x5FF;
    FAILS(CreateCluster_(last, progress, all), NULL, ERROR_REVISION_MISMATCH);
    last->dwVersion = 0x600;
    CHECK(all->count == 0);

    HCLUSTER cluster = CreateCluster_(last, progress, all);
    CHECK(cluster != NULL);
    check_reports(all, on_caller);
    CHECK(wcscmp(all->reports[0].name, L"CL1") == 0);
    unsigned validated = find(all, ClusterSetupPhaseValidateNodeState, ClusterSetupPhaseStart, L"n1");
    unsigned formed = find(all, ClusterSetupPhaseFormingCluster, ClusterSetupPhaseEnd, L"CL1");
    unsigned addressed = find(all, ClusterSetupPhaseCreateIPAddressResources, ClusterSetupPhaseEnd, L"10.0.0.200");
    CHECK(validated < formed && formed < addressed && addressed < all->count);
    read_cluster(cluster, L"CL1", 1);

    all->count = 0;
    // Without a callback nobody is told, and the call is the same.
    HNODE node = AddClusterNode_(cluster, L"n2", NULL, NULL);
    CHECK(node != NULL);
    read_node(node);
    FAILS(AddClusterNode_(cluster, L"n2", progress, all), NULL, ERROR_CLUSTER_NODE_ALREADY_MEMBER);
    all->count = 0;
    HNODE third = AddClusterNode_(cluster, L"n3", progress, all);
    CHECK(third != NULL);
    check_reports(all, on_caller);
    CHECK(find(all, ClusterSetupPhaseAddNodeToCluster, ClusterSetupPhaseStart, L"n3") <
          find(all, ClusterSetupPhaseNodeUp, ClusterSetupPhaseEnd, L"n3"));
    read_cluster(cluster, L"CL1", 3);
    close_all(NULL, third);

    all->count = 0;
    CHECK(DestroyCluster_(cluster, progress, all, TRUE) == ERROR_SUCCESS);
    check_reports(all, on_caller);
    CHECK(find(all, ClusterSetupPhaseCleanupCOs, ClusterSetupPhaseEnd, NULL) < all->count);
    unsigned cleaned = find(all, ClusterSetupPhaseCleanupNode, ClusterSetupPhaseEnd, L"n2");
    CHECK(find(all, ClusterSetupPhaseEvictNode, ClusterSetupPhaseStart, L"n2") < cleaned && cleaned < all->count);
    close_all(cluster, node);
    // The code is the answer of calls that return one.
    CHECK(DestroyCluster_(cluster, progress, all, TRUE) == ERROR_INVALID_HANDLE);
    read_after();
    printf("%d failed\n", failed);
    return failed;
}
