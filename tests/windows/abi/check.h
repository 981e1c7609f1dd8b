// What both halves of the program share. Handles are void pointers here, since each half of the header has its own.
#include <stdio.h>

// Tells a failed check and counts it; the count is the program's exit code.
extern int failed;
#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            ++failed;                                                             \
            printf("%s:%d: %s (last error %lu)\n", __FILE__, __LINE__, #condition, \
                   (unsigned long)GetLastError());                                \
        }                                                                         \
    } while (0)

// Gives the function of a name its address: by the linker, or by the loader.
#ifdef BY_NAME
extern HMODULE library;
#define FUNCTION(name) __typeof__(&name) name##_ = (__typeof__(&name))(void *)GetProcAddress(library, #name)
#else
#define FUNCTION(name) __typeof__(&name) name##_ = name
#endif

// Checks that a call fails in its way and sets the last error, which is set to something else before.
#define FAILS(call, answer, code)           \
    do {                                    \
        SetLastError(0xDEAD);               \
        CHECK((call) == (answer));          \
        CHECK(GetLastError() == (code));    \
    } while (0)

// reads.c
void read_cluster(void *cluster, const wchar_t *name, unsigned nodes);
void read_node(void *node);
void close_all(void *cluster, void *node);
void read_after(void);
