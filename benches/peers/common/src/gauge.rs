//! What a stretch of work costs: CPU time of this process, and allocations. Which work that is, is the caller's matter.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, which counts while a [`Section`] runs.
pub struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller keeps the promises of `GlobalAlloc`.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the same call, as it came.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the caller keeps the promises of `GlobalAlloc`.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the same call, as it came.
        unsafe { System.alloc_zeroed(layout) }
    }

    // SAFETY: the caller keeps the promises of `GlobalAlloc`.
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the same call, as it came.
        unsafe { System.realloc(old, layout, size) }
    }

    // SAFETY: the caller keeps the promises of `GlobalAlloc`.
    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the same call, as it came.
        unsafe { System.dealloc(old, layout) }
    }
}

fn count() {
    if COUNTS.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
    }
}

/// What was spent while the server worked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Section {
    pub cpu: Duration,
    pub allocations: u64,
}

impl Section {
    /// The cost of this work. The clock is the process's, so that a peer's helper threads count; clients rest meanwhile.
    pub fn of(work: impl FnOnce()) -> Section {
        let before = ALLOCATIONS.load(Relaxed);
        let begun = process_cpu();
        COUNTS.store(true, Relaxed);
        work();
        COUNTS.store(false, Relaxed);
        Section {
            cpu: process_cpu() - begun,
            allocations: ALLOCATIONS.load(Relaxed) - before,
        }
    }
}

impl AddAssign for Section {
    fn add_assign(&mut self, other: Section) {
        self.cpu += other.cpu;
        self.allocations += other.allocations;
    }
}

/// CPU time that all threads of this process have had so far.
pub fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
