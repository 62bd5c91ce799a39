#include "peaks.h"

#include <stdint.h>

#include "cpu.h"

/*
 * Work is cut into parts that any thread may take, as the library does it. A part of arithmetic is STEPS times CHAINS
 * independent instructions, more than are in flight at a time; a part of reading is four streams side by side.
 */
#define CHAINS       16
#define STEPS        8192
#define PARTS        32 /* per thread and call: waking a thread must not count */
#define PIECE_BYTES  ((size_t)256 << 10)
#define BUFFER_BYTES ((size_t)192 << 20)

static volatile float sink;

#if defined(__x86_64__)

#include <immintrin.h>
#define TARGET(isa) __attribute__((target(isa)))

#define TWELVE(X)  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define SIXTEEN(X) TWELVE(X) X(12) X(13) X(14) X(15)
#define START(i)   sum##i = a
#define HOLD(i)    __asm__ volatile("" : "+v"(sum##i)); /* in a register, not computed ahead, not left out */

/* `type` sums named sum0 ..; ADD(i) is the instruction on sum i. */
#define LOOP(name, isa, type, start, count, steps, ADD)                                                                \
    TARGET(isa) static void name(void) {                                                                               \
        const type a = start;                                                                                          \
        count(DECLARE_##type) for (int step = 0; step < (steps); step++){count(ADD)} count(HOLD) sink =                \
            (float)((const char *)&sum0)[0];                                                                           \
    }
#define DECLARE___m256(i)  __m256 START(i);
#define DECLARE___m512(i)  __m512 START(i);
#define DECLARE___m512i(i) __m512i START(i);

#define FMA_256(i)                                                                                                     \
    sum##i = _mm256_fmadd_ps(a, a, sum##i);                                                                            \
    HOLD(i)
#define FMA_512(i)                                                                                                     \
    sum##i = _mm512_fmadd_ps(a, a, sum##i);                                                                            \
    HOLD(i)
#define BF16_512(i)                                                                                                    \
    sum##i = _mm512_dpbf16_ps(sum##i, (__m512bh)a, (__m512bh)a);                                                       \
    HOLD(i)
#define INT8_512(i)                                                                                                    \
    sum##i = _mm512_dpbusd_epi32(sum##i, a, a);                                                                        \
    HOLD(i)
LOOP(f32_avx2, "avx2,fma", __m256, _mm256_set1_ps(1e-30f), TWELVE, STEPS, FMA_256)
LOOP(f32_avx512, "avx512f", __m512, _mm512_set1_ps(1e-30f), SIXTEEN, STEPS, FMA_512)
LOOP(bf16_avx512, "avx512f,avx512bw,avx512vl,avx512bf16", __m512, _mm512_set1_ps(1e-30f), SIXTEEN, STEPS, BF16_512)
LOOP(int8_avx512, "avx512f,avx512bw,avx512vnni", __m512i, _mm512_set1_epi32(0), SIXTEEN, STEPS, INT8_512)

/* Four streams of one piece, each read line by line. */
TARGET("avx512f") static float read_avx512(const float *p, size_t bytes) {
    size_t quarter = bytes / 4 / sizeof *p;
    __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t i = 0; i < quarter; i += 16)
        for (size_t s = 0; s < 4; s++) sum[s] = _mm512_add_ps(sum[s], _mm512_load_ps(p + s * quarter + i));
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

#endif

static void f32_plain(void) {
    float sum[64], a = 1.0f + sink * 0.0f;
    for (int i = 0; i < 64; i++) sum[i] = (float)i;
    for (int step = 0; step < STEPS * CHAINS / 16; step++)
        for (int i = 0; i < 64; i++) sum[i] = sum[i] * a + 1.0f;
    for (int i = 1; i < 64; i++) sum[0] += sum[i];
    sink = sum[0];
}

static float read_plain(const float *p, size_t bytes) {
    float sum[16] = {0};
    for (size_t i = 0; i < bytes / sizeof *p; i += 16)
        for (size_t lane = 0; lane < 16; lane++) sum[lane] += p[i + lane];
    for (int i = 1; i < 16; i++) sum[0] += sum[i];
    return sum[0];
}

#if defined(__x86_64__)
/* Replaces the plain C of a job by what this CPU has. */
static void choose(bench_peak peak, peak_job *job) {
    e2_level here = e2_cpu_level();
    double chain = 2.0 * STEPS * CHAINS;
    struct {
        e2_level needs;
        const char *instruction;
        void (*compute)(void);
        double work;
    } methods[] = {
        {e2_level_avx2, "AVX2 FMA", f32_avx2, 2.0 * STEPS * 12 * 8},
        {e2_level_avx512, "AVX-512 FMA", f32_avx512, chain * 16},
        {e2_level_avx512_bf16, "VDPBF16PS", bf16_avx512, chain * 32},
        {e2_level_avx512_vnni, "VPDPBUSD", int8_avx512, chain * 64},
    };
    size_t last = peak == PEAK_BF16 ? 2 : peak == PEAK_INT8 ? 3 : 1;
    for (size_t i = 0; i <= last; i++) {
        if (here < methods[i].needs || (i == 2 && last == 3)) continue;
        job->instruction = methods[i].instruction;
        job->compute = methods[i].compute;
        job->work = methods[i].work;
    }
    if (here >= e2_level_avx512) job->read = read_avx512;
}
#endif

static void part(void *context, size_t index, unsigned worker) {
    (void)worker;
    const peak_job *job = context;
    if (job->buffer)
        sink = job->read(job->buffer + index * PIECE_BYTES / sizeof *job->buffer, PIECE_BYTES);
    else
        job->compute();
}

void peak_run(void *context) {
    peak_job *job = context;
    size_t parts = job->buffer ? BUFFER_BYTES / PIECE_BYTES : PARTS * (size_t)e2_threads_count(job->threads);
    e2_threads_run(job->threads, parts, part, job);
}

void peak_jobs(e2_threads *threads, peak_job jobs[PEAKS]) {
    static float *buffer;
    static const char *const types[PEAKS] = {"f32", "bf16", "int8", "read"};
    if (!buffer) buffer = bench_random(BUFFER_BYTES / sizeof *buffer, 1.0f);
    for (int i = 0; i < PEAKS; i++) {
        jobs[i] = (peak_job){types[i], "plain C", 2.0 * STEPS * CHAINS / 16 * 64, threads, f32_plain, read_plain, NULL};
#if defined(__x86_64__)
        choose((bench_peak)i, &jobs[i]);
#endif
        jobs[i].work *= PARTS * (double)e2_threads_count(threads);
    }
    jobs[PEAK_READ].instruction = "four streams";
    jobs[PEAK_READ].work = (double)BUFFER_BYTES;
    jobs[PEAK_READ].buffer = buffer;
}
