// The fibers of cuda_runtime.h: how the threads of one block take turns.
#include "cuda_runtime.h"
#include "watched.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <random>
#include <vector>

namespace emulated {

thread_local const Place* here = nullptr;

namespace {

constexpr size_t kStack = 128 << 10;
constexpr int kMostThreads = 1024;

struct Fiber {
  Place place;
  ucontext_t context;
  void* resume[5];  // of __builtin_setjmp
  bool started, done;
  unsigned waits_for;  // lanes of its warp, 0: none
  unsigned exchanges;  // of the whole warp
  watched::Stack stack;
};

struct Warp {
  uint64_t given[2][32];
  unsigned lanes, returned;
  char meeting;  // where watchers see its lanes meet
};

struct Vote {
  int any, count, all;
};

std::mutex one_launch;
unsigned order_seed = 0;
std::mt19937 dice;
std::vector<Fiber> fibers;
std::vector<Warp> warps;
std::deque<int> ready;
char* stacks = nullptr;
std::vector<char> shared;
const std::function<void()>* body;
ucontext_t scheduler;
watched::Stack scheduler_stack;
watched::Stack* running = &scheduler_stack;
char begun, ended, block_meeting;  // where watchers see a block begin and end, and its threads meet
int current, unfinished, at_barrier;
Vote vote, last_vote;

void fail(const char* what) {
  const Place& p = fibers[current].place;
  std::fprintf(stderr, "emulated GPU: %s (block %u %u %u, thread %u %u %u)\n", what, p.block.x, p.block.y, p.block.z, p.thread.x,
               p.thread.y, p.thread.z);
  std::abort();
}

void make_ready(int fiber) {
  if (order_seed == 1) ready.push_front(fiber);
  else ready.push_back(fiber);
}

int next_ready() {
  if (ready.empty()) fail("the threads wait for each other, and some never come");
  if (order_seed > 1) std::swap(ready.front(), ready[dice() % ready.size()]);
  const int fiber = ready.front();
  ready.pop_front();
  return fiber;
}

// Before the stack changes to another, and when it has.
void leave_for(watched::Stack& next) { watched::leave(*running, next); }
void arrive(watched::Stack& stack) { watched::arrive(stack, *running), running = &stack; }

[[noreturn]] __attribute__((noinline)) void enter(int fiber) {
  current = fiber, here = &fibers[fiber].place;
  leave_for(fibers[fiber].stack);
  if (fibers[fiber].started) __builtin_longjmp(fibers[fiber].resume, 1);
  fibers[fiber].started = true;
  setcontext(&fibers[fiber].context);
  std::abort();
}

__attribute__((noinline)) void others_first() {
  if (__builtin_setjmp(fibers[current].resume) == 0) enter(next_ready());
  arrive(fibers[current].stack);
}

Warp& warp_of(int fiber) { return warps[fiber / 32]; }

bool all_here(int warp, unsigned mask) {
  const unsigned expected = mask & warps[warp].lanes & ~warps[warp].returned;
  for (int lane = 0; lane < 32; ++lane)
    if (expected >> lane & 1 && fibers[32 * warp + lane].waits_for != mask) return false;
  return true;
}

void release_warp(int warp, unsigned mask) {
  for (int lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1 && 32 * warp + lane < int(fibers.size()) && fibers[32 * warp + lane].waits_for == mask) {
      fibers[32 * warp + lane].waits_for = 0;
      make_ready(32 * warp + lane);
    }
}

void meet(unsigned mask) {
  const int warp = current / 32;
  if (!(mask >> (current % 32) & 1)) fail("a lane that its mask does not name meets the others");
  fibers[current].waits_for = mask;
  watched::release(&warps[warp].meeting);
  if (all_here(warp, mask)) release_warp(warp, mask);
  others_first();
  watched::acquire(&warps[warp].meeting);
}

void release_block() {
  last_vote = vote, vote = {0, 0, 1}, at_barrier = 0;
  for (int i = 0; i < int(fibers.size()); ++i)
    if (!fibers[i].done) make_ready(i);
}

// A thread that returns counts as present at every barrier of its warp, and of its block.
void leave() {
  Fiber& me = fibers[current];
  me.done = true, --unfinished;
  const int warp = current / 32;
  warps[warp].returned |= 1u << (current % 32);
  for (int lane = 0; lane < 32 && 32 * warp + lane < int(fibers.size()); ++lane) {
    const unsigned mask = fibers[32 * warp + lane].waits_for;
    if (mask && all_here(warp, mask)) release_warp(warp, mask);
  }
  if (unfinished && at_barrier == unfinished) release_block();
  watched::release(&ended);
  if (!unfinished) leave_for(scheduler_stack), setcontext(&scheduler);
  enter(next_ready());
}

void main_of_fiber() {
  arrive(fibers[current].stack);
  watched::acquire(&begun);
  (*body)();
  leave();
}

void run_block(uint3 block, dim3 blocks, dim3 threads) {
  const int count = int(threads.x * threads.y * threads.z);
  fibers.resize(count), warps.assign((count + 31) / 32, Warp{});
  ready.clear();
  at_barrier = 0, unfinished = count, vote = {0, 0, 1};
  std::fill(shared.begin(), shared.end(), char(0xff));
  for (int i = 0; i < count; ++i) {
    Fiber& f = fibers[i];
    const unsigned u = unsigned(i);
    f.place = {{u % threads.x, u / threads.x % threads.y, u / (threads.x * threads.y)}, block, threads, blocks, i % 32};
    f.started = f.done = false, f.waits_for = 0, f.exchanges = 0;
    warp_of(i).lanes |= 1u << (i % 32);
    getcontext(&f.context);
    f.context.uc_stack = {stacks + kStack * size_t(i), 0, kStack};
    f.context.uc_link = nullptr;
    makecontext(&f.context, main_of_fiber, 0);
    f.stack = watched::begin(f.context.uc_stack.ss_sp, kStack);
    make_ready(i);
  }
  volatile bool finished = false;
  getcontext(&scheduler);
  if (finished) {
    arrive(scheduler_stack);
    watched::acquire(&ended);
    for (Fiber& f : fibers) watched::end(f.stack);
    return;
  }
  finished = true;
  scheduler_stack = watched::scheduler();
  watched::release(&begun);
  enter(next_ready());
}

}  // namespace

void set_order(unsigned seed) { order_seed = seed, dice.seed(seed); }

void* shared_memory() { return shared.data(); }

int wait_block(int value, int& count, int& all) {
  vote.any |= value != 0, vote.count += value != 0, vote.all &= value != 0;
  watched::release(&block_meeting);
  if (++at_barrier == unfinished) release_block();
  others_first();
  watched::acquire(&block_meeting);
  count = last_vote.count, all = last_vote.all;
  return last_vote.any;
}

const uint64_t* exchange(unsigned mask, uint64_t bits) {
  Warp& warp = warp_of(current);
  const int lane = current % 32;
  // A whole warp meets once: who gives for the next exchange has read this one. Parts of a warp, which may differ in
  // what they did before, meet twice.
  static thread_local uint64_t copies[32];
  if (mask == ~0u) {
    uint64_t* given = warp.given[fibers[current].exchanges++ & 1];
    given[lane] = bits;
    meet(mask);
    return given;
  }
  uint64_t* given = warp.given[0];
  uint64_t mine[32];
  given[lane] = bits;
  meet(mask);
  std::memcpy(mine, given, sizeof(mine));
  meet(mask);
  std::memcpy(copies, mine, sizeof(mine));
  return copies;
}

unsigned active_lanes() { return warp_of(current).lanes & ~warp_of(current).returned; }

void run(dim3 blocks, dim3 threads, size_t shared_bytes, const std::function<void()>& kernel) {
  const std::lock_guard<std::mutex> lock(one_launch);
  if (threads.x * threads.y * threads.z > kMostThreads || shared_bytes > (48 << 10)) {
    std::fprintf(stderr, "emulated GPU: a block of %u x %u x %u threads with %zu bytes cannot be launched\n", threads.x, threads.y,
                 threads.z, shared_bytes);
    std::abort();
  }
  if (!stacks) {
    void* room = mmap(nullptr, kStack * kMostThreads, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) std::abort();
    stacks = static_cast<char*>(room);
  }
  shared.resize(shared_bytes);
  body = &kernel;
  for (unsigned z = 0; z < blocks.z; ++z)
    for (unsigned y = 0; y < blocks.y; ++y)
      for (unsigned x = 0; x < blocks.x; ++x) run_block({x, y, z}, blocks, threads);
  here = nullptr;
}

}  // namespace emulated
