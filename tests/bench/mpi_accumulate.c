/* The peer with a window: rank 0 exposes memory, ranks 1 … W push with MPI_Accumulate(MPI_SUM), a
 * call a tensor, and pull with MPI_Get. Rank 0 clears the window before each round, outside of all
 * times. */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct window {
    MPI_Win handle;
    float *base; /* rank 0's */
    int tensors;
    int count; /* elements of each */
    int rank;
};

static void clear(const struct window *w, size_t bytes)
{
    if (w->rank != 0)
        return;
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, w->handle);
    memset(w->base, 0, bytes);
    MPI_Win_unlock(0, w->handle);
}

static void push(const struct window *w, const float *gradient)
{
    if (w->rank == 0)
        return;
    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, w->handle);
    for (MPI_Aint i = 0; i < w->tensors; i++)
        MPI_Accumulate(gradient + i * w->count, w->count, MPI_FLOAT, 0, i * w->count, w->count,
                       MPI_FLOAT, MPI_SUM, w->handle);
    MPI_Win_unlock(0, w->handle);
}

static void pull(const struct window *w, float *const *sums)
{
    if (w->rank == 0)
        return;
    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, w->handle);
    for (MPI_Aint i = 0; i < w->tensors; i++)
        MPI_Get(sums[i], w->count, MPI_FLOAT, 0, i * w->count, w->count, MPI_FLOAT, w->handle);
    MPI_Win_unlock(0, w->handle);
}

/* Notes when this rank came, waits for all. */
static double *meet(double *arrival)
{
    *arrival = bench_seconds();
    MPI_Barrier(MPI_COMM_WORLD);
    return arrival + 1;
}

static void run(const struct bench *bench, const struct window *window, double *arrival)
{
    float *gradient = bench_floats(bench->bytes);
    float **sums = bench_sums(bench, true);
    for (long r = 0; r < bench->warm_up + bench->rounds; r++) {
        if (window->rank > 0)
            bench_before(bench, window->rank - 1, r, gradient);
        clear(window, bench->bytes);
        arrival = meet(arrival);
        push(window, gradient);
        arrival = meet(arrival);
        pull(window, sums);
        if (window->rank > 0)
            bench_touch(bench, r, sums);
        arrival = meet(arrival);
        if (window->rank > 0)
            bench_after(bench, r, sums);
    }
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    const char *const keys[] = {BENCH_KEYS, NULL};
    const char *usage = "mpirun -np WORKERS+1 ... mpi_accumulate " BENCH_USAGE;
    struct words words = words_read(argv, usage, keys);
    struct bench bench = bench_read("MPI_Accumulate", &words);
    struct window window = {
        .tensors = (int)bench.tensors,
        .count = (int)(bench.bytes / bench.tensors / sizeof(float)),
    };
    int ranks;
    MPI_Comm_rank(MPI_COMM_WORLD, &window.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (ranks != bench.workers + 1)
        bench_fail("mpirun", "-np must be the workers and one more");
    MPI_Win_allocate(window.rank == 0 ? (MPI_Aint)bench.bytes : 0, sizeof(float), MPI_INFO_NULL,
                     MPI_COMM_WORLD, &window.base, &window.handle);
    int meetings = (bench.warm_up + bench.rounds) * BENCH_MEETINGS;
    double *arrival = calloc((size_t)meetings * 2, sizeof *arrival);
    if (arrival == NULL)
        bench_fail("memory", "none left");
    double *last = arrival + meetings;
    run(&bench, &window, arrival);
    MPI_Reduce(arrival, last, meetings, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    if (window.rank == 0)
        bench_report(&bench, last);
    free(arrival);
    MPI_Win_free(&window.handle);
    MPI_Finalize();
    return 0;
}
