// The one function that Rust's standard library takes from bcryptprimitives.dll, for a Wine that has no such library.
// It goes into the test prefix only; Windows has its own.
#include <windows.h>

// RtlGenRandom, by the name under which advapi32.dll exports it.
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length) {
    while (length > 0) {
        ULONG part = length > 0x40000000 ? 0x40000000 : (ULONG)length;
        if (!SystemFunction036(buffer, part)) return FALSE;
        buffer += part;
        length -= part;
    }
    return TRUE;
}
