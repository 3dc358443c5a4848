/* Eight sums s*B + h*P at a time: by tables of both, or by doublings for P. The twins of `sum_with_table` and `sum_without_table`. */
#include "lanes.h"

#include "batch.h"

#ifdef HAVE_LANES

int has_ifma(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512ifma");
}

/* Eight elements that lie `step` apart, one to a lane. */
INLINE8 fe8 loaded(const fe *first, size_t step) {
    uint64_t limb[LANES];
    fe8 out;
    for (int i = 0; i < 5; i++) {
        for (size_t k = 0; k < LANES; k++) limb[k] = first[k * step].v[i];
        out.v[i] = _mm512_loadu_si512(limb);
    }
    return out;
}

INLINE8 void store(fe *first, size_t step, fe8 a) {
    uint64_t limb[LANES];
    for (int i = 0; i < 5; i++) {
        _mm512_storeu_si512(limb, a.v[i]);
        for (size_t k = 0; k < LANES; k++) first[k * step].v[i] = limb[k];
    }
}

#define POINT_STEP (sizeof(point) / sizeof(fe)) /* from an element of a point to that of the next */

INLINE8 void store_points(point out[LANES], point8 p) {
    store(&out->x, POINT_STEP, p.x);
    store(&out->y, POINT_STEP, p.y);
    store(&out->z, POINT_STEP, p.z);
    for (int k = 0; k < LANES; k++) out[k].t = FE_ZERO;
}

INLINE8 point8 nothing(void) {
    const __m512i zero = _mm512_setzero_si512(), one = filled(1);
    const fe8 none = {{zero, zero, zero, zero, zero}}, unit = {{one, zero, zero, zero, zero}};
    point8 out = {none, unit, unit, none};
    return out;
}

/* p plus what the lanes' digits from window `first` up to `end` choose from their tables: those of B, then those of the keys. */
INLINE8 point8 add_windows(point8 p, const lane lanes[LANES], int first, int end) {
    const niels *now[LANES], *next[LANES];
    __mmask8 negative = choose(now, lanes, first), negative_next = 0;
    for (int window = first; window < end; window++) {
        if (window + 1 < end) negative_next = choose(next, lanes, window + 1);
        p = add_niels(p, now, negative);
        if (window + 1 < end) memcpy(now, next, sizeof now);
        negative = negative_next;
    }
    return p;
}

TARGET void ifma_sums(point out[LANES], const lane lanes[LANES]) {
    store_points(out, add_windows(nothing(), lanes, 0, BASE_WINDOWS + KEY_WINDOWS));
}

typedef struct {
    fe8 sum, difference, z2, t2d; /* y + x, y - x, 2z, 2dt */
} cached8;

INLINE8 cached8 cached_of(point8 p) {
    fe8 d;
    for (int i = 0; i < 5; i++) d.v[i] = filled(FE_2D.v[i]);
    cached8 out = {fe8_add(p.y, p.x), fe8_sub(p.y, p.x), fe8_add(p.z, p.z), fe8_mul(p.t, d)};
    return out;
}

INLINE8 point8 add_cached(point8 p, const cached8 *q) {
    fe8 a = fe8_mul(fe8_sub(p.y, p.x), q->difference), b = fe8_mul(fe8_add(p.y, p.x), q->sum);
    return sum_of(a, b, fe8_mul(p.t, q->t2d), fe8_mul(p.z, q->z2));
}

INLINE8 point8 doubled(point8 p) {
    fe8 xx = fe8_mul(p.x, p.x), yy = fe8_mul(p.y, p.y), zz = fe8_mul(p.z, p.z), both = fe8_add(p.x, p.y);
    fe8 h = fe8_add(yy, xx), g = fe8_sub(yy, xx), e = fe8_sub(fe8_mul(both, both), h), f;
    for (int i = 0; i < 5; i++) f.v[i] = add(add(zz.v[i], zz.v[i]), xx.v[i]);
    f = fe8_sub(f, yy);
    point8 out = {fe8_mul(e, f), fe8_mul(g, h), fe8_mul(f, g), fe8_mul(e, h)};
    return out;
}

INLINE8 void choose_limbs(fe8 *to, const fe8 *from, __mmask8 lanes_chosen) {
    for (int i = 0; i < 5; i++) to->v[i] = _mm512_mask_mov_epi64(to->v[i], lanes_chosen, from->v[i]);
}

/* What window `window` of each lane adds: digit times P, of the multiples 1 to KEY_HALF. */
INLINE8 cached8 chosen(const cached8 multiples[KEY_HALF], const lane lanes[LANES], int window) {
    cached8 out = cached_of(nothing());
    unsigned negative = 0;
    int8_t sizes[LANES];
    for (int k = 0; k < LANES; k++) {
        int digit = lanes[k].h[window];
        negative |= (unsigned)(digit < 0) << k;
        sizes[k] = (int8_t)(digit < 0 ? -digit : digit);
    }
    for (int size = 1; size <= KEY_HALF; size++) {
        unsigned same = 0;
        for (int k = 0; k < LANES; k++) same |= (unsigned)(sizes[k] == size) << k;
        const cached8 *one = &multiples[size - 1];
        choose_limbs(&out.sum, &one->sum, (__mmask8)same);
        choose_limbs(&out.difference, &one->difference, (__mmask8)same);
        choose_limbs(&out.z2, &one->z2, (__mmask8)same);
        choose_limbs(&out.t2d, &one->t2d, (__mmask8)same);
    }
    fe8 sum = out.sum;
    choose_limbs(&out.sum, &out.difference, (__mmask8)negative);
    choose_limbs(&out.difference, &sum, (__mmask8)negative);
    for (int i = 0; i < 5; i++) out.t2d.v[i] = _mm512_mask_sub_epi64(out.t2d.v[i], (__mmask8)negative, twice_p(i), out.t2d.v[i]);
    return out;
}

TARGET void ifma_fresh_sums(point out[LANES], const lane lanes[LANES], const point points[LANES]) {
    cached8 multiples[KEY_HALF];
    point8 p = {loaded(&points->x, POINT_STEP), loaded(&points->y, POINT_STEP), loaded(&points->z, POINT_STEP),
                loaded(&points->t, POINT_STEP)};
    multiples[0] = cached_of(p);
    for (int size = 2; size <= KEY_HALF; size++) {
        p = add_cached(p, &multiples[0]);
        multiples[size - 1] = cached_of(p);
    }
    point8 sum = nothing();
    for (int window = KEY_WINDOWS - 1; window >= 0; window--) {
        for (int i = 0; i < KEY_WIDTH && window < KEY_WINDOWS - 1; i++) sum = doubled(sum);
        cached8 next = chosen(multiples, lanes, window);
        sum = add_cached(sum, &next);
    }
    store_points(out, add_windows(sum, lanes, 0, BASE_WINDOWS));
}

static TARGET fe8 squared_times(fe8 a, int times) {
    while (times-- > 0) a = fe8_mul(a, a);
    return a;
}

/* The steps of `fe_power_250` and `fe_power_root`. */
TARGET void ifma_power_roots(fe elements[LANES]) {
    fe8 a = loaded(elements, 1);
    fe8 a2 = fe8_mul(a, a), a9 = fe8_mul(squared_times(a2, 2), a), a11 = fe8_mul(a9, a2);
    fe8 x5 = fe8_mul(fe8_mul(a11, a11), a9), x10 = fe8_mul(squared_times(x5, 5), x5);
    fe8 x20 = fe8_mul(squared_times(x10, 10), x10), x40 = fe8_mul(squared_times(x20, 20), x20);
    fe8 x50 = fe8_mul(squared_times(x40, 10), x10), x100 = fe8_mul(squared_times(x50, 50), x50);
    fe8 x250 = fe8_mul(squared_times(fe8_mul(squared_times(x100, 100), x100), 50), x50);
    store(elements, 1, fe8_mul(squared_times(x250, 2), a));
}

#else

int has_ifma(void) {
    return 0;
}

void ifma_sums(point out[LANES], const lane lanes[LANES]) {
    (void)out, (void)lanes;
}

void ifma_fresh_sums(point out[LANES], const lane lanes[LANES], const point points[LANES]) {
    (void)out, (void)lanes, (void)points;
}

void ifma_power_roots(fe elements[LANES]) {
    (void)elements;
}

#endif
