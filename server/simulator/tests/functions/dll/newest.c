/* A resource DLL of the newest version for the tests: StartupEx, the V4 table, control codes that end later. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef uint16_t wide;
typedef void *(*resolver)(const char *);

struct status_ex {
    int32_t state;
    uint32_t check_point;
    void *event;
    uint32_t error, flags, wait_hint;
};

struct callbacks {
    void (*log_event)(intptr_t, int32_t, const wide *, ...);
    uint32_t (*set_status)(intptr_t, struct status_ex *);
    uint32_t (*set_locked)(intptr_t, int32_t, uint32_t);
    uint32_t (*signal_failure)(intptr_t, int32_t, uint32_t);
    uint32_t (*set_local)(intptr_t, const uint8_t *, uint32_t);
    uint32_t (*end_control)(int64_t, uint32_t);
    uint32_t (*end_type_control)(int64_t, uint32_t);
};

struct resource {
    intptr_t handle;
    void *key;
};

static struct callbacks *monitor;
static resolver cluster_api;

EXPORT void SetClusterApi(resolver resolve) {
    cluster_api = resolve;
}

static void *open_v2(const wide *name, void *key, intptr_t handle, uint32_t flags) {
    struct resource *resource = calloc(1, sizeof *resource);
    (void)name;
    (void)flags;
    resource->handle = handle;
    resource->key = key;
    return resource;
}

static void close_it(void *resource) {
    free(resource);
}

static uint32_t online_v2(const void *id, void **event, uint32_t flags, const uint8_t *in, uint32_t size, uint32_t no) {
    const struct resource *resource = id;
    struct status_ex status = {129, 1, NULL, 0, 0, 0};
    (void)event;
    (void)flags;
    (void)in;
    (void)size;
    (void)no;
    monitor->set_status(resource->handle, &status);
    return 997;
}

static uint32_t offline_v2(const void *id, const wide *to, uint32_t flags, const uint8_t *in, uint32_t size, uint32_t no) {
    (void)id;
    (void)to;
    (void)flags;
    (void)in;
    (void)size;
    (void)no;
    return 0;
}

static void terminate_it(void *id) {
    (void)id;
}

static int32_t alive(void *id) {
    (void)id;
    return 1;
}

/* 1: come online; 2: fail with 4711; 3: signal a failure; 4: lock; 5: unlock; 6: read the value Greeting; 7: end later. */
static uint32_t begin_control(void *id, uint32_t code, void *in, uint32_t in_size, void *out, uint32_t out_size,
                              uint32_t *returned, int64_t context, int32_t *asynchronous) {
    struct resource *resource = id;
    struct status_ex status = {2, 0, NULL, 0, 0, 0};
    static const wide greeting[] = {'G', 'r', 'e', 'e', 't', 'i', 'n', 'g', 0};
    static const wide parameters[] = {'P', 'a', 'r', 'a', 'm', 'e', 't', 'e', 'r', 's', 0};
    (void)in;
    (void)in_size;
    switch (code & 0xFF) {
    case 0x01 << 2:
        monitor->set_status(resource->handle, &status);
        return 0;
    case 0x02 << 2:
        status.state = 4;
        status.error = 4711;
        monitor->set_status(resource->handle, &status);
        return 0;
    case 0x03 << 2:
        return monitor->signal_failure(resource->handle, 0, 0);
    case 0x04 << 2:
        return monitor->set_locked(resource->handle, 1, 0);
    case 0x05 << 2:
        return monitor->set_locked(resource->handle, 0, 0);
    case 0x06 << 2: {
        int32_t (*open_key)(void *, const wide *, uint32_t, void **) = cluster_api("ClusterRegOpenKey");
        int32_t (*query)(void *, const wide *, uint32_t *, uint8_t *, uint32_t *) = cluster_api("ClusterRegQueryValue");
        void *key = NULL;
        uint32_t type = 0;
        int32_t result = open_key(resource->key, parameters, 0x20019, &key);
        *returned = out_size;
        return result != 0 ? (uint32_t)result : (uint32_t)query(key, greeting, &type, out, returned);
    }
    case 0x07 << 2:
        *asynchronous = 1;
        if (out_size >= 4) {
            memcpy(out, "late", 4);
        }
        *returned = 4;
        monitor->end_control(context, 0);
        return 997;
    default:
        return 1;
    }
}

static uint32_t begin_type_control(const wide *kind, uint32_t code, void *in, uint32_t in_size, void *out, uint32_t out_size,
                                   uint32_t *returned, int64_t context, int32_t *asynchronous) {
    (void)kind;
    (void)code;
    (void)in;
    (void)in_size;
    (void)out;
    (void)out_size;
    (void)returned;
    (void)context;
    (void)asynchronous;
    return 1;
}

static struct {
    uint32_t size, version;
    void *functions[14];
} table = {
    sizeof table,
    0x400,
    {open_v2, close_it, online_v2, offline_v2, terminate_it, alive, alive, NULL, NULL, begin_control, begin_type_control},
};

EXPORT uint32_t StartupEx(const wide *kind, uint32_t oldest, uint32_t newest, struct callbacks *callbacks, void **functions) {
    (void)kind;
    if (oldest > 0x400 || newest < 0x400) {
        return 1306;
    }
    monitor = callbacks;
    *functions = &table;
    return 0;
}
