/* LogEvent of the resource API takes a variable number of arguments, which stable Rust can call but not define. */
#include <stdarg.h>
#include <stdint.h>

/* Every argument that FormatMessage knows is an integer or a pointer, and takes one place of 64 bits on the systems here. */
enum { MOST = 99 };

static int32_t (*count_arguments)(const uint16_t *format);
static void (*write_event)(intptr_t handle, int32_t level, const uint16_t *format, const uint64_t *arguments, int32_t count);

void wsfc_simulator_log_to(int32_t (*count)(const uint16_t *),
                           void (*write)(intptr_t, int32_t, const uint16_t *, const uint64_t *, int32_t)) {
    count_arguments = count;
    write_event = write;
}

void wsfc_simulator_log_event(intptr_t handle, int32_t level, const uint16_t *format, ...) {
    uint64_t arguments[MOST];
    int32_t count = count_arguments(format);
    va_list list;
    int32_t i;
    va_start(list, format);
    for (i = 0; i < count && i < MOST; i++) {
        arguments[i] = va_arg(list, uint64_t);
    }
    va_end(list);
    write_event(handle, level, format, arguments, i);
}
