/* The peer with a window: rank 0 exposes memory, ranks 1 ... W push with MPI_Accumulate(MPI_SUM)
 * and pull with MPI_Get. The window is not cleared in between, so that only the first round's sum
 * can be compared; what moves is the same in every round. */
#include <mpi.h>
#include <stdlib.h>

#include "bench.h"

struct window {
    MPI_Win handle;
    int count;
    int rank;
};

static void push(const struct window *w, const float *gradient)
{
    if (w->rank == 0)
        return;
    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, w->handle);
    MPI_Accumulate(gradient, w->count, MPI_FLOAT, 0, 0, w->count, MPI_FLOAT, MPI_SUM, w->handle);
    MPI_Win_unlock(0, w->handle);
}

static void pull(const struct window *w, float *result)
{
    if (w->rank == 0)
        return;
    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, w->handle);
    MPI_Get(result, w->count, MPI_FLOAT, 0, 0, w->count, MPI_FLOAT, w->handle);
    MPI_Win_unlock(0, w->handle);
}

static void run(const struct bench *bench, const struct window *window, double *times)
{
    float *gradient = bench_floats(bench->bytes, (float)window->rank);
    float *result = bench_floats(bench->bytes, 0);
    for (int r = -BENCH_WARM_UP; r < bench->rounds; r++) {
        MPI_Barrier(MPI_COMM_WORLD);
        double started = bench_seconds();
        push(window, gradient);
        MPI_Barrier(MPI_COMM_WORLD);
        double pushed = bench_seconds();
        pull(window, result);
        MPI_Barrier(MPI_COMM_WORLD);
        if (r == -BENCH_WARM_UP && window->rank > 0)
            bench_check(bench, result);
        if (r >= 0) {
            times[r] = pushed - started;
            times[bench->rounds + r] = bench_seconds() - pushed;
        }
    }
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    const char *usage = "mpirun -np WORKERS+1 ... mpi_accumulate NAME WORKERS BYTES ROUNDS";
    struct bench bench = bench_arguments(argv[1], usage, argv + (argc > 1 ? 2 : 1));
    struct window window = {.count = (int)(bench.bytes / sizeof(float))};
    int ranks;
    MPI_Comm_rank(MPI_COMM_WORLD, &window.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (ranks != bench.workers + 1)
        bench_fail("mpirun", "-np must be the workers and one more");
    float *base = NULL;
    MPI_Aint bytes = window.rank == 0 ? (MPI_Aint)bench.bytes : 0;
    MPI_Win_allocate(bytes, sizeof(float), MPI_INFO_NULL, MPI_COMM_WORLD, &base, &window.handle);
    for (int i = 0; window.rank == 0 && i < window.count; i++)
        base[i] = 0;
    double *times = calloc((size_t)bench.rounds * 2, sizeof *times);
    if (times == NULL)
        bench_fail("memory", "none left");
    run(&bench, &window, times);
    if (window.rank == 0)
        bench_report(&bench, times, times + bench.rounds);
    free(times);
    MPI_Win_free(&window.handle);
    MPI_Finalize();
    return 0;
}
