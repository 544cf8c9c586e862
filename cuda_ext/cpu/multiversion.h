// One binary for every x86-64: hot functions are compiled for AVX-512, AVX2 and SSE2 and chosen when the module loads.
//
// An OpenMP outlined body does not inherit the attribute, so a hot loop lives in a function of its own: a plain
// GK_MULTIVERSION function that calls an always-inlined template. Float64 is for verification: one plain version.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define GK_MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GK_MULTIVERSION
#endif
#define GK_INLINE inline __attribute__((always_inline))
#define GK_INLINE_LAMBDA __attribute__((always_inline))
