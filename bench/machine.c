/* machine.c: asking /proc. */
#define _GNU_SOURCE /* sched_getaffinity() */

#include "bench/machine.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

static void machine_cpu(struct machine *machine)
{
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "re");

    (void)snprintf(machine->cpu, sizeof(machine->cpu), "unknown");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "model name", strlen("model name")) == 0 && strchr(line, ':') != NULL) {
            const char *name = strchr(line, ':') + 1;
            (void)snprintf(machine->cpu, sizeof(machine->cpu), "%.*s", (int)strcspn(name + 1, "\n"),
                           name + 1);
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static void machine_kernel(struct machine *machine)
{
    struct utsname names;

    if (uname(&names) < 0) {
        (void)snprintf(machine->kernel, sizeof(machine->kernel), "unknown");
        return;
    }
    (void)snprintf(machine->kernel, sizeof(machine->kernel), "%s %s", names.sysname, names.release);
}

/* The device of the path, or of the nearest directory above it. */
static int machine_device(const char *path, dev_t *device)
{
    char above[PATH_MAX];
    struct stat status;

    (void)snprintf(above, sizeof(above), "%s", path);
    while (stat(above, &status) < 0) {
        char *slash = strrchr(above, '/');
        if (slash == above || strcmp(above, ".") == 0) {
            return -1;
        }
        (void)snprintf(slash != NULL ? slash : above, 2, "%s", slash != NULL ? "" : ".");
    }
    *device = status.st_dev;
    return 0;
}

/* A line of mountinfo: "36 35 98:0 /root /mount options ... - type source super-options". */
static void machine_file_system(struct machine *machine, const char *data_dir)
{
    char line[4096];
    dev_t device = 0;

    (void)snprintf(machine->file_system, sizeof(machine->file_system), "unknown");
    FILE *file = fopen("/proc/self/mountinfo", "re");
    if (file == NULL || machine_device(data_dir, &device) < 0) {
        goto out;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned int device_major = 0;
        unsigned int device_minor = 0;
        char type[64];
        char source[128];
        const char *rest = strstr(line, " - ");

        if (sscanf(line, "%*s %*s %u:%u", &device_major, &device_minor) == 2 &&
            device_major == major(device) && device_minor == minor(device) && rest != NULL &&
            sscanf(rest, " - %63s %127s", type, source) == 2) {
            (void)snprintf(machine->file_system, sizeof(machine->file_system), "%s on %s", type,
                           source);
            break;
        }
    }
out:
    if (file != NULL) {
        (void)fclose(file);
    }
}

void machine_describe(struct machine *machine, const char *data_dir)
{
    cpu_set_t cores;

    memset(machine, 0, sizeof(*machine));
    machine_cpu(machine);
    machine_kernel(machine);
    if (sched_getaffinity(0, sizeof(cores), &cores) == 0) {
        machine->core_count = (uint32_t)CPU_COUNT(&cores);
    }
    if (data_dir != NULL) {
        machine_file_system(machine, data_dir);
    }
}
