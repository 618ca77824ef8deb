/*
 * load_watch.c - two looks at /proc/stat and what lies between them
 */
#include "app/load_watch.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool load_watch_parse(const char *line, double ticks, double *total, double *busy)
{
    unsigned long long user, nice, system, idle, waiting, interrupt, soft, stolen;

    if (ticks <= 0 || sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
                             &system, &idle, &waiting, &interrupt, &soft, &stolen) != 8)
        return false;
    *busy = (double)(user + nice + system + interrupt + soft + stolen) / ticks;
    *total = *busy + (double)(idle + waiting) / ticks;
    return *total > 0;
}

static double own_seconds(void)
{
    double seconds = 0;
    const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};

    for (int i = 0; i < 2; i++) {
        struct rusage usage;

        if (getrusage(whose[i], &usage) == 0)
            seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    }
    return seconds;
}

void load_watch_begin(struct load_watch *watch)
{
    FILE *file = fopen("/proc/stat", "re");
    char line[256];

    watch->known =
        file != NULL && fgets(line, sizeof line, file) != NULL &&
        load_watch_parse(line, (double)sysconf(_SC_CLK_TCK), &watch->total, &watch->busy);
    if (file != NULL)
        fclose(file);
    watch->own = own_seconds();
    watch->at = seconds_now();
}

double load_watch_share(struct load_watch *watch)
{
    const struct load_watch before = *watch;

    load_watch_begin(watch);
    const double total = watch->total - before.total;
    if (!before.known || !watch->known || total <= 0)
        return -1;
    const double others = watch->busy - before.busy - (watch->own - before.own);
    return others <= 0 ? 0 : others >= total ? 1 : others / total;
}

double load_watch_age(const struct load_watch *watch)
{
    return seconds_now() - watch->at;
}
